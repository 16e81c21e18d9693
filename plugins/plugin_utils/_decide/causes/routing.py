# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.ingress, server.route and server.egress: addresses, routes and neighbours."""

from __future__ import annotations

from ..._model.address_subjects import FalseNeighbour, NextHop
from ..._model.host import Host
from ..._model.network_records import Address
from ..._model.network_subjects import REFUSING
from ..._values.words import plural
from ..case import Case
from ..finding import Certainty, Finding
from ..last_hop import believed, by_policy, came_by, hop_of, routed, why_no_way, without_main
from .advertised import deaf_interface, deaf_to_routers
from .catalogue import Accounts, Cause
from .icmp import answer_of
from .link_states import concerned, is_down, state
from .needs import CLIENT_ADDRESS, SERVER, SERVER_ADDRESS, needs
from .stretch import kept_unasked


@needs(SERVER, CLIENT_ADDRESS)
def _no_return_route(case: Case, server: Host, client: str) -> Finding | None:
    route = case.way(server, client, case.server_address, back=True) if server.owns(case.server_address) else None
    if route is None or not (route.error or route.type in REFUSING):
        return None
    dropped, overflows = server.delta("TcpExt", "ListenDrops"), server.delta("TcpExt", "ListenOverflows")
    unroutable = server.delta("Ip" if case.family == 4 else "Ip6", "OutNoRoutes")
    counted = max(0 if overflows else dropped or 0, unroutable or 0) >= case.swallowed_at(server)
    said = route.error or route.type
    unled = without_main(server, case.family) if said == "ENETUNREACH" and not route.refused_by_rule else None
    return Finding(
        "proven" if counted and case.arrived else "likely",
        server.name,
        "server.route",
        f"{server.name} has no route back to {client}: the SYN arrives, the SYN-ACK cannot leave{route.for_others}"
        + why_no_way(server, route),
        (
            *case.passage(),
            case.saw(server, "rtnetlink route get", f"{client} from {case.server_address}: {said}"),
            *([case.saw(server, "counter ListenDrops", f"+{dropped}, ListenOverflows +{overflows}")] if dropped else []),
            *([case.saw(server, "counter OutNoRoutes", f"+{unroutable}")] if unroutable else []),
            *(deaf_to_routers(case, server) if said == "ENETUNREACH" else ()),
        ),
        leg="syn_ack",
        detail={"remote": client, "answer": said},
        subject=unled or (deaf_interface(case, server) if route.type is None and said == "ENETUNREACH" else None) or route,
    )


@needs(SERVER, SERVER_ADDRESS)
def _server_link_down(case: Case, server: Host, entry: Address) -> Finding | None:
    """The interface that has the address is down: whoever is asked about the way there is only the messenger."""
    link = server.link(entry.interface)
    if link is None or case.arrived or not is_down(link):
        return None
    if case.outcome.kind == "refused_locally" and case.errno() not in ("EHOSTUNREACH", "ETIMEDOUT", None):
        return None
    # Another interface may receive for the address (weak host model), unless the whole host is cut off.
    others = [other for other in (server.snapshot.links if server.snapshot else None) or () if other.name not in ("lo", link.name)]
    alone = not any(other.up and other.carrier is not False for other in others)
    elsewhere = case.completed or kept_unasked(case, case.address)  # is where the SYN ended
    sure: Certainty = "proven" if server.saw_everything and alone and not elsewhere else "likely"
    return Finding(
        sure if _may_end_at_server(case) else "possible",
        server.name,
        "server.ingress",
        f"the interface {link.name} of {server.name}, which has {case.address}, is {state(server, link)}",
        (case.saw(server, "rtnetlink link", f"{link.name}: operstate {link.operstate}, carrier {link.carrier}"), *case.passage()),
        leg="syn",
        subject=concerned(server, link),
    )


def _may_end_at_server(case: Case) -> bool:
    """Whether the client, or who answers it, may fail to reach the server's address, and does not stop at something else before."""
    if case.outcome.local:
        return case.gateway[0] == case.address
    answer = answer_of(case) if case.outcome.kind == "icmp" else None
    return answer is None or answer.meaning in ("unreachable", "no_route")


@needs(SERVER, CLIENT_ADDRESS)
def _return_neighbour_unresolved(case: Case, server: Host, client: str) -> Finding | None:
    route = case.way(server, client, case.server_address, back=True)
    if route is not None and route.error:
        return None
    next_hop = (route.gateway if route else None) or client
    entry = server.neighbour(next_hop, route.interface if route else None)
    accepted, asked = case.accepted_by_server(), server.unanswered_requests(next_hop)
    came = case.observation("syn", server, "in")
    why = believed(server, route) if route and next_hop == client and came and (routed(came) or came.interface != route.interface) else None
    known, policy = entry is not None and entry.unresolved, by_policy(route) if route else ""
    if not known and (route is not None or not asked):
        return None  # of an address that a translation made of the client's, only the requests show it
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
            # It sends itself the error that it cannot reach the client, and has no socket left for that.
            Accounts("counter", ("TcpExt.ListenDrops", "Icmp.InErrors", "Icmp6.InErrors"), any_leg=True),
        ),
    ),
)
