# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Translations that the SYN does not get, because rules ahead of them take it: RETURN, ACCEPT, goto, NOTRACK."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..._model.opening_records import HiddenTranslation
from ..._model.rule_records import Rule
from ..case import Case
from ..finding import Evidence, Finding
from .catalogue import Accounts, Cause
from .hidden import end, in_words, taken_ahead
from .icmp import HELD_BACK, NOT_SENT
from .inside import takes
from .needs import SERVER, needs
from .rules import details, kept_by
from .translated import came, connections, distinct
from .traversals import Place, judged


def shown(case: Case, host: Host, hidden: HiddenTranslation) -> Iterator[Evidence]:
    tags = " and ".join(f"{rule.tag} of chain {rule.chain}" for rule in hidden.by)
    yield case.saw(host, "firewall", f"evaluated: without {tags} the SYN would go to {end(hidden)}")
    for rule in (*hidden.by, hidden.translating):
        yield from kept_by(host, rule)


@needs(SERVER)
def _nat_hidden(case: Case, server: Host) -> Finding | None:
    """The client or a managed host on the way leaves the SYN as it is, for an address that is not the server's, and has a rule that leads
    to the server."""
    if case.arrived or case.server_owns(case.address) is not False:
        return None
    for place in (
        Place(case.client, "syn", "out", "client.firewall"),
        *(Place(via, "syn", "forward", "path.forward") for via in case.vias),
    ):
        host, verdict = place.host, judged(case, place)
        found = taken_ahead(verdict)
        if verdict is None or found is None or not verdict.accepts or case.server_owns(found.hidden.destination) is not True:
            continue
        counted = _counted(case, host, verdict, found.hidden.by[-1])
        served = _listens(server, found.hidden)
        return Finding(
            "proven" if counted and counted[0] and served else "likely",
            host.name,
            place.segment,
            f"{in_words(found.hidden)} of {server.name}; on {host.name} it keeps the destination {case.target}",
            (*((counted[1],) if counted else ()), *shown(case, host, found.hidden), *case.passage()),
            leg="syn",
            detail={**details(verdict, None), "target": found.hidden.destination, "port": found.hidden.port},
            subject=found,
        )
    return None


def _counted(case: Case, host: Host, verdict: Verdict, rule: Rule) -> tuple[bool, Evidence] | None:
    if host is not case.client:
        return connections(host, rule, distinct(case, host, verdict), most=len(came(case, host, verdict)))
    dialled = [probe for probe in case.fleet.dialled(host, verdict.destination, verdict.port or 0) if probe.stage not in ("socket", "bind")]
    return connections(host, rule, len(dialled), most=sum(probe.syns or 0 for probe in dialled))


def _listens(server: Host, hidden: HiddenTranslation) -> bool:
    listeners = (server.snapshot.listeners if server.snapshot else None) or ()
    return any(each.port == hidden.port and takes(each, hidden.destination) for each in listeners)


CAUSES = (
    Cause(
        "nat_hidden",
        "A rule ahead of an address translation takes the SYN",
        ("client.firewall", "path.forward"),
        ("refused_locally", "unsent", "lost_syn", "silent", "reset", "icmp", "untold"),
        "The rules of the client or of a managed host on the way, evaluated, leave the SYN for an address that is not the server's, and "
        "without one of them (return, accept, goto, notrack) another would translate it to the server, which listens there; the counter of "
        "the rule that takes it rises by the connections. Without a counter, or a listener: likely.",
        "The SYN arrives at the server; the rules, evaluated, have no translation to it.",
        rule=_nat_hidden,
        precedes=(
            "address_not_local",
            "host_down",
            "no_listener",
            "no_route",
            "path_drop",
            "path_icmp_unreachable",
            "path_no_route",
            "path_reset",
            "router_route",
        ),
        accounts_for=(
            Accounts("icmp_error", anywhere=True),
            NOT_SENT,
            Accounts("other_outcome", ("lost_syn", "silent", HELD_BACK), anywhere=True, any_leg=True),
            Accounts("request_unanswered", anywhere=True),
        ),
    ),
)
