# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What firewalls do besides a plain yes or no: limits, queues that nobody reads, connection tracking, translation to nowhere."""

from __future__ import annotations

from dataclasses import asdict

from ..._model.firewall_records import Verdict
from ..._model.firewall_subjects import Stop
from ..._model.rule_records import Rule
from ..._values.words import plural
from ..case import Case
from ..finding import Certainty, Finding
from .catalogue import Accounts, Cause
from .counted import proof
from .kernel import dropped_by_reader
from .rules import capped, details, invalid_verdict, kept_by, unproven, weaker
from .traversals import Place, judged, suspects
from .zones import other_zone

_VANISHED = ("unsent", "unanswered", "ignored_syn_ack", "ignored_ack", "lost_syn", "lost_syn_ack", "lost_ack", "silent")
_REFUSED = ("refused_locally", "reset", "icmp")

_BEFORE: dict[str, tuple[str, str]] = {"syn_ack": ("syn", "SYN"), "ack": ("syn_ack", "SYN-ACK")}  # what a tracker must have seen


def _rate_limited(case: Case) -> Finding | None:
    """The evaluation depends on a limit, and packets were lost (or refused) right there."""
    for place in suspects(case, partly=True):
        verdict = judged(case, place)
        if verdict is None or not depends_on_a_limit(verdict) or verdict.only_its_way_is_open:
            continue
        host, rule = place.host, _hinge(verdict)
        some = case.completed or len(case.subject) < len(case.attempts)
        return Finding(
            "likely",
            host.name,
            place.segment,
            f"{rule.name if rule else 'the firewall'} on {host.name} lets {place.packet} through only within a limit",
            (
                case.saw(host, "firewall", f"evaluated: {verdict.undecided_because}"),
                case.saw(case.client, "probe", f"{len(case.subject)} of {plural(len(case.attempts), 'attempt')} lost packets there")
                if some
                else case.saw(case.client, "probe", "no attempt got through: the limit was used up, if it is that"),
                *(kept_by(host, rule) if rule else ()),
                *case.passage(),
            ),
            leg=place.leg,
            detail=details(verdict, None, rule),
            undecided=(
                "fewer attempts, further apart (diagnose_attempts, diagnose_interval), would show whether it is the limit, if not a quota",
            ),
            subject=rule,
        )
    return None


def depends_on_a_limit(verdict: Verdict) -> bool:
    """Whether the evaluation is undecided for a limit, a count or a random number."""
    return verdict.verdict == "undecided" and verdict.undecided is not None and verdict.undecided.kind == "limit"


def _hinge(verdict: Verdict) -> Rule | None:
    """The rule with the limit: the one with the condition that is named as unknown, or the only one whose matching is not known."""
    unknown = [step for step in verdict.path if step.rule and step.matched is None]
    what = verdict.undecided.what if verdict.undecided else None
    named = [step for step in unknown if any(part.text == what for part in step.parts)] or unknown
    rules = {step.rule.identity: step.rule for step in named if step.rule}
    return next(iter(rules.values())) if len(rules) == 1 else None


def _queue_unread(case: Case) -> Finding | None:
    for place in suspects(case):
        verdict = judged(case, place)
        if verdict and verdict.by_queue:
            return _one_of_queues(case, place, verdict)
        if verdict is None or verdict.unread_queue is None or verdict.rule is None:
            continue
        host, rule = place.host, verdict.rule
        weighed = capped(case, place, proof(case, place, verdict, rule))
        return Finding(
            weighed.certainty,
            host.name,
            place.segment,
            f"{rule.name} on {host.name} hands {place.packet} to queue {verdict.queue}, which no program reads: it is dropped",
            (
                *weighed.evidence,
                case.saw(host, "/proc/net/netfilter/nfnetlink_queue", f"no program reads queue {verdict.queue}"),
                *kept_by(host, rule),
                *case.passage(),
            ),
            against=weighed.against,
            leg=place.leg,
            detail={**details(verdict, weighed), "queue": verdict.queue},
            undecided=unproven(host, rule, weighed),
            subject=Stop(verdict),
        )
    return None


def _one_of_queues(case: Case, place: Place, verdict: Verdict) -> Finding:
    """The kernel always puts the packets between two addresses into the same one: whether that is read is not seen."""
    rule = next((step.rule for step in reversed(verdict.path) if step.rule), None)
    return Finding(
        "likely",
        place.host.name,
        place.segment,
        f"{rule.name if rule else 'the firewall'} on {place.host.name} hands {place.packet} to one of several queues, by its addresses, "
        "and programs read only some of these: what is put into another one is dropped",
        (
            case.saw(place.host, "firewall", f"evaluated: {verdict.undecided_because}"),
            *(kept_by(place.host, rule) if rule else ()),
            *case.passage(),
        ),
        leg=place.leg,
        detail=details(verdict, None, rule),
        undecided=(f"the last columns of /proc/net/netfilter/nfnetlink_queue on {place.host.name} show which queues packets come to",),
        subject=Stop(verdict),
    )


def _queue_drops(case: Case) -> Finding | None:
    """The program that reads the queue does not let the packet pass: it ends there, and nothing after the queue would stop it."""
    for place in suspects(case):
        verdict = judged(case, place)
        if verdict is None or verdict.verdict != "queue" or verdict.rule is None or (verdict.then and verdict.then.stops):
            continue
        host, rule, reader = place.host, verdict.rule, verdict.reader
        weighed, seen = capped(case, place, proof(case, place, verdict, rule)), dropped_by_reader(case, place)
        sure: Certainty = "proven" if seen and weighed.certainty == "proven" else weaker("likely", weighed.against)
        who = f"{reader.name} (pid {reader.pid})" if reader else "a program that is not seen"
        whose = f" of {reader.unit}" if reader and reader.unit else ""
        return Finding(
            sure,
            host.name,
            place.segment,
            f"{rule.name} on {host.name} hands {place.packet} to queue {verdict.queue}, which {who}{whose} reads: it does not let it pass",
            (
                *weighed.evidence,
                case.saw(host, "/proc/net/netfilter/nfnetlink_queue", f"queue {verdict.queue} is read by {who}"),
                *([seen.evidence()] if seen else []),
                *kept_by(host, rule),
                *case.passage(),
            ),
            against=weighed.against,
            leg=place.leg,
            detail={**details(verdict, weighed), "queue": verdict.queue, "reader": asdict(reader) if reader else None},
            undecided=() if sure == "proven" else (f"what {reader.name if reader else 'the program'} logs of its verdicts would show it",),
            subject=Stop(verdict),
        )
    return None


def _past(case: Case) -> str:
    """How the server answers, where that is not the way by which the SYN came."""
    server, client = case.server, case.client_address
    route = case.way(server, client, case.server_address, back=True) if server and client else None
    if server is None or route is None or route.interface is None:
        return ""
    way = f"via {route.gateway}" if route.gateway else f"straight to {client}, as {route.prefix} is on its link"
    return f", since {server.name} answers {way} dev {route.interface}"


def _conntrack_invalid(case: Case) -> Finding | None:
    """Let through as the packet that it is, stopped as one that connection tracking calls invalid, and the counter says that it was.

    Or its connection is in another zone.
    """
    elsewhere = other_zone(case)
    if elsewhere is not None:
        return elsewhere
    found = invalid_verdict(case)
    if found is None:
        return None
    place, verdict, rule = found
    host = place.host
    weighed = capped(case, place, proof(case, place, verdict, rule, invalid=True))
    before, noun = _BEFORE.get(place.leg, ("", ""))
    half = bool(before) and place.direction == "forward" and host.saw_everything and not case.count(before, host, "in")
    if weighed.certainty != "proven" and not half and (weighed.counter is None or weighed.against):
        return None  # nothing says that it was invalid
    return Finding(
        weighed.certainty if weighed.certainty == "proven" else "likely",
        host.name,
        place.segment,
        f"connection tracking on {host.name} finds {place.packet} invalid, and {rule.name} drops what is invalid"
        + (f": it sees one direction only{_past(case)}" if half and before == "syn_ack" else ""),
        (
            *weighed.evidence,
            *([case.saw(host, "capture", f"{host.name} saw no {noun} of this flow: it sees one direction only")] if half else []),
            *kept_by(host, rule),
            *case.passage(),
        ),
        leg=place.leg,
        detail=details(verdict, weighed),
        undecided=unproven(host, rule, weighed),
        subject=rule,
    )


CAUSES = (
    Cause(
        "firewall_queue_unread",
        "A firewall queues the packet for a program that is not there",
        ("client.firewall", "server.firewall", "path.forward", "path.return"),
        _VANISHED,
        "Evaluated, a rule hands the packet to an NFQUEUE that no program reads, and its counter rises by our packets. Without, or "
        "where programs read some of the queues over which the rule spreads packets: likely.",
        "A program reads the queue, or the counter does not move.",
        rule=_queue_unread,
        precedes=("path_drop", "path_loss"),
        accounts_for=(Accounts("firewall_verdict", any_leg=True),),
    ),
    Cause(
        "firewall_queue_drops",
        "A program to which a firewall queues the packet drops it",
        ("client.firewall", "server.firewall", "path.forward", "path.return"),
        _VANISHED,
        "Evaluated, a rule hands the packet to an NFQUEUE that a program reads, no rule after it stops the packet, the rule's counter "
        "rises by the packets of the run, and the kernel says that it drops this packet by the word of who reads a queue. Without that: "
        "likely.",
        "The rule's counter does not move; a rule after the queue stops the packet.",
        rule=_queue_drops,
        precedes=("path_drop", "firewall_drop"),
        accounts_for=(Accounts("firewall_verdict", any_leg=True),),
        forbids=True,
    ),
    Cause(
        "conntrack_invalid",
        "Connection tracking finds the packet invalid, and a rule drops it",
        ("client.firewall", "server.firewall", "path.forward", "path.return"),
        _VANISHED,
        "Evaluated, the rules let the packet through unless conntrack calls it invalid, and then a rule stops it whose counter rises by "
        "the packets of the flow. Or rules give the packet another connection tracking zone than its SYN, so that its connection is not "
        "found, and a rule with such a counter stops it.",
        "The rule's counter does not move.",
        rule=_conntrack_invalid,
        precedes=("path_drop", "firewall_drop", "firewall_reject"),
        accounts_for=(
            Accounts("firewall_verdict", any_leg=True),
            Accounts("counter", ("conntrack.invalid",)),
            Accounts("other_way_back", anywhere=True, any_leg=True),
        ),
    ),
    Cause(
        "firewall_rate_limited",
        "A firewall lets the packet through only within a limit",
        ("client.firewall", "server.firewall", "path.forward", "path.return"),
        _VANISHED + _REFUSED,
        "Not provable from outside: evaluated, what happens to the packet depends on a limit, a count or a random number, and packets end "
        "there.",
        "No packet ends inside that host.",
        rule=_rate_limited,
        precedes=("path_loss", "path_drop", "ecmp_member_bad"),
        accounts_for=(
            Accounts("firewall_verdict", any_leg=True),
            Accounts("icmp_error", any_leg=True),
            Accounts("stray_reset", ("uncounted",)),
        ),
        passing=True,
    ),
)
