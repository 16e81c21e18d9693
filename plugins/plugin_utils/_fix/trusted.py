# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Whose word a fix may rest on: no host is changed for an address or a port that another host's evidence alone has brought up.

A client sends from whatever address it likes, and says of itself whatever it likes. A host is opened, or its routes, filters and
connections are changed, for the addresses that the inventory, the flow or the host itself knows; anything else is for people to decide.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .._decide.case import Case
from .._model.firewall_records import Verdict
from .._model.fixes import Fix
from .._model.host import Host


def for_client(case: Case, host: Host, address: str | None, fix: Fix) -> Fix:
    """The fix, which changes `host` for the sake of an address that the client is said to have; advice where nobody else knows it."""
    return _unless(unknown_client(case, host, address), fix)


def for_packet(case: Case, host: Host, verdict: Verdict, fix: Fix) -> Fix:
    """The fix, which lets the packet of a verdict through; advice where its ends are not those of the flow."""
    back = verdict.packet == "syn_ack"
    client, server = (verdict.destination, verdict.source) if back else (verdict.source, verdict.destination)
    port = verdict.source_port if back else verdict.port
    return _unless(unknown_client(case, host, client) or _unknown_server(case, host, server, port), fix)


def for_owner(case: Case, owner: Host, address: str, fix: Fix) -> Fix:
    """The fix, which changes another host because `owner` says that an address is its own."""
    return _unless(None if case.declared.has(owner.name, address) else _undeclared(case, owner, address), fix)


def unknown_client(case: Case, host: Host, address: str | None) -> str | None:
    """Why `host` is not changed for the sake of this address of the client; None if it may be."""
    if host is case.client or (case.source is not None and address == case.source):
        return None  # what a host says of itself may decide about itself
    if address is None:
        return f"it is not known from which address {case.client.name} comes"
    if any(case.declared.has(known.name, address) for known in (case.client, *case.vias)):
        return None
    return _undeclared(case, case.client, address)


def _undeclared(case: Case, owner: Host, address: str) -> str:
    known = ", ".join(case.declared.of(owner.name)) or "none"
    entry = owner.interface_of(address)
    if entry is not None and "temporary" in entry.flags:
        setting = f"net.ipv6.conf.{entry.interface.replace('.', '/')}.use_tempaddr=0"
        return (
            f"{address} is a temporary address of {owner.name} (IPv6 privacy extensions), which gives it up for another one: have "
            f"{owner.name} send from a lasting one ({setting}, or the flow's and the application's source), or let its network in"
        )
    way_out = (
        f"if it is {owner.name}'s address on the data network, declare it, as handshake_address: {address} or among handshake_addresses of "
        f"{owner.name}, and run this again"
    )
    others = [each for each in case.declared.of(owner.name) if owner.owns(each) and (":" in each) == (":" in address)]
    if owner is case.client and others:
        way_out += f"; or have {owner.name} send from {others[0]}, by the src of its route or the application's own source"
    if owner is case.client:
        way_out += f"; if a host on the way translates {owner.name}'s address to it, declare it there, and name that host in the flow's via"
    return f"the inventory does not say that {address} is an address of {owner.name} (it has: {known}): {way_out}"


def _unknown_server(case: Case, host: Host, address: str, port: int | None) -> str | None:
    """Why the server's end of a packet is not the flow's; None if it is."""
    if port != case.port:
        return f"the packet is for port {port}, and the flow names port {case.port}: declare a flow for port {port} if it is meant"
    dialled = canonical_or_none(case.dialled)
    if address == dialled or (case.server is not None and case.declared.has(case.server.name, address)):
        return None
    if host is case.client and address == case.address:
        return None
    own = host is case.server and host.owns(address) is True
    if own and (dialled is None or case.server_owns(dialled) is not True):
        return None  # a name, or an address that something on the way translates: it is the server itself that says that this is its own
    return (
        f"the packet is for {address}, which neither the flow nor the inventory names: declare it, as handshake_address or among "
        f"handshake_addresses of {case.server.name if case.server else 'its host'}, if it is meant, and run this again"
    )


def _unless(reason: str | None, fix: Fix) -> Fix:
    if reason is None or not fix.steps:
        return fix
    return replace(fix, summary=f"{fix.summary}; left to you, because {reason}", steps=(), saves=None, undo=(), packets=(), risk="advice")
