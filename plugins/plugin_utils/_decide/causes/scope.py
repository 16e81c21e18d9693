# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Addresses that are not one machine's to the client: link-local ones are on every link, and broadcast and multicast are for many."""

from __future__ import annotations

import ipaddress

from ..._model.address_subjects import Unscoped
from ..._model.host import Host
from ..._model.network_records import Address, Route
from ..._model.network_subjects import Broadcast
from ..case import Case
from ..finding import Finding
from .catalogue import Cause
from .client import errno_evidence, nothing_sent
from .needs import ROUTE, needs


def _address_without_interface(case: Case) -> Finding | None:
    """connect() says EINVAL for a link-local address whose sin6_scope_id is 0 (net/ipv6/tcp_ipv6.c, RFC 4007)."""
    if case.errno() != "EINVAL" or "%" in case.dialled or not all(probe.stage == "connect" for probe in case.probes):
        return None
    if not ipaddress.ip_address(case.address).is_link_local or case.family != 6:
        return None
    links = [link.name for link in (case.client.snapshot.links if case.client.snapshot else None) or () if link.up and link.name != "lo"]
    return Finding(
        "proven",
        case.client.name,
        "client.socket",
        f"{case.address} is link-local, and {case.client.name} was given no interface for it: connect() refuses it",
        (errno_evidence(case), *nothing_sent(case)),
        leg="syn",
        detail={"interfaces": links[:8]},
        subject=Unscoped(tuple(links)),
    )


def for_all(host: Host, address: str) -> Address | None:
    """The address of a host by whose prefix another one is for all machines of its network (RFC 919)."""
    entries = (host.snapshot.addresses if host.snapshot else None) or ()
    wanted = ipaddress.ip_address(address)
    return next((entry for entry in entries if wanted.version == 4 and wanted == entry.network.broadcast_address), None)


@needs(ROUTE)
def _broadcast_address(case: Case, route: Route) -> Finding | None:
    """connect() says ENETUNREACH where the route is of type broadcast or multicast (tcp_v4_connect())."""
    if case.errno() != "ENETUNREACH" or route.type not in ("broadcast", "multicast"):
        return None
    name, own = case.client.name, for_all(case.client, case.address)
    theirs = case.server.interface_of(case.address) if case.server else None
    by = f" of its network {own.network} ({own.address}/{own.prefix} on {own.interface})" if own else ""
    return Finding(
        "proven",
        name,
        "client.route",
        f"for {name}, {case.address} is {'the broadcast' if own else f'a {route.type}'} address{by}: TCP connects to one machine only"
        + (f"; {case.server.name} has it in {theirs.network}" if case.server and theirs else ""),
        (
            errno_evidence(case),
            case.saw(case.client, "rtnetlink route get", f"{case.address}: {route.type} dev {route.interface}"),
            *([case.saw(case.server, "rtnetlink addresses", f"{theirs.address}/{theirs.prefix}")] if case.server and theirs else []),
            *nothing_sent(case),
        ),
        leg="syn",
        detail={"type": route.type, "network": str(own.network) if own else None},
        subject=Broadcast(own, theirs.prefix if theirs else None, case.server.name if case.server else None),
    )


CAUSES = (
    Cause(
        "broadcast_address",
        "The address dialled is a broadcast address to the client",
        ("client.route",),
        ("refused_locally",),
        "connect() fails with ENETUNREACH at once, and the client's kernel has a route of type broadcast, or multicast, for the address. "
        "A broadcast address is the last one of a network in which the client has an address.",
        "The route lookup gives one machine.",
        rule=_broadcast_address,
    ),
    Cause(
        "address_without_interface",
        "A link-local address without its interface",
        ("client.socket",),
        ("refused_locally",),
        "connect() fails with EINVAL at once for an IPv6 link-local address that names no interface.",
        "The address names an interface.",
        rule=_address_without_interface,
    ),
)
