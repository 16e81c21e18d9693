# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""path.forward: ICMP errors from the way."""

from __future__ import annotations

from collections.abc import Callable

from ..._model.network_subjects import RouterError
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..reach import reach
from .asymmetric import passed_by
from .catalogue import Accounts, Cause
from .icmp import ABORTED, NOT_FOR_EACH, NOT_SENT, USED_UP, answer_of, meaning_of, quoting
from .lifetimes import used_up
from .no_ipv6 import untranslated


def _icmp(wanted: str, noun: str) -> Callable[[Case], Finding | None]:
    def rule(case: Case) -> Finding | None:
        if case.outcome.kind == "lost_syn_ack":
            return _refused_back(case, wanted, noun)
        answer = answer_of(case)
        if answer is None or answer.meaning != wanted or case.is_end(answer.offender):
            return None
        ends_known = case.server is None or case.server.owns(answer.offender) is False
        hops = reach(case.asked_hops())
        lowered = wanted == "loop" and not (hops and hops.loop)  # or something on the way may have lowered the TTL
        via = next((via for via in case.vias if via.owns(answer.offender)), None)
        host = via.name if via else "path"
        about = f" for {answer.about}" if answer.about != case.address else ""
        server = case.server
        known = case.way(via, answer.about) if via and wanted == "no_route" else None
        way = known if known and known.error else None
        asked = via.unanswered_requests(answer.about) if via and wanted == "unreachable" else 0
        unheard = _unheard(case) if wanted == "unreachable" and answer.about == case.address else 0
        return Finding(
            "proven" if ends_known and not lowered and _speaks_for_all(case, answer.offender) else "likely",
            host,
            "path.forward",
            f"{via.name if via else 'the router'} {answer.offender} answers {case.client.name}'s SYN{about} with {answer.text}: {noun}"
            + (way.for_others if way else "")
            + (", which does not answer its requests" if asked else "")
            + (untranslated(answer.about) if wanted in ("no_route", "unreachable") else "")
            + (
                f", although {server.name} answers who asks for {case.address}: the answers are lost on the way"
                if server and unheard
                else ""
            ),
            (
                case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}, {plural(answer.count, 'time')}"),
                *([case.ended(case.client, "connect()", case.errno() or "")] if case.errno() else []),
                *([case.saw(via, "rtnetlink route get", f"{answer.about}: {way.error}{way.for_others}")] if via and way else []),
                *([case.saw(via, "capture", f"{plural(asked, 'request')} for {answer.about}, no reply")] if via and asked else []),
                *([case.saw(server, "capture", f"{plural(unheard, 'answer')} to requests for it left")] if server and unheard else []),
            ),
            leg="syn",
            detail={"offender": answer.offender, "type": answer.type, "code": answer.code},
            subject=RouterError(
                answer.offender,
                wanted,
                about=answer.about,
                port=answer.port,
                unheard=unheard > 0,
                only_from=(way.only_from if way else None) or (),
            ),
        )

    return rule


def _unheard(case: Case) -> int:
    """How often the server answered ARP requests or solicitations for the address, when nobody came to know its link address."""
    seen = case.server.observations if case.server else None
    said = [each.packet.neighbour for each in seen or () if each.direction == "out"]
    return sum(bool(message and message.operation == "reply" and message.sender == case.address) for message in said)


def _speaks_for_all(case: Case, offender: str) -> bool:
    """Whether it answered every attempt that failed, or is surely a router on the way: one error may be anybody's, or forged."""
    if all(outcome.kind == "icmp" for outcome in case.outcomes if not outcome.completed):
        return True
    route = case.route
    routers = {hop.offender for hop in case.hops()} | {route.gateway if route else None}
    return offender in routers or any(via.owns(offender) for via in case.vias)


def _refused_back(case: Case, wanted: str, noun: str) -> Finding | None:
    """The SYN-ACK is lost because a router cannot, or will not, forward it, and sends the server an error."""
    server, source = case.server, case.client_address
    if server is None or source is None or (wanted == "loop" and used_up(case) is not None):
        return None
    about = [row for row, _seen in quoting(case) if row.at(server.name, "in")]
    errors = [row for row in about if meaning_of(case, row)[0] == wanted and not case.is_end(row.packet.src)]
    if not errors:
        return None
    offender, said = errors[0].packet.src, meaning_of(case, errors[0])[1]
    via = next((via for via in case.vias if via.owns(offender)), None)
    host = via.name if via else "path"
    declared = [address for address in case.declared.of(case.client.name) if "/" not in address]
    own = [address for address in declared if (":" in address) == (":" in source)]
    foreign = not case.declared.has(case.client.name, source) and bool(own)
    why = (
        f"; the inventory has {', '.join(own)} for {case.client.name}{passed_by(case.client, own[0])}: nothing translates {source}, or the "
        "route has a wrong source"
        if foreign
        else ""
    )
    return Finding(
        "likely" if wanted == "loop" else "proven",  # something on the way may have lowered the TTL
        host,
        "path.return",
        f"{via.name if via else 'the router'} {offender} answers {server.name}'s SYN-ACK to {source} with {said}: {noun}{why}",
        (
            case.saw(server, "capture", f"{said} from {offender}, {plural(len(errors), 'time')}, quotes the SYN-ACK"),
            *case.passage(),
        ),
        leg="syn_ack",
        detail={"offender": offender, "remote": source},
        subject=RouterError(offender, wanted, source, own[0] if foreign else None),
    )


_ICMP_CAUSES = (
    (
        "path_icmp_rejected",
        "rejected",
        "A device on the way rejects the connection with ICMP",
        "it rejects the connection by policy",
        "an administrative or port-unreachable error",
    ),
    ("path_no_route", "no_route", "A router on the way has no route", "it has no route", "a network-unreachable (IPv6: no route) error"),
    (
        "path_icmp_unreachable",
        "unreachable",
        "A router on the way cannot reach the host",
        "it cannot reach the host",
        "a host-unreachable (IPv6: address unreachable) error",
    ),
    (
        "routing_loop",
        "loop",
        "Packets go round in a loop",
        "the packet went round until its TTL was used up",
        "a time-exceeded error for a SYN with a normal TTL",
    ),
)


CAUSES = (
    *(
        Cause(
            code,
            title,
            ("path.forward", "path.return"),
            ("icmp", "lost_syn_ack"),
            f"{what[0].upper()}{what[1:]} that quotes the SYN reaches the client, or one that quotes the SYN-ACK the server, from an "
            "address of neither end."
            + (" Of a SYN-ACK, or where no router answers SYNs with a rising TTL at three of them: likely." if meaning == "loop" else ""),
            "The error comes from the server's or the client's own address.",
            rule=_icmp(meaning, noun),
            accounts_for=(
                ABORTED,
                Accounts("icmp_error"),
                *([Accounts("request_unanswered")] if meaning == "unreachable" else []),  # of the router, before it gave up
                *([USED_UP] if meaning == "loop" else []),
                *([Accounts("counter", ("IpExt.InNoRoutes", "Ip6.InNoRoutes"), any_leg=True)] if meaning == "no_route" else []),
                Accounts("undeclared_source", anywhere=True, any_leg=True),
                NOT_FOR_EACH,
                NOT_SENT,
            ),
        )
        for code, meaning, title, noun, what in _ICMP_CAUSES
    ),
)
