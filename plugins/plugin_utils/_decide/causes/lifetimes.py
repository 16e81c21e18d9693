# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Packets whose TTL is used up on the way: they leave with a low one, or something on the way gives it to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..._model.host import Host
from ..._model.probe_records import Hop
from ..._model.prose import Prose
from ..._model.recording import Observation
from ..._model.rule_records import Rule
from ..case import Case
from ..finding import Finding
from ..reach import reach
from .catalogue import Accounts, Cause
from .icmp import ABORTED, NOT_FOR_EACH, NOT_SENT, USED_UP, IcmpAnswer, answer_of, meaning_of, quoting
from .needs import SERVER, SYN_ACK_OUT, SYN_OUT, FirstOf, needs
from .rules import kept_by
from .traversals import Place, judged

LOW_TTL = 32  # systems start at 64, 128 or 255


def _repeat(hops: Sequence[Hop]) -> bool:
    """Whether the same router answered at several TTLs, as it may in a loop."""
    found = reach(hops)
    return found is not None and bool(found.repeated) and not found.reset_ahead_of


def _goes_on(case: Case, ttl: int) -> bool:
    """Whether the way was seen to lead on where a packet with that TTL ends. Routers limit their errors, so that a loop may not show."""
    found = reach(case.asked_hops())
    return found is not None and not found.repeated and found.last is not None and (found.passed or found.last.ttl > ttl)


def _set_by(case: Case, place: Place) -> Rule | None:
    """The last rule of a host that sets the TTL of the packet."""
    verdict = judged(case, place)
    return verdict.last_to("ttl") if verdict else None


@needs(answer_of, SYN_OUT)
def _ttl_too_low(case: Case, answer: IcmpAnswer, sent: Observation) -> Finding | None:
    if answer.meaning != "loop" or sent.packet.ttl >= LOW_TTL or _repeat(case.asked_hops()):
        return None  # in a loop no TTL is high enough
    rule = _set_by(case, Place(case.client, "syn", "out", "client.firewall"))
    return Finding(
        "proven" if sent.packet.ttl == 1 or _goes_on(case, sent.packet.ttl) else "likely",  # else it may have gone round in a loop
        case.client.name,
        "client.egress",
        f"the SYN leaves {case.client.name} with a TTL of {sent.packet.ttl}{_as_set(rule)}, which is used up at {answer.offender}",
        (
            case.saw(case.client, "capture", f"SYN out with TTL {sent.packet.ttl}"),
            case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}"),
            *(kept_by(case.client, rule) if rule else ()),
        ),
        leg="syn",
        detail={"ttl": sent.packet.ttl, "offender": answer.offender},
        subject=rule,
    )


def _as_set(rule: Rule | None) -> str:
    return f", as {rule.name} has it" if rule else ""


def _setting(case: Case) -> Iterator[tuple[Host, Rule, Observation | None]]:
    """Hosts on the way that have such a rule, and the SYN as it left them; not where they recorded that it left with a normal TTL."""
    for via in case.vias:
        rule, left = _set_by(case, Place(via, "syn", "forward", "path.forward")), case.observation("syn", via, "out")
        if rule and (left is None or left.packet.ttl < LOW_TTL):
            yield via, rule, left


@needs(answer_of, SYN_OUT)
def _ttl_set_on_the_way(case: Case, answer: IcmpAnswer, sent: Observation) -> Finding | None:
    """It leaves a managed host with a low TTL that a rule there sets. Or it comes to a router with the same low TTL, whatever it was sent
    with: something ahead of that one sets it."""
    hops = reach(case.asked_hops())
    always = hops is not None and hops.reset_ahead_of == answer.offender
    via, rule, left = next(_setting(case), (None, None, None))
    if answer.meaning != "loop" or sent.packet.ttl < LOW_TTL or not (always or left):
        return None
    where = via.name if via else f"something between {case.client.name} and it"
    used_up_next = left is not None and left.packet.ttl == 1
    return Finding(
        "proven" if used_up_next else "likely",  # else it may have gone round in a loop
        via.name if via else "path",
        "path.forward",
        f"the SYN comes to {answer.offender} with a TTL that is used up there, whatever it was sent with: {where} sets it{_as_set(rule)}",
        (
            case.saw(case.client, "capture", f"SYN out with TTL {sent.packet.ttl}"),
            case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}"),
            *([case.saw(via, "capture", f"SYN out with TTL {left.packet.ttl}")] if via and left else []),
            *([case.saw(case.client, "SYNs with rising TTL", hops.text)] if hops and always else []),
            *(kept_by(via, rule) if via and rule else ()),
        ),
        leg="syn",
        detail={"ttl": sent.packet.ttl, "offender": answer.offender},
        undecided=()
        if used_up_next
        else (f"the TTL of the SYN where it comes to {answer.offender} would show it: routers that share an address answer so in a loop",),
        subject=rule,
    )


@needs(SERVER, SYN_ACK_OUT)
def used_up(case: Case, server: Host, sent: Observation) -> tuple[Observation, str, Prose] | None:
    """The SYN-ACK as it left the server with a low TTL, the router that says that it was used up, and its error in words; not in a loop."""
    if sent.packet.ttl >= LOW_TTL or case.outcome.kind != "lost_syn_ack" or _repeat(case.hops_back()):
        return None
    errors = [row for row, _seen in quoting(case) if row.at(server.name, "in") and meaning_of(case, row)[0] == "loop"]
    return (sent, errors[0].packet.src, meaning_of(case, errors[0])[1]) if errors else None


@needs(SERVER, used_up)
def _ttl_too_low_back(case: Case, server: Host, used_up: tuple[Observation, str, Prose]) -> Finding:
    """The listening socket's own TTL (IP_TTL) is that of its SYN-ACKs, as of BGP between neighbours that are meant to be next door."""
    sent, offender, said = used_up
    gone, came = case.observation("syn", case.client, "out"), case.observation("syn", server, "in")
    hops = gone.packet.ttl - came.packet.ttl if gone and came else 0
    rule = _set_by(case, Place(server, "syn_ack", "out", "server.firewall"))
    return Finding(
        "proven" if sent.packet.ttl <= hops else "likely",  # with more than the SYN needed, it may go round in a loop
        server.name,
        "server.egress",
        f"the SYN-ACK leaves {server.name} with a TTL of {sent.packet.ttl}{_as_set(rule)}, which is used up at {offender}",
        (
            case.saw(server, "capture", f"SYN-ACK out with TTL {sent.packet.ttl}"),
            case.saw(server, "capture", f"{said} from {offender} quotes it"),
            *(kept_by(server, rule) if rule else ()),
            *case.passage(),
        ),
        leg="syn_ack",
        detail={"ttl": sent.packet.ttl, "offender": offender},
        subject=rule,
    )


def may_not_suffice(case: Case) -> tuple[str, Finding] | None:
    """(code, finding): that SYNs, which something else stops, leave with a TTL that may be used up farther on."""
    sent = case.observation("syn", case.client, "out")
    if sent is None or sent.packet.ttl >= LOW_TTL or case.arrived or _repeat(case.asked_hops()):
        return None  # as above
    return "ttl_too_low", Finding(
        "possible",
        case.client.name,
        "client.egress",
        f"the SYN leaves {case.client.name} with a TTL of {sent.packet.ttl} only, which may be used up before it is at the server",
        (case.saw(case.client, "capture", f"SYN out with TTL {sent.packet.ttl}"),),
        leg="syn",
        detail={"ttl": sent.packet.ttl},
    )


CAUSES = (
    Cause(
        "ttl_too_low",
        "The TTL is too low for the way",
        ("client.egress", "path.forward", "server.egress"),
        ("icmp", "lost_syn_ack"),
        "A time-exceeded error answers a SYN that left the client, or a SYN-ACK that left the server, with a TTL below 32. Of a "
        "SYN-ACK with more than the SYN needed on its way, or of a SYN with more than one unless SYNs with a higher TTL were seen to come "
        "further without meeting a router twice: likely, as a loop may not show. Or a rule of a managed host on the way, evaluated, sets "
        "the TTL of what left with a normal one, and the SYN leaves that host with a TTL of 1; with more, or where one router answers SYNs "
        "of several TTLs in a row, and nobody after it, so that something ahead of it sets the TTL: likely.",
        "The same router answers at several distances, and others between them: a loop.",
        rule=FirstOf((_ttl_too_low, _ttl_too_low_back, _ttl_set_on_the_way)),
        precedes=("routing_loop", "path_drop"),
        accounts_for=(
            ABORTED,
            Accounts("icmp_error", ("11/0", "3/0"), anywhere=True, any_leg=True),
            NOT_FOR_EACH,
            NOT_SENT,
            USED_UP,
        ),
    ),
)
