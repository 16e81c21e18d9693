# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A host asks for its next hop's link address, is answered, and does not come to know it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf

from ..._model.address_subjects import Deaf
from ..._model.hook_records import BaseChain
from ..._model.host import Host
from ..._model.network_records import Link, Route
from ..._model.network_subjects import BridgePort
from ..._model.recording import Observation
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .icmp import HELD_BACK
from .needs import needs
from .onward import onward
from .routers import stopped_at
from .why_silent import able_chains, chain_named, chain_said

_MASTERS = ("bridge", "bond", "team", "openvswitch")  # they take what comes in on their ports (netdev_rx_handler_register())
_ON_THE_WAY_IN = {
    "netdev": ("ingress",),
    "bridge": ("prerouting", "input"),
    "arp": ("input",),
    "ip6": ("prerouting", "input"),
    "inet": ("prerouting", "input"),
}
"""Hooks that an answer passes after the recorder's tap, by the family of the chain."""
_COPY = 0.1  # seconds within which a question that is seen once more is a copy of it, on another port of a bridge
_TAKEN = 4.0  # seconds for which who took an answer does not ask again: DELAY_PROBE_TIME is 5
_GIVES_UP = 3  # questions without an answer after which a neighbour has failed (mcast_solicit)


def _stopped(case: Case) -> Iterator[tuple[Host, str, Leg, str]]:
    """(who may have to ask for a next hop, the segment and leg, the address that the packet is for)."""
    kind = case.outcome.kind
    if kind in ("refused_locally", "unsent"):
        yield case.client, "client.neighbour", "syn", case.address
    elif kind == "unanswered" and case.server and case.client_address:
        yield case.server, "server.egress", "syn_ack", case.client_address
    via = stopped_at(case) if case.vias else None
    target = onward(case, via).target if via else None
    if via and target:
        back = kind == "lost_syn_ack"
        yield via, "path.return" if back else "path.forward", "syn_ack" if back else "syn", target


def _ignoring(case: Case) -> tuple[Host, str, Leg, Route, str, list[Observation]] | None:
    """Who does not take the answers, where, for which packet, by which route, its next hop, and the answers."""
    for host, segment, leg, target in _stopped(case):
        route = case.way(host, target, back=leg == "syn_ack")
        if route is None or route.error or route.multipath or not route.interface:
            continue
        hop = route.gateway or target
        entry, answers = host.neighbour(hop, route.interface), _answers(host, hop)
        if entry and entry.unresolved and answers and _asks_on(host, hop, answers):
            return host, segment, leg, route, hop, answers
    return None


def _answers(host: Host, hop: str) -> list[Observation]:
    """Those that came in to it; a port of a bridge gets those for the bridge's own link address, too."""
    return [
        seen
        for seen, said in host.neighbour_messages("in", "other")
        if said.operation == "reply"
        and said.sender == hop
        and host.owns(said.target)
        and (seen.direction == "in" or host.is_port(seen.interface))
    ]


def _questions(host: Host, hop: str) -> list[float]:
    """When it asked for a next hop."""
    asked = [seen.time for seen, said in host.neighbour_messages("out") if said.operation == "request" and said.target == hop]
    return [at for before, at in pairwise([-inf, *sorted(asked)]) if at - before > _COPY]


def _asks_on(host: Host, hop: str, answers: list[Observation]) -> bool:
    """Whether it asks again although it was answered: it would not, for a while, if it had taken that."""
    return any(answer.time < at < answer.time + _TAKEN for answer in answers for at in _questions(host, hop))


def _answered_each_time(host: Host, hop: str, answers: list[Observation]) -> bool:
    """Whether it gave up although it was answered, several times and to the end: who is answered once and then no more may have taken
    that one, and asked again for a reason of its own."""
    asked = _questions(host, hop)
    answered = [any(at < answer.time < later for answer in answers) for at, later in pairwise([*asked, inf])]
    return sum(answered) > 1 and any(answered[-_GIVES_UP:])


@needs(_ignoring)
def _neighbour_ignored(case: Case, found: tuple[Host, str, Leg, Route, str, list[Observation]]) -> Finding:
    host, segment, leg, route, hop, answers = found
    interface = route.interface or ""
    entry, port = host.neighbour(hop, interface), _as_port(host, interface)
    chains = [] if port else _chains(host, hop)
    towards = f", its next hop towards {route.remote}," if route.gateway else ""
    noun = "ARP replies" if ":" not in hop else "neighbour advertisements"
    if port:
        why = f": {port.name}, on which it has its addresses, is a port of {port.master}, which takes all that comes in there"
    elif chains:
        why = f": rules of its own may stop them ({' and '.join(map(chain_named, chains[:3]))})"
    else:
        why = ""
    return Finding(
        "proven" if _answered_each_time(host, hop, answers) and not case.completed else "likely",  # one may have come too late
        host.name,
        segment,
        f"{host.name} asks for {hop}{towards} and ignores the {noun} that come in{why}",
        (
            case.saw(host, "capture", f"{plural(len(answers), 'answer')} from {hop} in on {answers[0].interface}"),
            *([case.saw(host, "rtnetlink neighbour", f"{hop} on {interface} is {entry.state}")] if entry else []),
            *([case.saw(host, "rtnetlink link", f"{port.name}: master {port.master}")] if port else []),
            *(Evidence(host.name, "nftables", chain_said(chain)) for chain in chains[:3]),
            *case.passage(),
        ),
        leg=leg,
        detail={"next_hop": hop, "interface": interface},
        undecided=() if why else (f"arptables, ebtables and tc on {host.name} would show why",),
        subject=Deaf(
            hop,
            route,
            chains=tuple(map(chain_named, chains[:3])),
            of_bridge=any(chain.family == "bridge" for chain in chains[:3]),
            port=BridgePort(port.name, port.master or "", "address") if port else None,
        ),
    )


def _as_port(host: Host, interface: str) -> Link | None:
    """The interface, if it is a port of another one, so that nothing comes in on itself."""
    link = host.link(interface)
    master = host.link(link.master) if link else None
    return link if link and master and master.kind in _MASTERS else None


def _chains(host: Host, hop: str) -> list[BaseChain]:
    six = ":" in hop
    families = ("netdev", "bridge", "ip6", "inet") if six else ("netdev", "bridge", "arp")
    return [each for each in able_chains(host) if each.family in families and each.hook in _ON_THE_WAY_IN[each.family]]


CAUSES = (
    Cause(
        "neighbour_ignored",
        "A host ignores the answers to its ARP requests or solicitations",
        ("client.neighbour", "server.egress", "path.forward", "path.return"),
        ("refused_locally", "unsent", "unanswered", "icmp", "lost_syn", "lost_syn_ack"),
        "The recording of a managed host that is to send the packet on has answers of its next hop to two or more of its questions, one "
        "of the last three among them, and its neighbour table has the next hop unresolved all the same, and it asks on. Else: likely.",
        "No answer comes in, or the next hop is resolved.",
        rule=_neighbour_ignored,
        precedes=("neighbour_unresolved", "return_neighbour_unresolved", "path_icmp_unreachable", "path_drop", "path_loss", "host_down"),
        accounts_for=(
            Accounts("request_unanswered", anywhere=True, any_leg=True),
            Accounts("request_ignored", any_leg=True),  # what stops answers stops requests as well
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("other_outcome", ("lost_syn", "lost_syn_ack", "silent", "icmp", HELD_BACK), anywhere=True, any_leg=True),
            Accounts("counter", ("TcpExt.ListenDrops", "Icmp.InErrors", "Icmp6.InErrors"), any_leg=True),
        ),
    ),
)
