# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Letting a flow through a firewall: no more than the flow needs, in the way of the program that owns the rule, now and permanently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .._decide.case import Case
from .._decide.finding import Fix, Saves
from .._model.firewall_records import Rule, Verdict
from .._model.host import Host
from .._model.prose import Prose
from . import fit
from .before_rule import before_rule
from .firewalld import in_zone
from .make import advice
from .trusted import for_packet
from .ufw import with_ufw

Maker = Callable[[Host, Verdict, Rule, Prose], Fix | None]
_MAKERS: dict[str, Maker] = {
    "firewalld": in_zone,
    "ufw": with_ufw,
    "ufw-docker": with_ufw,
    "nftables": before_rule,
    "iptables": before_rule,
}


def opening(case: Case, host: Host, ruling: Verdict | None = None, later: Sequence[Verdict] = ()) -> Fix:
    """Let the packet of a ruling through, and those of `later` ones, which would stop the handshake's further packets.

    Programs that write their rules anew at their next occasion are for people to tell.
    """
    fix = _one(case, host, ruling) if ruling else None
    if ruling is None or fix is None:
        return _somehow(case, host, ruling.rule if ruling else None)
    for other in later if fix.steps else ():
        covered = (ruling.packet, other.packet, other.rule) == ("syn", "ack", ruling.rule)  # what lets the SYN through lets the ACK through
        more = None if covered else _one(case, host, other)
        if more and more.steps and more.steps[0] not in fix.steps:
            fix = _both(fix, more)
    return fix


def _one(case: Case, host: Host, ruling: Verdict) -> Fix | None:
    rule, change = ruling.rule, ruling.change
    if rule is None or change is None or not change.summary:
        return None
    make = _MAKERS.get(rule.manager or "")
    fix = make(host, ruling, ruling.left_by or rule, change.summary) if make and _fits(ruling) else None
    fix = fix or advice("firewall", host.name, change.summary, change.commands, why=f"{rule.name} stops it")
    return for_packet(case, host, ruling, replace(fix, simple=change.simple or ""))


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
    )


def _fits(ruling: Verdict) -> bool:
    """Whether the packet is told well enough, as it came and as it was translated, and whether a rule sent it to where a policy ends it."""
    if ruling.in_words_alone and ruling.rule and ruling.rule.is_policy:
        return False
    for ends in (ruling, ruling.rewritten or ruling):
        service = ends.source_port if ruling.packet == "syn_ack" else ends.port
        if not (fit.address(ends.source) and fit.address(ends.destination) and fit.port(service)):
            return False
    return True


def _somehow(case: Case, host: Host, rule: Rule | None) -> Fix:
    source = case.client_address or case.client.name
    where = f"table {rule.family} {rule.table} of {host.name}" if rule else f"the firewall of {host.name}"
    return advice("firewall", host.name, f"allow {source} -> {case.server_address} tcp/{case.server_port} in {where}, both directions")
