# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""An address that stays with a server that does not serve, while another of the flow's servers does: one that is meant to move."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.address_subjects import KeptAddress
from ..._model.host import Host
from ..._model.network_records import LOOPBACK, Address
from ..case import Case
from ..finding import Evidence
from .inside import takes

_VRRP = 112  # RFC 9568, 5.1.1.4


def kept_address(case: Case, server: Host) -> KeptAddress | None:
    if server.owns(case.address) is not True or server.snapshot is None:
        return None
    if any(other.family == case.family for other in case.siblings):
        return None  # of several addresses of a name, each stays with its server
    names = [
        host.name
        for host in case.partners
        if host is not server and host.owns(case.address) is False and host.snapshot is not None
        if any(takes(listener, case.address) for listener in host.snapshot.listeners_on.get(case.port, ()))
    ]
    vrrp = _VRRP in (server.snapshot.raw_protocols or ())
    if not names or not _is_to_move(case, server, names, vrrp):
        return None
    return KeptAddress(case.address, server.name, tuple(dict.fromkeys(names)), vrrp)


def _is_to_move(case: Case, server: Host, names: list[str], vrrp: bool) -> bool:
    """Whether there is a sign that it is no server's own: the inventory has it for all, VRRP, or that it was added to another one."""
    if case.address in case.declared.of(server.name):
        return all(case.address in case.declared.of(name) for name in names)
    entry = server.interface_of(case.address)
    if entry is None or server.snapshot is None:
        return False
    beside = [
        each
        for each in server.snapshot.addresses or ()
        if each.address != entry.address and each.network.version == entry.network.version
        if each.interface != LOOPBACK and not each.network.is_link_local
    ]
    return bool(beside) if vrrp else any(each.interface == entry.interface and _was_added(entry, each) for each in beside)


def _was_added(entry: Address, own: Address) -> bool:
    if entry.prefix == entry.network.max_prefixlen:
        return own.prefix < entry.prefix
    return entry.since_s is not None and own.since_s is not None and entry.since_s > own.since_s


def in_words(kept: KeptAddress) -> str:
    return f"; {' and '.join(kept.served_by)} would take the connection, but {kept.address} is on {kept.holder}"


def shown(case: Case, kept: KeptAddress) -> Iterator[Evidence]:
    for name in kept.served_by:
        yield Evidence(name, "inet_diag", f"LISTEN on port {case.port}, also for {kept.address}, which is not there")
    if kept.vrrp:
        yield Evidence(kept.holder, "/proc/net/raw", f"IP protocol {_VRRP}: takes part in VRRP")
