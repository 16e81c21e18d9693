# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Ways that differ: the answer leaves by another way than the SYN came, or goes to a source to which no way may lead."""

from __future__ import annotations

import ipaddress

from ..._model.host import Host
from ..._model.network_records import LOOPBACK, Address, Route
from ..._model.network_subjects import Source, SplitWays, TwoWays
from ..._model.recording import Observation
from ..case import Case
from ..finding import Evidence, Finding
from ..last_hop import believed, by_policy, came_by, hop_of, routed, rule_of, sender_mac
from .catalogue import Accounts, Cause
from .marked import by_mark
from .needs import CLIENT_ADDRESS, SERVER, SYN_ACK_OUT, SYN_IN, SYN_OUT, FirstOf, needs
from .stretch import inside


@needs(SERVER, CLIENT_ADDRESS, SYN_IN, SYN_ACK_OUT)
def _asymmetric_route(case: Case, server: Host, client: str, came: Observation, left: Observation) -> Finding | None:
    """The SYN-ACK leaves the server by another way than the SYN came in by, and is lost there."""
    if case.count("syn_ack", case.client, "in"):
        return None
    if any(row.at(case.client.name, "in") for attempt in case.attempts for row in attempt.of("syn_ack")):
        return None  # one arrived by that way
    route = case.way(server, client, case.server_address, back=True)
    if not _interfaces(case, server, "syn", "in").isdisjoint(_interfaces(case, server, "syn_ack", "out")):
        return _next_door(case, server, client, route, came) if route and route.gateway is None and route.interface else None
    if server.is_port(came.interface) or server.is_port(left.interface) or left.interface == LOOPBACK:
        return None
    hop, led = hop_of(server, came), by_mark(case, server, "syn_ack", left)
    address = server.interface_of(case.server_address)
    known = route if route and route.interface == left.interface else None
    gateway = led.gateway if led else known.gateway if known else None
    return Finding(
        "likely",  # that it is lost there because the ways differ is what routers and firewalls do who look at sources or at connections
        server.name,
        "path.return",
        f"the SYN comes in at {server.name} by {came.interface}, but the SYN-ACK leaves by {left.interface}"
        + (f" via {gateway}" if gateway else "")
        + (f", {led.text}," if led else by_policy(known) if known else "")
        + f"{'' if led else ','} and is lost there: who filters by source address or connection on that way drops it",
        (
            *case.passage(),
            case.saw(server, "capture", f"SYN in on {came.interface}{came_by(server, came)}, SYN-ACK out on {left.interface}"),
            *(() if led else _of_route(server, route, client, left.interface)),
            *([case.saw(server, "rtnetlink addresses", f"{case.server_address} is on {address.interface}")] if address else []),
        ),
        leg="syn_ack",
        detail={
            "in": came.interface,
            "out": left.interface,
            "in_gateway": hop,
            "out_gateway": gateway,
            "prefix": route.prefix if route and not led else None,
            "source": case.server_address,
        },
        undecided=(f"a recording beyond {left.interface} of {server.name}, at the next hop, would show who drops it",),
        subject=led or TwoWays(came.interface, left.interface, hop, None if routed(came) else _network(address, came.interface, client)),
    )


def _last_router(case: Case) -> Host | None:
    """The managed host on the way that the SYN-ACK left last."""
    between = case.outcome.between if case.outcome.kind == "lost_syn_ack" and inside(case) is None else None
    return next((via for via in case.vias if between and via.name == between[0]), None)


@needs(_last_router)
def _split_at_router(case: Case, via: Host) -> Finding | None:
    """A router with several ways out sends the answer by another one than the SYN came by: it routes, and does not know the connection."""
    came, left = case.observation("syn", via, "in"), case.observation("syn_ack", via, "out")
    if came is None or left is None or via.is_port(came.interface) or via.is_port(left.interface):
        return None
    if not _interfaces(case, via, "syn", "in").isdisjoint(_interfaces(case, via, "syn_ack", "out")):
        return None
    hop, route, led = hop_of(via, came), case.way(via, left.packet.dst, back=True), by_mark(case, via, "syn_ack", left)
    return Finding(
        "likely",
        via.name,
        "path.return",
        f"the SYN comes in at {via.name} by {came.interface}, but {via.name} sends the SYN-ACK on by {left.interface}"
        + (f" via {route.gateway}" if route and route.gateway and route.interface == left.interface else "")
        + (f", {led.text}," if led else "")
        + f"{'' if led else ','} and it is lost there: who filters by source address or connection on that way drops it",
        (
            *case.passage(),
            case.saw(via, "capture", f"SYN in on {came.interface}{came_by(via, came)}, SYN-ACK out on {left.interface}"),
            *_of_route(via, route, left.packet.dst, left.interface),
        ),
        leg="syn_ack",
        detail={"in": came.interface, "out": left.interface, "in_gateway": hop},
        undecided=(f"a recording beyond {left.interface} of {via.name}, at the next hop, would show who drops it",),
        subject=led or SplitWays(came.interface, left.interface, hop),
    )


def _network(own: Address | None, interface: str, other: str) -> str | None:
    """The network of a host's own address on an interface, where the other address belongs to it as well."""
    if own is None or own.interface != interface:
        return None
    return str(own.network) if ipaddress.ip_address(other) in own.network else None


def passed_by(client: Host, address: str) -> str:
    """``, which is deprecated``: why the kernel chooses another source than a fitting address of its own (RFC 6724, 5)."""
    entry = client.interface_of(address)
    return ", which is deprecated (its preferred lifetime is over)" if entry and "deprecated" in entry.flags else ""


def _interfaces(case: Case, host: Host, kind: str, direction: str) -> set[str]:
    """All interfaces on which packets of a kind were seen: one that passes a bond or a VLAN is seen on both."""
    rows = [row for attempt in case.subject for row in attempt.of(kind)]
    found = {seen.interface for row in rows for seen in row.everywhere if seen.host == host.name and seen.direction == direction}
    masters = {link.master for name in found if (link := host.link(name)) and link.master}
    return found | masters


def _next_door(case: Case, server: Host, client: str, route: Route, came: Observation) -> Finding | None:
    """The server takes the client for a neighbour, whose SYN came through a router."""
    why, entry = believed(server, route), server.neighbour(client, route.interface)
    if why is None or not routed(came):
        return None
    if entry and entry.mac and entry.mac.lower() == sender_mac(came):
        return None  # it came from that neighbour, which forwards for others in its own name
    hop = hop_of(server, came)
    return Finding(
        "likely",
        server.name,
        "path.return",
        f"{server.name} takes {client} for a neighbour on {route.interface} ({why}) and sends the SYN-ACK straight to it, but the SYN came "
        f"through a router{f', {hop}' if hop else ''}",
        (
            *case.passage(),
            case.saw(server, "capture", f"SYN in on {came.interface} with TTL {came.packet.ttl}{came_by(server, came)}"),
            *_of_route(server, route, client, route.interface),
        ),
        leg="syn_ack",
        detail={
            "in": came.interface,
            "out": route.interface,
            "in_gateway": hop,
            "out_gateway": None,
            "prefix": route.prefix,
            "source": None,
        },
        subject=route,
    )


def _of_route(server: Host, route: Route | None, client: str, interface: str | None) -> list[Evidence]:
    if route is None:
        return []
    via = f"via {route.gateway} " if route.gateway else "on the link, "
    prefix = f", by {route.prefix}" if route.prefix else ""
    by = f"{prefix}{by_policy(route)}{rule_of(server, route)}"
    return [Evidence(server.name, "rtnetlink route get", f"{client}: {via}dev {route.interface or interface}{by}")]


@needs(CLIENT_ADDRESS, SYN_OUT, SERVER, SYN_ACK_OUT)
def _wrong_source_address(case: Case, source: str, sent: Observation, server: Host, left: Observation) -> Finding | None:
    """The client sends from an address that the inventory does not have for it, on a way where another one of its own would do."""
    if sent.packet.src != source or case.client.owns(source) is not True:
        return None
    holder = case.client.interface_of(source)
    declared = [address for address in case.declared.of(case.client.name) if "/" not in address]
    fitting = [
        address
        for address in declared
        if (entry := case.client.interface_of(address)) and entry.interface == sent.interface and ((":" in address) == (":" in source))
    ]
    if case.declared.has(case.client.name, source) or not fitting or holder is None or case.count("syn_ack", case.client, "in"):
        return None
    route = case.way(case.client, case.address, case.source)
    chosen = (
        "the flow asks for it" if case.source == source else "the route says so" if route and route.source == source else "a rule or bind"
    )
    back = case.way(server, source, case.server_address, back=True)
    return Finding(
        "likely",
        case.client.name,
        "path.return",
        f"{case.client.name} sends from {source} (of {holder.interface}) by {sent.interface}, and the answers to {source} are lost: the "
        f"inventory has {', '.join(fitting)} for {case.client.name}{passed_by(case.client, fitting[0])}, and nothing translates {source}",
        (
            *case.passage(),
            case.saw(case.client, "capture", f"SYN out on {sent.interface} from {source}"),
            case.saw(case.client, "rtnetlink addresses", f"{source} is on {holder.interface}, {', '.join(fitting)} on {sent.interface}"),
            *([case.saw(case.client, "rtnetlink route get", f"{case.address}: source {route.source}")] if route and route.source else []),
            *_of_route(server, back, source, left.interface),
        ),
        leg="syn_ack",
        detail={"source": source, "interface": holder.interface, "out": sent.interface, "fitting": fitting, "by": chosen},
        undecided=(f"the routers' routes to {source} would show whether a way leads back to it",),
        subject=Source(source, fitting[0]),
    )


CAUSES = (
    Cause(
        "asymmetric_route",
        "The answer takes another way than the SYN, and is lost there",
        ("path.return",),
        ("lost_syn_ack", "silent"),
        "Not provable at the server: all SYN-ACKs leave it by another interface than the SYNs came in by, or straight to a client whose "
        "SYNs came through another machine, a router, and none arrives. Or the managed router that the SYN-ACK left last sends it on by "
        "another interface than the SYN came in by.",
        "A SYN-ACK arrives by that way, or leaves by the SYN's interface.",
        rule=FirstOf((_asymmetric_route, _split_at_router)),
        precedes=("path_drop",),
        accounts_for=(Accounts("other_way_back", any_leg=True), Accounts("other_interface", any_leg=True)),
    ),
    Cause(
        "wrong_source_address",
        "The client sends from an address to which no way may lead back",
        ("path.return",),
        ("lost_syn_ack", "silent"),
        "Not provable at the ends: the SYN's source is the client's own but not one that the inventory has for it, while the interface by "
        "which it leaves has one, and no SYN-ACK arrives.",
        "The inventory has the source for the client, or a SYN-ACK arrives.",
        rule=_wrong_source_address,
        precedes=("path_drop",),
        accounts_for=(Accounts("undeclared_source", anywhere=True, any_leg=True),),
    ),
)
