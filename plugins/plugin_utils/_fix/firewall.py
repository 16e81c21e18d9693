# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Letting a flow through a firewall: no more than the flow needs, in the way of the program that owns the rule, now and permanently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ansible_collections.threeway.handshake.plugins.module_utils._host.traversals import traversal

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.firewall_records import Verdict, Zones
from .._model.firewall_subjects import Stop
from .._model.fixes import Fix, Saves
from .._model.host import Host
from .._model.opening_records import MissedRule
from .._model.prose import Prose
from .._model.rule_records import Rule
from . import fit
from .before_rule import before_rule
from .firewalld import in_zone
from .in_sets import delisted, shorter
from .make import advice, shell
from .translation import let_through
from .trusted import for_packet
from .ufw import with_ufw
from .way_back import rerouted, served

Maker = Callable[[Host, Verdict, Rule, Prose], Fix | None]
_MAKERS: dict[str, Maker] = {
    "firewalld": in_zone,
    "ufw": with_ufw,
    "nftables": before_rule,
    "iptables": before_rule,
}


def stopped(case: Case, finding: Finding) -> Fix | None:
    """Of a packet that a firewall stops, by a rule that is known or by none that is."""
    host, stop = case.named(finding.host), finding.about(Stop)
    if host is None:
        return None
    if stop is None or stop.verdict.rule is None:
        return opening(case, host, stop.verdict if stop else None)
    if stop.taken:
        return let_through(host.name, stop.taken)
    otherwise = rerouted(case, host, stop) or served(host, stop.verdict) or delisted(host, stop.verdict, stop.later)
    counted = stop.verdict.rule if stop.verdict.quota_used_up else next((each.rule for each in stop.verdict.missed if each.used_up), None)
    if otherwise is None and counted:
        return _with_more_quota(host.name, counted)
    crowded = next((each for each in stop.verdict.missed if each.full), None)
    if otherwise is None and crowded:
        return _with_more_room(host.name, crowded)
    return otherwise or opening(case, host, stop.verdict, stop.later)


def _with_more_quota(host: str, rule: Rule) -> Fix:
    """A rule that accepts the client ahead of the quota would take it out of the account for good."""
    return advice(
        "firewall",
        host,
        f"reset the quota of {rule.name} on {host} (nft reset quota, if it has a name, or load the rule again), or raise it, if whoever "
        "set it means to let the client in",
        why="nothing gives a quota back by itself",
    )


def _with_more_room(host: str, missed: MissedRule) -> Fix:
    """A rule that accepts the client ahead would take it out of what the rule limits or counts."""
    return advice(
        "firewall",
        host,
        f"give set {missed.full} of {missed.rule.name} on {host} room for all clients (size), and elements that age sooner (timeout); "
        "until then, unless it lists whom the rules let in, flush the set (nft flush set)",
        why="a rule that adds to a set does not match once the set is full",
    )


def rate_limited(_case: Case, finding: Finding) -> Fix:
    rule = finding.about(Rule)
    which = f"{rule.name if rule else 'the firewall'} on {finding.host}"
    return advice("firewall", finding.host, f"raise the limit in {which}, or, if it is a quota, load the rule again: nothing gives it back")


def queue_unread(_case: Case, finding: Finding) -> Fix | None:
    stop = finding.about(Stop)
    if stop is None:
        return None
    if stop.verdict.by_queue:
        every = f"have the program read every queue that the rule names (suricata: -q once for each) on {finding.host}"
        return advice("service", finding.host, f"{every}, or have the rule name only those that it reads, or bypass those without a reader")
    summary = f"start the program that should read queue {stop.verdict.queue} on {finding.host}, or let the rule bypass the queue"
    return advice("service", finding.host, summary)


def queue_drops(case: Case, finding: Finding) -> Fix | None:
    """A rule of the firewall would not help: whoever reads the queue decides."""
    stop = finding.about(Stop)
    if stop is None:
        return None
    reader, client = stop.verdict.reader, case.client_address or case.client.name
    who = reader.name if reader else f"the program that reads queue {stop.verdict.queue}"
    return advice(
        "application",
        finding.host,
        f"see why {who} on {finding.host} drops it (its rules, its log), and allow {client} -> {case.target} there; a rule that accepts "
        f"ahead of the queue would pass {who} by",
        [shell("journalctl", "-u", reader.unit, "-n", "50")] if reader and fit.unit(reader.unit) else (),
    )


def conntrack_invalid(_case: Case, finding: Finding) -> Fix | None:
    host, rule = finding.host, finding.about(Rule)
    if zones := finding.about(Zones):
        both = f"put both directions of the flow into one connection tracking zone on {host}"
        packet = "the SYN-ACK" if finding.leg == "syn_ack" else "the ACK"
        return advice("firewall", host, f"{both}: {packet} into zone {zones.opened_in} as well, or take the SYN out of it")
    if rule is None:
        return None
    summary = f"let {host} see and track both directions of the flow (routes, notrack), or exempt the flow from {rule.name}"
    return advice("firewall", host, summary)


def unexpectedly_open(case: Case, _finding: Finding) -> Fix:
    """The other way round: the flow must not be possible."""
    return advice(
        "firewall",
        case.server.name if case.server is not None else case.client.name,
        f"stop {case.client_address or case.client.name} -> {case.target} with a rule at the server or on the way, or stop the service",
        why="the flow is declared with expect: blocked",
        check="the flow is ok",
    )


def opening(case: Case, host: Host, verdict: Verdict | None = None, later: Sequence[Verdict] = ()) -> Fix:
    """Let the packet of a verdict through, and those of `later` ones, which would stop the handshake's further packets.

    Programs that rewrite their rules at their next occasion are for people to configure.
    """
    fix = _one(case, host, verdict) if verdict else None
    if verdict is None or fix is None:
        return _somehow(case, host, verdict.rule if verdict else None)
    verdicts = [verdict]
    for behind in _behind(verdict):  # what would stop the same packet once this rule does not
        more = _one(case, host, behind)
        if more is None or not more.steps or not fix.steps:
            return _halfway(host, fix, behind, more)
        fix = _both(fix, more)
    passed = [_goes_before(each) for each in (verdict, *_behind(verdict))]
    for other in (each for first in later for each in (first, *_behind(first))) if fix.steps else ():
        # What lets the SYN through where it stands lets the ACK through there.
        covered = (verdict.packet, other.packet) == ("syn", "ack") and _goes_before(other) in passed
        more = None if covered else _one(case, host, other)
        if more and more.steps and more.steps[0] not in fix.steps:
            fix = _both(fix, more)
            verdicts += [other] if other.packet not in {each.packet for each in verdicts} else []
    return replace(fix, packets=tuple(packets(verdicts))) if fix.steps else fix


def _behind(verdict: Verdict) -> Iterator[Verdict]:
    """The further rules and policies that would stop the packet, each once it has passed those before it."""
    each = verdict.then
    while each is not None and each.stops:
        yield each
        each = each.then


def _halfway(host: Host, fix: Fix, behind: Verdict, more: Fix | None) -> Fix:
    """Advice: the flow is not open with this fix alone, and what else it takes is for people."""
    stop = behind.rule.name if behind.rule else "another rule"
    further = f"{more.summary}" if more else f"let it through there as well: {stop} would then stop it"
    commands = (*fix.commands, *(more.commands if more else ()))
    return advice("firewall", host.name, f"{fix.summary}; {further}", commands, why=f"{fix.why}; {stop} would stop it next")


def packets(verdicts: Sequence[Verdict]) -> Iterator[dict[str, object]]:
    """What must pass the host: the packets that were stopped, and the handshake's others; of one that is translated, the answer."""
    yield from map(_question, verdicts)
    first, known = verdicts[0], {each.packet for each in verdicts}
    met = first.rewritten
    if met is not None:
        if first.packet == "syn" and met.direction == "forward":  # as whoever answers it sends it
            (answer,) = traversal("via", (met.source, None), (met.destination, met.port))[1:2]
            yield {name: value for name, value in answer.items() if value is not None}
        return
    source, destination = (first.source, first.source_port), (first.destination, first.port)
    client, server = (destination, source) if first.packet == "syn_ack" else (source, destination)
    towards = first.direction if first.packet != "syn_ack" else {"in": "out", "out": "in"}.get(first.direction, first.direction)
    role = {"in": "server", "out": "client"}.get(towards, "via")
    for packet in traversal(role, client, server, first.uid):
        if packet["packet"] not in known:
            yield {name: value for name, value in packet.items() if value is not None}


def _question(verdict: Verdict) -> dict[str, object]:
    names = ("packet", "direction", "source", "source_port", "destination", "port", "interface", "state", "uid")
    return {name: value for name in names if (value := getattr(verdict, name)) not in (None, "")}


def _one(case: Case, host: Host, verdict: Verdict) -> Fix | None:
    rule, change = verdict.rule, verdict.change
    if rule is None or change is None or not change.summary:
        return None
    make = _MAKERS.get(rule.manager or "") if change.commands else None
    fix = make(host, verdict, change.before or verdict.left_by or rule, change.summary) if make and _fits(verdict) else None
    fix = fix or advice("firewall", host.name, change.summary, change.commands, why=f"{rule.name} stops it")
    fix = replace(fix, why=f"{fix.why}{_in_a_file(verdict)}", simple=shorter(verdict) or change.simple or "")
    return for_packet(case, host, verdict, fix)


def _in_a_file(verdict: Verdict) -> str:
    """That a file has a rule for the packet already, and how to load it. Only people can say what else that may change."""
    found = verdict.unloaded
    if found is None:
        return ""
    way = f"{found.command} replaces what is loaded" if found.replaces else f"{found.command} alone adds to what is loaded"
    return f"; {found.place} has such a rule, and is not loaded: compare the file with what is loaded; {way}"


def _goes_before(verdict: Verdict) -> tuple[object, ...] | None:
    """Which rule or policy what lets the packet through has to precede."""
    place = (verdict.change.before if verdict.change else None) or verdict.left_by or verdict.rule
    return place.identity if place else None


def _both(fix: Fix, more: Fix) -> Fix:
    saves, other = fix.saves or Saves(), more.saves or Saves()
    return replace(
        fix,
        summary=f"{fix.summary}; {more.summary}",
        why=f"{fix.why}; {more.why}",
        commands=fix.commands + more.commands,
        steps=fix.steps + more.steps,
        saves=replace(saves, files=tuple(dict.fromkeys(saves.files + other.files)), units=tuple(dict.fromkeys(saves.units + other.units))),
        undo=more.undo + fix.undo,
        check=f"{fix.check}; {more.check}",
        simple=" && ".join(dict.fromkeys((fix.simple, more.simple))) if fix.simple and more.simple else "",
    )


def _fits(verdict: Verdict) -> bool:
    """Whether enough of the packet is known, as it came and as it was translated, and whether a rule sent it to where a policy ends it."""
    if verdict.in_words_alone and verdict.rule and verdict.rule.is_policy:
        return False
    for ends in (verdict, verdict.rewritten or verdict):
        service = ends.source_port if verdict.packet == "syn_ack" else ends.port
        if not (fit.address(ends.source) and fit.address(ends.destination) and fit.port(service)):
            return False
    return True


def _somehow(case: Case, host: Host, rule: Rule | None) -> Fix:
    source = case.client_address or case.client.name
    where = f"table {rule.family} {rule.table} of {host.name}" if rule else f"the firewall of {host.name}"
    address, port = case.listening_end if host is case.server else (case.server_address, case.server_port)
    return advice("firewall", host.name, f"allow {source} -> {address} tcp/{port} in {where}, both directions")
