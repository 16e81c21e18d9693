# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where a handshake's packets cross the hosts' firewalls, what each firewall says of them, and whether they got through all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..._model.recording import Observation
from ..case import Case
from ..firewall_verdicts import When
from ..outcome import Leg
from .hooks import AHEAD_OF_ROUTING, droppers
from .kernel import cleared, hook_of

PACKETS: dict[Leg, str] = {"syn": "the SYN", "syn_ack": "the SYN-ACK", "ack": "the final ACK"}
_LOST: dict[str, Leg] = {"lost_syn": "syn", "lost_syn_ack": "syn_ack", "lost_ack": "ack"}


Direction = Literal["in", "out", "forward"]


@dataclass(frozen=True)
class Place:
    """A packet's way through the firewall of one host."""

    host: Host
    leg: Leg
    direction: Direction
    segment: str

    @property
    def packet(self) -> str:
        return PACKETS[self.leg]

    @property
    def key(self) -> tuple[str, Leg, Direction]:
        """What identifies it among the places of a case."""
        return self.host.name, self.leg, self.direction


def way(case: Case) -> list[Place]:
    """All places that the three packets of a handshake pass, in their order."""
    return case.once("way", lambda: _way(case))


def _way(case: Case) -> list[Place]:
    places = [Place(case.client, "syn", "out", "client.firewall")]
    places += [Place(via, "syn", "forward", "path.forward") for via in case.vias]
    if case.server is not None:
        places += [Place(case.server, "syn", "in", "server.firewall"), Place(case.server, "syn_ack", "out", "server.firewall")]
    places += [Place(via, "syn_ack", "forward", "path.return") for via in reversed(case.vias)]
    places += [Place(case.client, "syn_ack", "in", "client.firewall"), Place(case.client, "ack", "out", "client.firewall")]
    places += [Place(via, "ack", "forward", "path.forward") for via in case.vias]
    return places + ([Place(case.server, "ack", "in", "server.firewall")] if case.server is not None else [])


def suspects(case: Case, partly: bool = False) -> list[Place]:
    """The places at which the packets of the outcome may have ended, as far as is recorded; ``partly``: also those where others passed."""
    ended: list[Place] = case.once("suspects", lambda: [place for place in way(case) if _may_have_ended(case, place)])
    return [place for place in ended if partly or not passed(case, place)]


def _may_have_ended(case: Case, place: Place) -> bool:
    kind, at_client, at_server = case.outcome.kind, place.segment == "client.firewall", place.segment == "server.firewall"
    if kind in ("unsent", "refused_locally"):
        return at_client and (place.leg, place.direction) == ("syn", "out")
    if kind == "unanswered":
        return at_server and place.leg != "ack"
    if kind == "ignored_syn_ack":
        return at_client and place.leg == "syn_ack"
    if kind in ("ignored_ack", "reset_after"):
        on_the_way = place.direction == "forward" and (kind == "reset_after" or not case.hears(place.host, "out"))
        return place.leg == "ack" and (at_server or on_the_way)
    if kind in _LOST and case.outcome.segment == "client.firewall":
        return at_client and (place.leg, place.direction) == ("ack", "out")
    if kind in _LOST:
        unseen = case.outcome.host == "path" and place.host.observations is None
        return place.direction == "forward" and place.leg == _LOST[kind] and (place.host.name == case.outcome.host or unseen)
    if kind in ("reset", "icmp"):
        return place.leg == "syn" and place.direction != "out" and _took_in(case, place)
    return kind == "silent" and place.leg != "ack"


def _took_in(case: Case, place: Place) -> bool:
    """Whether the refused SYN came to the host at all, where its recording can show it."""
    return not place.host.saw_everything or case.count("syn", place.host, "in") > 0


def passed(case: Case, place: Place) -> bool:
    """Whether a packet of the attempts demonstrably got through the host's firewall there."""
    return case.once(("passed", *place.key), lambda: _passed(case, place))


def _passed(case: Case, place: Place) -> bool:
    if cleared(case, place):
        return True
    host, attempts = place.host, case.subject or case.attempts
    kinds: dict[Leg, tuple[str, ...]] = {"syn": ("syn",), "syn_ack": ("syn_ack",), "ack": ("ack", "fin", "data")}
    sender = "server" if place.leg == "syn_ack" else "client"
    if place.direction != "in":
        rows = [row for attempt in attempts for kind in kinds[place.leg] for row in attempt.of(kind, sender)]
        return any((seen := row.at(host.name, "out")) and (seen.interface != "lo" or case.client is case.server) for row in rows)
    if place.leg == "syn_ack":
        return any(attempt.probe.connected for attempt in attempts)
    if place.leg == "ack":
        return case.server_sockets("ESTABLISHED") > 0
    return (
        case.server_sockets("SYN_RECV") > 0
        or any(row.at(host.name, "out") for attempt in attempts for row in attempt.of("syn_ack", "server"))
        or _refused_by_tcp(case, host)
    )


def _refused_by_tcp(case: Case, host: Host) -> bool:
    """Whether the host's TCP counted the RSTs of the run that left it, and no others: those are no firewall's."""
    made = case.totals.resets.get(host.name, 0)
    return case.outcome.kind == "reset" and made > 0 and host.delta("Tcp", "OutRsts") == made


def verdict_on(case: Case, place: Place, when: When = "after", invalid: bool = False) -> Verdict | None:
    """What the firewall says of the packet; the ends are as the host saw them, or else as the client dialled them."""
    if not place.host.verdicts.known:
        return None
    return case.once(("verdict", *place.key, when, invalid), lambda: _verdict_on(case, place, when, invalid))


def _verdict_on(case: Case, place: Place, when: When, invalid: bool) -> Verdict | None:
    if _past_ip(case, place):
        return None
    uid = case.uid if place.host is case.client else None
    came = case.observation(place.leg, place.host, "in") if place.direction != "out" else None
    directions: tuple[Direction, ...] = (place.direction,)
    if place.direction == "forward":
        directions = ("forward", "in")  # its own address, which it translates
    elif place.host is case.server:
        directions = (place.direction, "forward")  # an address behind it, such as a container's
    for client, server, port in _ends_at(case, place):
        for direction in directions:
            traversal = (place.leg, direction, client, server, port)
            found = place.host.verdicts.on(traversal, when, invalid, uid, came.interface if came else None)
            if found is not None:
                return found
    return None


def comes_to_routing(case: Case, place: Place) -> bool:
    """Whether no hook ahead of the host's own routing decision may stop a packet that came in: none can, or the rules let it through."""
    if droppers(place.host, AHEAD_OF_ROUTING, case.family) == []:
        return True
    verdict = judged(case, place)
    if verdict is None or verdict.verdict not in ("accept", "drop", "reject"):
        return False
    if verdict.rule is None or not verdict.stops:
        return not verdict.stops
    counted = place.host.verdicts.counter_delta(verdict.rule)
    met_none = counted is not None and counted.by == 0 and not counted.set_back
    return met_none or hook_of(verdict, verdict.rule) in ("forward", "input", "postrouting")


def bridged(case: Case, place: Place) -> Observation | None:
    """The packet on its way over a bridge of the host, if it went there."""
    seen = case.observation(place.leg, place.host, "in") if place.direction == "forward" else None
    return seen if seen and seen.bridged else None


def bridge_setting(case: Case) -> str:
    """The setting by which bridged packets are shown to IP's rules (br_netfilter)."""
    return f"net.bridge.bridge-nf-call-{'iptables' if case.family == 4 else 'ip6tables'}"


def _past_ip(case: Case, place: Place) -> bool:
    """Whether the packet is bridged, and IP's rules are not asked."""
    return bridged(case, place) is not None and not place.host.sysctl(bridge_setting(case))


def judged(case: Case, place: Place) -> Verdict | None:
    """The verdict after the handshakes, or, where there is none, that before them."""
    return verdict_on(case, place) or verdict_on(case, place, "before")


def _ends_at(case: Case, place: Place) -> list[tuple[str, str, int]]:
    """Those of what came there first: what is translated on its way comes back with other ends."""
    back = place.leg == "syn_ack"
    return case.once(("ends", place.host.name, back), lambda: list(dict.fromkeys(_ends(case, place.host, back))))


def _ends(case: Case, host: Host, back: bool) -> Iterator[tuple[str, str, int]]:
    """(client's address, server's address, server's port) of the case's packets at a host."""
    own = [(probe.local_address, case.address, case.port) for probe in case.probes if probe.local_address]
    if host is case.client:
        yield from own
    for row in (row for attempt in case.subject or case.attempts for row in (attempt.of("syn_ack") if back else ())):
        if (came := row.at(host.name, "in")) and came.packet.tcp:
            yield came.packet.dst, came.packet.src, came.packet.tcp.sport
    for attempt in case.subject or case.attempts:
        for row in attempt.of("syn"):
            for seen in row.seen:
                if seen.host == host.name and seen.packet.tcp:
                    yield seen.packet.src, seen.packet.dst, seen.packet.tcp.dport
        for row in attempt.of("syn_ack"):
            for seen in row.seen:
                if seen.host == host.name and seen.packet.tcp:
                    yield seen.packet.dst, seen.packet.src, seen.packet.tcp.sport
    yield from own
    if not own and case.client_address is None and case.source:
        yield case.source, case.address, case.port
