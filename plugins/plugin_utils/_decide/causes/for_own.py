# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A host's routes lead an address to itself although it has not got it, as that of the routers of its network or by a route of type local,
or the client has got it as well as the server."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import on_loopback

from ..._model.address_subjects import HeldTwice, TakenForOwn
from ..._model.host import Host
from ..._model.network_records import Address, Route
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .client import nothing_sent
from .needs import SERVER, SERVER_ADDRESS, FirstOf, needs
from .stretch import swallower
from .traversals import Place, judged

_TO_ITSELF = ("local", "anycast")
_LOOPBACK = "lo"
_CONNECTED = ("answered_elsewhere", "diverted")
_POINT_TO_POINT = 127  # bits of a prefix without such an address (addrconf_join_anycast())


def _ending(case: Case) -> Iterator[tuple[Host, Route | None, Place]]:
    """Where the SYN ends: the client, where it does not leave, or a host on the way."""
    if case.outcome.local or case.outcome.kind in ("unsent", "reset"):
        yield case.client, case.route, Place(case.client, "syn", "out", "client.firewall")
    via = swallower(case) if case.outcome.kind == "lost_syn" else None
    if via:
        yield via, via.route(case.address), Place(via, "syn", "forward", "path.forward")


def _taken(case: Case) -> tuple[Host, Route] | None:
    if on_loopback(case.address) or (case.server is not None and case.server.owns(case.address) is False):
        return None
    for host, route, place in _ending(case):
        kept = _kept(case, route, place)
        if route and kept and host.owns(case.address) is False:
            return host, route
    return None


def _kept(case: Case, route: Route | None, place: Place) -> bool:
    """Whether a host's routes lead the SYN to itself, and no rule leads it elsewhere or stops it."""
    ruling = judged(case, place)
    to_itself = route is not None and not route.error and route.type in _TO_ITSELF
    return to_itself and (ruling is None or (ruling.rewritten is None and not ruling.stops))


@needs(_taken)
def _taken_for_own(case: Case, found: tuple[Host, Route]) -> Finding:
    host, route = found
    own = _routers(host, case.address) if route.type == "anycast" else None
    theirs = case.server.interface_of(case.address) if case.server else None
    by = (
        f"as it forwards on {own.interface}, it answers for the routers of {own.network}, whose address that is (subnet-router anycast)"
        if own
        else f"a route of type {route.type} leads {route.prefix or case.address} there"
    )
    there = f"; {case.server.name} has it on {theirs.interface}" if case.server and theirs else ""
    return Finding(
        "proven" if host.saw_everything and not case.arrived and not case.completed else "likely",
        host.name,
        "client.route" if host is case.client else "path.forward",
        f"{host.name} takes {case.address} for its own, and keeps the SYN: {by}{there}",
        (
            case.saw(host, "rtnetlink route get", f"{case.address}: {route.type} dev {route.interface}, by {route.prefix}"),
            *([case.saw(host, "rtnetlink addresses", f"{own.address}/{own.prefix} is on {own.interface}")] if own else []),
            *([case.saw(case.server, "rtnetlink addresses", f"{theirs.address}/{theirs.prefix}")] if case.server and theirs else []),
            *(nothing_sent(case) if host is case.client else case.passage()),
        ),
        leg="syn",
        detail={"type": route.type, "network": str(own.network) if own else route.prefix},
        subject=TakenForOwn(route, own),
    )


def _routers(host: Host, address: str) -> Address | None:
    """The address of a host to whose network another one is that of its routers: its first one (addrconf_join_anycast())."""
    wanted = ipaddress.ip_address(address)
    entries = (host.snapshot.addresses if host.snapshot else None) or ()
    return next((entry for entry in entries if wanted.version == 6 and wanted == entry.network.network_address), None)


@needs(SERVER, SERVER_ADDRESS)
def _on_both(case: Case, server: Host, entry: Address) -> Finding | None:
    """The client has the server's address itself, as nodes of a cluster have those of services: what it sends there comes back to it."""
    client, mine = case.client, case.client.interface_of(case.address)
    sent, connected = case.observation("syn", client, "out"), case.outcome.kind in _CONNECTED
    if sent is None:
        stays = not connected and _kept(case, case.route, Place(client, "syn", "out", "client.firewall"))
    else:
        stays = sent.interface == _LOOPBACK
    if mine is None or not stays or client.name == server.name or case.arrived or on_loopback(case.address):
        return None
    return Finding(
        "proven" if sent else "likely",
        client.name,
        "client.route",
        f"{client.name} has {case.address} itself, on {mine.interface}: its connections to that address stay within {client.name}; "
        f"{server.name} has it on {entry.interface}",
        (
            case.saw(client, "rtnetlink addresses", f"{mine.address}/{mine.prefix} is on {mine.interface}"),
            case.saw(server, "rtnetlink addresses", f"{entry.address}/{entry.prefix} is on {entry.interface}"),
            *([case.saw(client, "capture", f"SYN out by {sent.interface}")] if sent else nothing_sent(case)),
        ),
        leg="syn",
        detail={"interface": mine.interface},
        subject=HeldTwice(mine),
    )


@needs(SERVER, SERVER_ADDRESS)
def _of_some_router(case: Case, server: Host, entry: Address) -> Finding | None:
    """The server has the address that belongs to the routers of its network, and the SYN does not come that far."""
    network = entry.network
    if case.outcome.kind not in ("lost_syn", "silent") or case.family != 6 or str(network.network_address) != case.address:
        return None
    if network.prefixlen >= _POINT_TO_POINT or case.completed or case.route is None or not case.route.gateway:
        return None  # next door no router is asked
    if any(_not_its_own(case, via) for via in case.vias):
        return None
    return Finding(
        "likely",
        "path",
        "path.forward",
        f"{case.address}, which {server.name} has on {entry.interface}, is the first one of {network} and belongs to the routers of that "
        "network (subnet-router anycast): one of them keeps the SYN",
        (case.saw(server, "rtnetlink addresses", f"{entry.address}/{entry.prefix} is on {entry.interface}"), *case.passage()),
        leg="syn",
        undecided=("'ip -6 route get' on the router of that network would show it (anycast ... dev lo)",),
        detail={"network": str(network)},
        subject=entry,
    )


def _not_its_own(case: Case, via: Host) -> bool:
    """Whether the SYN ends at a managed host that does not take the address for its own, or none but the server stands behind one."""
    route = via.route(case.address)
    if route is None or route.type in _TO_ITSELF:
        return False
    return via is swallower(case) or (not route.error and not route.gateway and case.count("syn", via, "out") > 0)


CAUSES = (
    Cause(
        "taken_for_own",
        "A host takes the address for its own",
        ("client.route", "path.forward"),
        ("refused_locally", "unsent", "reset", "lost_syn", *_CONNECTED),
        "The client's kernel, or that of a host on the way that took the SYN in and did not let it out, has a route of type local or "
        "anycast for the address, which is on none of its interfaces; its rules do not lead the SYN elsewhere, and its recording is "
        "complete. Or client and server have the address both, and the SYN leaves the client by its loopback interface; where it was not "
        "seen, and the route is of type local: likely. Where the server has the address that belongs to the routers of its IPv6 network, "
        "and the SYN does not come to it: likely.",
        "The SYN leaves it, or only it has the address.",
        rule=FirstOf((_taken_for_own, _on_both, _of_some_router)),
        precedes=(
            "answered_by_middlebox",
            "no_listener",
            "path_drop",
            "path_loss",
            "path_reset",
            "redirected_to_proxy",
            "router_not_forwarding",
        ),
        accounts_for=(Accounts("shared_address", anywhere=True, any_leg=True), Accounts("stray_reset", anywhere=True)),
    ),
)
