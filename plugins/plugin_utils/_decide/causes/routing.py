# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.ingress, server.route and server.egress, and the reverse-path check of any host: addresses, routes and neighbours."""

from __future__ import annotations

from ..._model.host import Host, Observation
from ..._model.network_records import Address
from ..._model.subjects import REFUSING, FalseNeighbour, NextHop, ReversePath
from ..._values.words import plural
from ..case import Case
from ..finding import Certainty, Finding
from ..last_hop import believed, by_policy, came_by, hop_of, routed
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .icmp import answer_of
from .needs import CLIENT_ADDRESS, SERVER, SERVER_ADDRESS, needs
from .stretch import forbidden, kept_unasked, swallower
from .traversals import Place, comes_to_routing


def entered(case: Case) -> tuple[Host, Observation, str, Leg] | None:
    """The host that a packet entered, and in which it did not come further: the packet there, the segment and what it is."""
    leg: Leg = case.outcome.leg or "syn"
    host, segment = swallower(case), case.outcome.segment or "path.forward"
    if case.outcome.kind == "ignored_syn_ack":
        host, segment, leg = case.client, "client.ingress", "syn_ack"
    elif case.outcome.kind == "unanswered":
        host, segment, leg = case.server, "server.route", "syn"
    seen = case.observation(leg, host, "in")
    return (host, seen, segment, leg) if host and seen else None


@needs(entered)
def _rp_filter_drop(case: Case, entry: tuple[Host, Observation, str, Leg]) -> Finding | None:
    """Linux drops what comes in on another interface than its own way back uses (RFC 3704; net/ipv4/fib_frontend.c)."""
    if case.family != 4:
        return None
    host, seen, segment, leg = entry
    mode = max(host.sysctl("net.ipv4.conf.all.rp_filter") or 0, host.sysctl(f"net.ipv4.conf.{seen.interface}.rp_filter") or 0)
    if mode not in (1, 2):
        return None
    packets = case.count(leg, host, "in")
    dropped = host.delta("TcpExt", "IPReversePathFilter")
    back = host.route(seen.packet.src, seen.packet.dst)
    elsewhere = back is not None and (back.error is not None or (mode == 1 and back.interface != seen.interface))
    if not dropped or (back is not None and not elsewhere):
        return None
    way = "no way back exists" if back and back.error else f"its way back is {back.interface}" if back else "its way back is unknown"
    strictness = "strict" if mode == 1 else "loose"
    return Finding(
        "proven" if elsewhere and dropped >= case.swallowed_at(host) and routed_in(case, host, segment, leg) else "likely",
        host.name,
        segment,
        f"{host.name} drops packets from {seen.packet.src} on {seen.interface}: {strictness} reverse-path filter, and {way}",
        (
            *case.passage(),
            case.saw(host, "counter IPReversePathFilter", f"+{dropped}, {plural(packets, 'packet')} of this flow came in"),
            case.saw(host, f"sysctl rp_filter on {seen.interface}", f"{mode} ({strictness})"),
            case.saw(host, "rtnetlink route get", f"{seen.packet.src}: {way}"),
        ),
        leg=leg,
        detail={"interface": seen.interface, "rp_filter": mode, "way_back": back.interface if back else None},
        subject=ReversePath(seen.interface, seen.packet.src, mode, back is not None and back.error is not None),
    )


def routed_in(case: Case, host: Host, segment: str, leg: Leg) -> bool:
    """Whether the packet came as far as the routing decision of the host that it entered, which checks its source as well."""
    return comes_to_routing(case, Place(host, leg, "forward" if segment.startswith("path.") else "in", segment))


@needs(SERVER, CLIENT_ADDRESS)
def _no_return_route(case: Case, server: Host, client: str) -> Finding | None:
    route = server.route(client, case.server_address) if server.owns(case.server_address) else None
    if route is None or not (route.error or route.type in REFUSING):
        return None
    dropped, overflows = server.delta("TcpExt", "ListenDrops"), server.delta("TcpExt", "ListenOverflows")
    unroutable = server.delta("Ip" if case.family == 4 else "Ip6", "OutNoRoutes")
    counted = max(0 if overflows else dropped or 0, unroutable or 0) >= case.swallowed_at(server)
    said = route.error or route.type
    return Finding(
        "proven" if counted and case.arrived else "likely",
        server.name,
        "server.route",
        f"{server.name} has no route back to {client}: the SYN arrives, the SYN-ACK cannot leave",
        (
            *case.passage(),
            case.saw(server, "rtnetlink route get", f"{client} from {case.server_address}: {said}"),
            *([case.saw(server, "counter ListenDrops", f"+{dropped}, ListenOverflows +{overflows}")] if dropped else []),
            *([case.saw(server, "counter OutNoRoutes", f"+{unroutable}")] if unroutable else []),
        ),
        leg="syn_ack",
        detail={"remote": client, "answer": said},
        subject=route,
    )


@needs(SERVER, SERVER_ADDRESS)
def _server_link_down(case: Case, server: Host, entry: Address) -> Finding | None:
    """The interface that has the address is down: whoever is asked about the way there is only the messenger."""
    link = server.link(entry.interface)
    if link is None or case.arrived or (link.up is not False and link.carrier is not False):
        return None
    if case.outcome.kind == "refused_locally" and case.errno() not in ("EHOSTUNREACH", "ETIMEDOUT", None):
        return None
    # Another interface may receive for the address (weak host model), unless the whole host is cut off.
    others = [other for other in (server.snapshot.links if server.snapshot else None) or () if other.name not in ("lo", link.name)]
    alone = not any(other.up and other.carrier is not False for other in others)
    elsewhere = case.completed or kept_unasked(case, case.address) or forbidden(case)  # is where the SYN ended
    state = "administratively down" if link.up is False else "without carrier"
    sure: Certainty = "proven" if server.saw_everything and alone and not elsewhere else "likely"
    return Finding(
        sure if _may_end_at_server(case) else "possible",
        server.name,
        "server.ingress",
        f"the interface {link.name} of {server.name}, which has {case.address}, is {state}",
        (case.saw(server, "rtnetlink link", f"{link.name}: operstate {link.operstate}, carrier {link.carrier}"), *case.passage()),
        leg="syn",
        subject=link,
    )


def _may_end_at_server(case: Case) -> bool:
    """Whether the client, or who answers it, may fail to reach the server's address, and does not stop at something else before."""
    if case.outcome.local:
        return case.gateway[0] == case.address
    answer = answer_of(case) if case.outcome.kind == "icmp" else None
    return answer is None or answer.meaning in ("unreachable", "no_route")


@needs(SERVER, CLIENT_ADDRESS)
def _return_neighbour_unresolved(case: Case, server: Host, client: str) -> Finding | None:
    route = server.route(client, case.server_address)
    if route is not None and route.error:
        return None
    next_hop = (route.gateway if route else None) or client
    entry = server.neighbour(next_hop, route.interface if route else None)
    accepted, asked = case.accepted_by_server(), server.unanswered_requests(next_hop)
    came = case.observation("syn", server, "in")
    why = believed(server, route) if route and next_hop == client and came and (routed(came) or came.interface != route.interface) else None
    known, policy = entry is not None and entry.unresolved, by_policy(route) if route else ""
    if not known and (route is not None or not asked):
        return None  # of an address that a translation made of the client's, only the requests tell
    return Finding(
        "proven" if case.arrived and (accepted or asked) else "likely",
        server.name,
        "server.egress",
        f"{server.name} cannot resolve {next_hop}, its next hop back to {client}{policy}: the SYN-ACK waits and is dropped"
        if why is None or came is None
        else f"{server.name} takes {client} for a neighbour ({why}) and cannot resolve it, but its SYN came in on {came.interface}"
        f"{came_by(server, came)}: the SYN-ACK waits and is dropped",
        (
            *case.passage(),
            *([case.saw(server, "rtnetlink neighbour", f"{next_hop} on {entry.interface} is {entry.state}")] if entry else []),
            *([case.saw(server, "capture", f"{plural(asked, 'request')} for {next_hop} left {server.name}, no reply")] if asked else []),
            *accepted,
            *([case.saw(server, "rtnetlink route get", f"{client}: on the link, {why}")] if why else []),
            *([case.saw(server, "rtnetlink route get", f"{client}: via {next_hop}{policy}")] if policy and not why else []),
            *([case.saw(server, "capture", f"SYN in on {came.interface} with TTL {came.packet.ttl}")] if why and came else []),
        ),
        leg="syn_ack",
        detail={
            "next_hop": next_hop,
            "interface": entry.interface if entry else None,
            "on_link_by": route.prefix if why and route else None,
        },
        subject=NextHop(next_hop) if why is None or came is None else FalseNeighbour(client, route, came.interface, hop_of(server, came)),
    )


CAUSES = (
    Cause(
        "rp_filter_drop",
        "The reverse-path filter drops the packet",
        ("server.route", "client.ingress", "path.forward", "path.return"),
        ("unanswered", "ignored_syn_ack", "lost_syn", "lost_syn_ack"),
        "IPReversePathFilter rises by the packets that came in, the filter is on for that interface, and the kernel's way back to the "
        "source is another one.",
        "The way back uses the interface on which the packet came in.",
        rule=_rp_filter_drop,
        accounts_for=(
            Accounts("counter", ("TcpExt.IPReversePathFilter",)),
            Accounts("other_interface", anywhere=True, any_leg=True),
            Accounts("other_way_back", anywhere=True, any_leg=True),
        ),
    ),
    Cause(
        "server_link_down",
        "The server's interface is down",
        ("server.ingress",),
        ("icmp", "lost_syn", "silent", "refused_locally", "unsent"),
        "The interface that has the address dialled is administratively down or has no carrier, and no SYN arrives. Where the client, or a "
        "router that answers, stops at something else before: possible.",
        "A SYN arrives at the server.",
        rule=_server_link_down,
        precedes=("path_icmp_unreachable", "path_no_route", "path_drop", "neighbour_unresolved"),
        accounts_for=(
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("request_unanswered", anywhere=True),
            Accounts("counter", ("link.tx_dropped", "link.rx_dropped")),
        ),
    ),
    Cause(
        "no_return_route",
        "The server has no route back to the client",
        ("server.route",),
        ("unanswered", "silent"),
        "The SYN enters the server, the kernel's route lookup back to the client fails, and ListenDrops (without ListenOverflows) or "
        "OutNoRoutes rises.",
        "The route lookup succeeds.",
        rule=_no_return_route,
        accounts_for=(
            Accounts("icmp_error", any_leg=True),
            Accounts("counter", ("Ip.OutNoRoutes", "Ip6.OutNoRoutes", "TcpExt.ListenDrops"), any_leg=True),
        ),
    ),
    Cause(
        "return_neighbour_unresolved",
        "The server's next hop back does not answer",
        ("server.egress",),
        ("unanswered", "silent"),
        "The SYN enters the server and no SYN-ACK leaves it, its next hop back is FAILED or INCOMPLETE, and its requests for the next "
        "hop stay unanswered or its SYN-ACK timers run out.",
        "The next hop is resolved.",
        rule=_return_neighbour_unresolved,
        accounts_for=(
            Accounts("icmp_error", any_leg=True),
            Accounts("request_unanswered"),
            # It tells itself that it cannot reach the client, and has no socket left for that.
            Accounts("counter", ("TcpExt.ListenDrops", "Icmp.InErrors", "Icmp6.InErrors"), any_leg=True),
        ),
    ),
)
