# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A host that does not answer ARP or neighbour discovery for its own address, so that nobody can send to it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ..._model.address_subjects import Unanswering
from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .icmp import answer_of
from .inside import inside
from .needs import SERVER, needs
from .stretch import forbidden
from .why_silent import Asked, reasons


def _neighbour_silent(case: Case) -> Finding | None:
    return _unanswering(case) or _from_behind_the_server(case)


def _unanswering(case: Case) -> Finding | None:
    for owner, leg in _unreached(case):
        for address in _addresses(case, owner):
            asked = _asked(owner, address)
            if asked is not None:
                return _finding(case, asked, leg)
    return None


@needs(SERVER)
def _from_behind_the_server(case: Case, server: Host) -> Finding | None:
    """A container of the server, or a host behind it, has the SYN, and cannot send its answer to the server."""
    within = inside(case)
    target = within.address if within else case.address
    if case.outcome.kind != "unanswered" or server.owns(target) is not False:
        return None
    messages = server.neighbour_messages("in")
    wanted = [said.target for _seen, said in messages if said.operation == "request" and said.sender == target and server.owns(said.target)]
    found = (_asked(server, address) for address in dict.fromkeys(wanted))
    return next((_finding(case, asked, "syn_ack") for asked in found if asked and target in asked.askers), None)


def _unreached(case: Case) -> Iterator[tuple[Host, Leg]]:
    """The hosts that the packet which got lost did not come to."""
    if case.outcome.kind in ("lost_syn_ack", "unanswered") and case.count("syn_ack", case.client, "in") == 0:
        yield case.client, "syn_ack"
        yield from ((via, "syn_ack") for via in case.vias if case.count("syn_ack", via, "in") == 0)
    elif case.arrived == 0:
        yield from ((via, "syn") for via in case.vias if case.count("syn", via, "in") == 0)
        if case.server is not None:
            yield case.server, "syn"


def _addresses(case: Case, owner: Host) -> list[str]:
    """Its addresses to which packets of this handshake are sent: the ends' own, and next hops."""
    ends = [end for end in (case.address, case.client_address) if end]
    senders = [host for host in case.hosts if host is not owner]
    routes = [route for host in senders for end in ends if (route := case.way(host, end, back=end != case.address))]
    wanted = [*ends, *(route.gateway for route in routes if route.gateway)]
    messages = owner.neighbour_messages("in", "out", "other") if owner in case.vias else []
    # A neighbour of it that is not managed names it in its requests alone.
    on_the_way = [message.target for _seen, message in messages if message.operation == "request"]
    return [address for address in dict.fromkeys([*wanted, *on_the_way]) if owner.owns(address)]


def _asked(owner: Host, address: str) -> Asked | None:
    """The requests for an address that came in at its owner, where the recording has no answer to any."""
    requests = []
    for seen, message in owner.neighbour_messages("in", "out", "other"):
        if message.operation == "reply" and seen.direction == "out" and message.sender == address:
            return None
        asks = message.operation == "request" and seen.direction == "in" and message.target == address
        # Who only asks whether an address is taken has none yet; to its own address a host does not answer (arp_process()).
        if asks and not ipaddress.ip_address(message.sender).is_unspecified and owner.owns(message.sender) is False:
            requests.append(seen)
    entry = owner.interface_of(address)  # links on top of one another get the same request; the one that has the address is to answer
    there = [seen for seen in requests if entry and seen.interface == entry.interface]
    return Asked(owner, address, there or requests) if requests else None


def _finding(case: Case, asked: Asked, leg: Leg) -> Finding:
    owner, answer = asked.owner, answer_of(case)
    reason = next(reasons(asked), None)
    gave_up = answer is not None and answer.meaning == "unreachable" and not owner.owns(answer.offender)
    sure = owner.saw_everything and not owner.claims(asked.address) and not forbidden(case)
    waits = [(host, entry) for host in case.hosts if (entry := host.neighbour(asked.address, None)) and entry.unresolved]
    kind = "ARP request" if ":" not in asked.address else "neighbour solicitation"
    segment = "client.ingress" if owner is case.client else "server.ingress" if owner is case.server else f"path.{_way(leg)}"
    return Finding(
        "proven" if sure and (asked.repeated or gave_up or waits) else "likely",
        owner.name,
        segment,
        f"{owner.name} does not answer {kind}s for its own address {asked.address} on {asked.interface}, so that "
        f"{' and '.join(asked.askers[:3])} cannot send to it" + (f": {reason.words}" if reason else ""),
        (
            case.saw(
                owner,
                "capture",
                f"{plural(len(asked.requests), kind)} for {asked.address} from {', '.join(asked.askers[:3])} in on {asked.interface}, "
                "no reply",
            ),
            *(reason.shown if reason else ()),
            *(case.saw(host, "rtnetlink neighbour", f"{entry.address} on {entry.interface} is {entry.state}") for host, entry in waits),
            *([case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}")] if answer and gave_up else []),
            *case.passage(),
        ),
        leg=leg,
        detail={"address": asked.address, "interface": asked.interface, "askers": asked.askers, "reason": reason.kind if reason else None},
        undecided=() if reason else (f"arp_ignore, arp_filter and rp_filter, arptables, ebtables and tc on {owner.name} would show why",),
        subject=Unanswering(
            address=asked.address,
            interface=asked.interface,
            askers=tuple(asked.askers),
            kind=reason.kind if reason else None,
            chains=reason.chains if reason else (),
            stopped=reason.stopped if reason else None,
            port=reason.port if reason else None,
            ahead=reason.ahead if reason else None,
        ),
    )


def _way(leg: Leg) -> str:
    return "forward" if leg == "syn" else "return"


CAUSES = (
    Cause(
        "neighbour_silent",
        "A host does not answer ARP or neighbour discovery for its own address",
        ("server.ingress", "client.ingress", "path.forward", "path.return"),
        ("icmp", "lost_syn", "lost_syn_ack", "unanswered", "silent", "refused_locally", "unsent"),
        "The complete recording of a managed host has requests for an address of its own, by ARP or neighbour discovery, and no reply to "
        "any, and the packet does not come to it; somebody asked again, gave up with an ICMP error or has the entry FAILED or INCOMPLETE. "
        "Asked once, or where an error says that policy forbids the packet: likely.",
        "It replies.",
        rule=_neighbour_silent,
        precedes=(
            "path_icmp_unreachable",
            "neighbour_unresolved",
            "return_neighbour_unresolved",
            "path_drop",
            "path_loss",
            "address_not_local",
            "xdp_drop",
        ),
        accounts_for=(
            Accounts("request_ignored", any_leg=True),
            Accounts("request_unanswered", anywhere=True, any_leg=True),
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("counter", anywhere=True, any_leg=True),
        ),
    ),
)
