# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a host on the handshake's way has run out of: ports for its address translation, room in its tables."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.firewall_records import SOURCE_NAT, Verdict
from ..._model.firewall_subjects import Table
from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..logged import lines, ours
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .rules import details, kept_by
from .traversals import Place, judged, suspects

_NEARLY = 0.9  # of the table's limit: its size changes all the time


def _nat_ports_exhausted(case: Case) -> Finding | None:
    """A tuple that is taken cannot be confirmed: netfilter drops the SYN and counts insert_failed (__nf_conntrack_confirm())."""
    for place in suspects(case):
        host, verdict = place.host, judged(case, place)
        failed = _conntrack_rise(host, "insert_failed") or 0
        if place.leg != "syn" or place.direction == "in" or failed <= 0 or verdict is None or not verdict.accepts:
            continue
        rule = verdict.last_to(*SOURCE_NAT)  # that gives the SYN another source
        lost = _vanished(case, place, verdict)
        if rule is None or not lost:
            continue
        return Finding(
            "proven" if failed == lost and case.outcome.kind != "silent" else "likely",  # else other connections are among them
            host.name,
            place.segment,
            f"{host.name} has no port left for the connection: {rule.name} gives it a source that is taken already",
            (
                case.saw(host, "nf_conntrack", f"insert_failed +{failed}, {plural(lost, 'SYN')} of this flow ended here"),
                case.saw(host, "firewall", f"evaluated: {rule.tag} translates the SYN's source, and no rule stops it"),
                *kept_by(host, rule),
                *case.passage(),
            ),
            leg="syn",
            detail={**details(verdict, None, rule), "insert_failed": failed},
            subject=rule,
        )
    return None


def _conntrack_rise(host: Host, name: str) -> int | None:
    """How far a counter of connection tracking rose during the attempts; None where that is not known."""
    tables = [snapshot.conntrack.stats for snapshot in (host.before, host.after) if snapshot and snapshot.conntrack]
    if len(tables) < 2 or None in tables:
        return None
    before, after = (table or {} for table in tables)
    return after[name] - before.get(name, 0) if name in after else None


def _vanished(case: Case, place: Place, verdict: Verdict) -> int:
    """How many SYNs ended inside the host: those that came in, of hops as well, or those that its own TCP handed down."""
    arrivals = case.totals.arrivals.get(place.host.name)
    if place.direction == "forward" and arrivals is not None:
        came = arrivals.of(("syn", verdict.source, verdict.destination, "to", verdict.port or 0))
        return sum(seen.packet.ttl > 1 for seen in came) - case.count("syn", place.host, "out")
    if place.direction == "forward":
        return case.count("syn", place.host, "in") - case.count("syn", place.host, "out")
    return sum(attempt.probe.syns or 1 for attempt in case.subject)


def _conntrack_full(case: Case) -> Finding | None:
    """Without room for its entry, a packet that opens a connection is dropped and counted (nf_conntrack_in()).

    A table that is full twice need not have been so in between, and counts the packets of other flows and of both IP versions: only as many
    drops as SYNs ended here are those of this flow.
    """
    for host, segment in _swallowers(case):
        tables = [snapshot.conntrack for snapshot in (host.before, host.after) if snapshot and snapshot.conntrack]
        refused, evicted = _conntrack_rise(host, "drop"), _conntrack_rise(host, "early_drop")
        count, limit = max(((table.count or 0, table.max or 0) for table in tables), default=(0, 0))
        full = [table.count >= table.max for table in tables if table.count is not None and table.max]
        if (refused is not None and refused <= 0) or not limit or not (any(full) or (refused and count >= _NEARLY * limit)):
            continue
        ended = _ended(case, host)
        counted = len(full) == 2 and all(full) and evicted == 0 and refused == ended
        logged = refused is not None and refused >= ended and any(record.netns for record in ours(case, host, "conntrack_full"))
        sure = (counted or logged) and _comes_to_tracking(case, host)
        return Finding(
            "proven" if sure else "likely",
            host.name,
            segment,
            f"the connection tracking table of {host.name} is full ({count} of {limit}): new connections are dropped",
            (
                case.saw(host, "nf_conntrack", f"{count} entries, limit {limit}"),
                *([case.saw(host, "nf_conntrack", f"drop +{refused}, {plural(ended, 'SYN')} ended here")] if refused else []),
                *case.passage(),
            ),
            detail={"count": count, "limit": limit, "drop": refused, "early_drop": evicted},
            subject=Table(count, limit),
        )
    return None


def _ended(case: Case, host: Host) -> int:
    """How many SYNs ended inside a host, those of hops among them; the client counts those of its own TCP, for hops come later."""
    arrivals = case.totals.arrivals.get(host.name)
    if host is case.client or arrivals is None:
        return sum(attempt.probe.syns or 1 for attempt in case.subject)
    came = [seen.packet for row in case.rows("syn") if (seen := row.at(host.name, "in"))]
    ways = {("syn", packet.src, packet.dst, "to", packet.tcp.dport) for packet in came if packet.tcp}
    return sum(len(arrivals.of(way)) for way in ways) - case.count("syn", host, "out")


def _comes_to_tracking(case: Case, host: Host) -> bool:
    """Whether the host's rules, evaluated, let the SYN through and have it tracked."""
    verdicts = [verdict for place in suspects(case) if place.host is host and place.leg == "syn" and (verdict := judged(case, place))]
    effects = {effect.kind for verdict in verdicts for step in verdict.path for effect in step.effects}
    return {verdict.verdict for verdict in verdicts} == {"accept"} and "notrack" not in effects


def _swallowers(case: Case) -> list[tuple[Host, str]]:
    """The host inside which the packet vanished."""
    if case.outcome.kind == "unsent":
        return [(case.client, "client.firewall")]
    if case.outcome.kind == "unanswered" and case.server:
        return [(case.server, "server.firewall")]
    return [(via, case.outcome.segment or "path.forward") for via in case.vias if via.name == case.outcome.host]


def _neighbour_table_full(case: Case) -> Finding | None:
    """No entry can be made for the next hop: the packet is dropped without a request (neigh_alloc(), ip_finish_output2())."""
    if any(verdict.stops for place in suspects(case) if (verdict := judged(case, place))):
        return None  # the packet ends before it needs a neighbour
    group = "Arp" if case.family == 4 else "Ndisc"
    for host, remote, segment, leg in _senders(case):
        refused = host.delta(group, "table_fulls")
        route = case.way(host, remote, back=leg == "syn_ack")
        if not refused or route is None or route.error:
            continue
        next_hop = route.gateway or remote
        if host.neighbour(next_hop, route.interface) is not None or host.unanswered_requests(next_hop) or host.answers_for(next_hop):
            continue
        table = (host.after.counters or {}).get(group, {}) if host.after else {}
        entries, limit = table.get("entries"), table.get("limit")
        return Finding(
            "likely",
            host.name,
            segment,
            f"the neighbour table of {host.name} is full, and has no room for {next_hop}, its next hop to {remote}",
            (
                case.saw(host, "rtnetlink neighbour table", f"table_fulls +{refused}, {entries} entries, limit {limit}"),
                case.saw(host, "rtnetlink neighbour", f"no entry for {next_hop}, and no request for it left {host.name}"),
                *case.passage(),
            ),
            leg=leg,
            detail={"next_hop": next_hop, "entries": entries},
            undecided=()
            if lines(case, host, "neighbour_table_full")
            else (f"the kernel log of {host.name} (neighbor table overflow) would show it",),
        )
    return None


def _senders(case: Case) -> Iterator[tuple[Host, str, str, Leg]]:
    """(host, the end that it sends to, segment, leg) where a packet may have ended for lack of a neighbour."""
    kind = case.outcome.kind
    if kind in ("unsent", "refused_locally", "silent"):
        yield case.client, case.address, "client.neighbour", "syn"
    if kind in ("unanswered", "silent") and case.server is not None and case.client_address:
        yield case.server, case.client_address, "server.egress", "syn_ack"
    for via in case.vias:
        if via.name == case.outcome.host and kind == "lost_syn":
            yield via, case.address, "path.forward", "syn"
        if via.name == case.outcome.host and kind == "lost_syn_ack" and case.client_address:
            yield via, case.client_address, "path.return", "syn_ack"


CAUSES = (
    Cause(
        "conntrack_full",
        "The connection tracking table is full",
        ("client.firewall", "server.firewall", "path.forward"),
        ("unsent", "unanswered", "lost_syn"),
        "The SYNs end inside a host whose rules, evaluated, let them through, whose table is full before and after, with no entry "
        "evicted meanwhile, and drop of its connection tracking rises by exactly these SYNs; or the kernel logs that the table of "
        "this network namespace is full, and drop rises by these SYNs at least. By more, without an evaluation, full at one "
        "of the two times, or nearly so while drop rises: likely.",
        "drop of connection tracking does not rise, or there is room in the table.",
        rule=_conntrack_full,
        precedes=("path_drop",),
        accounts_for=(Accounts("counter", ("conntrack.drop", "conntrack.early_drop")),),
        passing=True,
    ),
    Cause(
        "nat_ports_exhausted",
        "An address translation has no port left",
        ("client.firewall", "path.forward"),
        ("unsent", "lost_syn", "silent"),
        "The SYN ends inside a host whose rules, evaluated, let it through and translate its source, and insert_failed of its connection "
        "tracking rises by exactly these SYNs.",
        "insert_failed does not rise.",
        rule=_nat_ports_exhausted,
        precedes=("path_drop", "firewall_drop"),
        accounts_for=(Accounts("counter", ("conntrack.drop", "conntrack.insert_failed")),),
        passing=True,
    ),
    Cause(
        "neighbour_table_full",
        "The neighbour table is full",
        ("client.neighbour", "path.forward", "path.return", "server.egress"),
        ("unsent", "refused_locally", "unanswered", "lost_syn", "lost_syn_ack", "silent"),
        "Not provable for one flow: table_fulls of the neighbour tables, which the whole kernel shares, rises, the next hop has no entry, "
        "and no request for it leaves the host.",
        "The next hop has an entry.",
        rule=_neighbour_table_full,
        precedes=("path_drop",),
        accounts_for=(
            Accounts("icmp_error"),
            Accounts("counter", ("Arp.table_fulls", "Ndisc.table_fulls", "Ip.OutDiscards", "Ip6.OutDiscards")),
        ),
    ),
)
