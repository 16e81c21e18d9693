# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A host's routes lead an address to itself although it has not got it, as that of the routers of its network or by a route of type local,
or the client has got it as well as the server."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import on_loopback

from ..._model.address_subjects import HeldTwice, TakenForOwn
from ..._model.host import Host
from ..._model.network_records import LOOPBACK, Address, Route
from ..._model.recording import Observation
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .client import nothing_sent
from .for_proxy import marked_for_own
from .needs import SERVER, SERVER_ADDRESS, FirstOf, needs
from .stretch import PACKETS, kept, swallower
from .traversals import Place, judged

_TO_ITSELF = ("local", "anycast")
_CONNECTED = ("answered_elsewhere", "diverted")
_POINT_TO_POINT = 127  # bits of a prefix without such an address (addrconf_join_anycast())


@dataclass(frozen=True)
class _Ending:
    """Where a packet ends: the host, its route for the packet, and the packet as it left that host by lo, where it was seen."""

    host: Host
    address: str
    owner: Host | None
    route: Route
    place: Place
    sent: Observation | None = None


def _endings(case: Case) -> Iterator[_Ending]:
    """The client, which the SYN does not leave, a host on the way, or the server, which the SYN-ACK does not leave."""
    client, server, route = case.client, case.server, case.route
    sent = case.observation("syn", client, "out")
    stays = sent.interface == LOOPBACK if sent else case.outcome.local or case.outcome.kind == "reset"
    if stays and route and (sent is None or sent.packet.dst == case.address):
        yield _Ending(client, case.address, server, route, Place(client, "syn", "out", "client.route"), sent)
    own = server.interface_of(case.address) if server else None
    via = None if own and own.interface == LOOPBACK else _keeper(case)  # it is meant to: a balancer with direct routing
    if via and (route := case.way(via, case.address)):
        yield _Ending(via, case.address, server, route, Place(via, "syn", "forward", "path.forward"))
    last = case.outcome.last_seen
    if server and last and kept(case) == (server, last) and (route := case.way(server, last.packet.dst, back=True)):
        yield _Ending(server, last.packet.dst, client, route, Place(server, "syn_ack", "out", "server.route"), last)


def _keeper(case: Case) -> Host | None:
    """The host on the way that kept the SYN, or answered it itself."""
    row = case.outcome.row
    if case.outcome.kind == "lost_syn" or row is None:
        return swallower(case) if case.outcome.kind == "lost_syn" else None
    took_in = [via for via in case.vias if case.count("syn", via, "in") and not case.count("syn", via, "out")]
    return next((via for via in took_in if row.at(via.name, "out") and not row.at(via.name, "in")), None)


def _taken(case: Case) -> _Ending | None:
    if on_loopback(case.address) or (case.server is not None and case.server.owns(case.address) is False):
        return None
    for ending in _endings(case):
        host = ending.host
        known = host.snapshot is not None and host.snapshot.addresses is not None
        if known and host is not ending.owner and host.interface_of(ending.address) is None and _kept(case, ending):
            return ending
    return None


def _kept(case: Case, ending: _Ending) -> bool:
    """Whether a host's routes lead a packet to itself, and no rule leads it elsewhere or stops it."""
    if ending.route.error or ending.route.type not in _TO_ITSELF:
        return False
    verdict = judged(case, ending.place) if ending.sent is None else None
    return verdict is None or (verdict.rewritten is None and not verdict.stops)


@needs(_taken)
def _taken_for_own(case: Case, found: _Ending) -> Finding:
    host, route, address, owner = found.host, found.route, found.address, found.owner
    own = _routers(host, address) if route.type == "anycast" else None
    theirs = owner.interface_of(address) if owner else None
    by = (
        f"as it forwards on {own.interface}, it answers for the routers of {own.network}, whose address that is (subnet-router anycast)"
        if own
        else f"a route of type {route.type} leads {route.prefix or address} there"
    )
    there = f"; {owner.name} has it on {theirs.interface}" if owner and theirs else ""
    packet = PACKETS.get(case.outcome.kind, "SYN")
    shown = [case.saw(host, "capture", f"{packet} out by {LOOPBACK}")] if found.sent else nothing_sent(case) if host is case.client else ()
    return Finding(
        "proven" if host.saw_everything and not case.completed and (found.sent or not case.arrived) else "likely",
        host.name,
        found.place.segment,
        f"{host.name} takes {address} for its own, and keeps the {packet}: {by}{there}",
        (
            case.saw(host, "rtnetlink route get", f"{address}: {route.type} dev {route.interface}, by {route.prefix}"),
            *([case.saw(host, "rtnetlink addresses", f"{own.address}/{own.prefix} is on {own.interface}")] if own else []),
            *([case.saw(owner, "rtnetlink addresses", f"{theirs.address}/{theirs.prefix}")] if owner and theirs else []),
            *shown,
            *(() if host is case.client else case.passage()),
        ),
        leg=found.place.leg,
        detail={"type": route.type, "network": str(own.network) if own else route.prefix},
        subject=TakenForOwn(address, route, own),
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
        unseen = [ending for ending in _endings(case) if ending.host is client]
        stays = not connected and any(_kept(case, ending) for ending in unseen)
    else:
        stays = sent.interface == LOOPBACK
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
    route = case.way(via, case.address)
    if route is None or route.type in _TO_ITSELF:
        return False
    return via is swallower(case) or (not route.error and not route.gateway and case.count("syn", via, "out") > 0)


CAUSES = (
    Cause(
        "taken_for_own",
        "A host takes the address for its own",
        ("client.route", "path.forward", "server.route"),
        ("refused_locally", "unsent", "reset", "icmp", "lost_syn", "lost_syn_ack", "silent", *_CONNECTED),
        "The client's kernel, or that of a host on the way that took the SYN in and did not let it out but may have answered it, has a "
        "route of type local or anycast for the address, which is on none of its interfaces; its rules do not lead the SYN elsewhere, or "
        "the SYN leaves the client by its loopback interface, and its recording is complete. The same of the server, the client's address "
        "and the SYN-ACK. Or client and server have the address both, and the SYN leaves the client by its loopback interface; where it "
        "was not seen, and the route is of type local: likely. Where the server has the address that belongs to the routers of its IPv6 "
        "network, and the SYN does not come to it: likely. Where a host on the way, evaluated, marks the SYN, and a policy rule leads "
        "what has the mark to a local route: likely.",
        "The packet leaves it, or only it has the address.",
        rule=FirstOf((_taken_for_own, _on_both, _of_some_router, marked_for_own)),
        precedes=(
            "answered_by_middlebox",
            "firewall_reject",
            "no_listener",
            "path_drop",
            "path_icmp_rejected",
            "path_loss",
            "path_reset",
            "redirected_to_proxy",
            "router_not_forwarding",
        ),
        accounts_for=(
            Accounts("shared_address", anywhere=True, any_leg=True),
            Accounts("stray_reset", anywhere=True),
            Accounts("icmp_error"),
        ),
    ),
)
