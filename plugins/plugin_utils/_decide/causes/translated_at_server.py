# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The server's own rules send the SYN elsewhere: to a port where nobody listens, to another host, into another network namespace."""

from __future__ import annotations

from ..._model.firewall_subjects import RulesInside, Translated, TranslatedInside
from ..._model.host import Host
from ..._values.words import endpoint
from ..case import Case
from ..finding import Finding
from .icmp import answer_of
from .inside import Inside, inside
from .needs import SERVER, needs
from .refusal import lets_in
from .rules import details, kept_by
from .translated import LOOPBACKS, listens, needless, target_of, written
from .translated import connections as _connections
from .translated import distinct as _distinct
from .traversals import Place, judged


@needs(SERVER)
def translated_at_server(case: Case, server: Host) -> Finding | None:
    """The server itself answers with a refusal that only what it translates the SYN to can give."""
    answer = answer_of(case)
    if not server.translates("prerouting") or not case.arrived:
        return None
    verdict = judged(case, Place(server, "syn", "in", "server.firewall"))
    target, rule = target_of(verdict, case.server_address, case.server_port)
    if verdict is not None and (verdict.stops or (verdict.accepts and target is None)):
        return None  # its rules were evaluated, and send the SYN nowhere else, or stop it there
    within = inside(case)
    if within is not None:
        return _translated_inside(case, server, within)
    counted, reset = server.delta("Tcp", "OutRsts") or 0, case.outcome.kind == "reset"
    by_tcp = counted >= max(1, case.resets_by(server))  # all that left, those of other flows, too
    enough = counted >= max(1, case.counted("rst", server, "out", "server"))
    dead = (
        target is not None
        and (target.destination in LOOPBACKS or server.owns(target.destination) is True)
        and not listens(server, target.port)
    )
    refused = reset and (enough and dead if target else by_tcp and case.listener() is not None)
    forwarded = answer is not None and answer.meaning in ("unreachable", "no_route") and server.owns(answer.offender)
    gone = (
        target is not None and server.owns(target.destination) is False and case.outcome.kind in ("unanswered", "icmp", "reset", "silent")
    )
    if not refused and not forwarded and not gone:
        return None
    connections = _connections(server, rule, _distinct(case, server, verdict)) if rule and verdict else None
    where = "where nothing listens" if refused else "where nobody answers"
    named, came = f"{rule.name} on {server.name}" if rule else server.name, endpoint(case.server_address, case.server_port)
    return Finding(
        "proven" if refused and connections and connections[0] and (by_tcp or lets_in(case, server)) else "likely",
        server.name,
        "server.firewall",
        f"{named} translates the SYN for {came} to {written(target) if target else 'another address or port'}, {where}",
        (
            *((connections[1],) if connections else ()),
            *case.passage(),
            *([case.saw(server, "inet_diag", f"nothing listens on {written(target)}")] if refused and target else []),
            *([] if rule else [case.saw(server, "nfnetlink base chains", "address translation is set up on prerouting")]),
            *(kept_by(server, rule) if rule else ()),
        ),
        leg="syn",
        detail=details(verdict, None, rule) if verdict else {},
        undecided=() if rule else (f"the connection tracking entry of the SYN on {server.name} (conntrack -L) would name the target",),
        subject=Translated(came, rule, unserved=True, needless=needless(case)) if rule else None,
    )


def _translated_inside(case: Case, server: Host, within: Inside) -> Finding | None:
    """The target is in another network namespace of the server, and nothing listens on the port there, or is let have the SYN."""
    if case.outcome.kind == "reset" and within.state == "takes":
        return _refused_inside(case, server, within)
    if within.state != "none" or case.outcome.kind != "reset":
        return None
    rule = within.rule
    connections = _connections(server, rule, _distinct(case, server, within.verdict))
    beside = within.beside(server)
    return Finding(
        "proven" if connections and connections[0] else "likely",
        server.name,
        "server.firewall",
        f"{f'{rule.name} on ' if rule else ''}{server.name} translates the SYN for {case.target} to {within.target} in {within.where}, "
        "where nothing listens" + (f", but {' and '.join(beside)} there" if beside else ""),
        (
            *((connections[1],) if connections else ()),
            *case.passage(),
            case.saw(server, "inet_diag", f"nothing listens on port {within.port} in {within.where}"),
            *(kept_by(server, rule) if rule else ()),
        ),
        leg="syn",
        detail=details(within.verdict, None, rule),
        subject=TranslatedInside(within.port, within.where, beside=bool(beside)),
    )


def _refused_inside(case: Case, server: Host, within: Inside) -> Finding | None:
    """Somebody listens at the target, and the RSTs are not the host's own: rules in there stand between."""
    counted, listener = server.delta("Tcp", "OutRsts"), within.taking[0]
    if counted is None or counted >= case.resets_by(server) or not case.resets_by(server):
        return None
    return Finding(
        "likely",
        server.name,
        "server.firewall",
        f"what {server.name} translates the SYN for {case.target} to, {within.target} in {within.where}, refuses it, although "
        f"{listener.name or 'a process'} listens there: rules in that namespace, such as those of a sidecar proxy, reject it, or lead it "
        "to where nobody listens",
        (
            case.saw(server, "inet_diag", f"LISTEN {endpoint(listener.address or '?', listener.port)} in {within.where}"),
            case.saw(server, "counter Tcp OutRsts", f"+{counted}: the RSTs are not of {server.name}'s own TCP"),
            *case.passage(),
            *(kept_by(server, within.rule) if within.rule else ()),
        ),
        leg="syn",
        detail=details(within.verdict, None, within.rule),
        undecided=(f"the rules in {within.where} would show it",),
        subject=RulesInside(within.where, within.namespace.pid),
    )
