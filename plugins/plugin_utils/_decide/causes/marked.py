# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Packets that have a mark, and that policy rules lead elsewhere by it: the kernel's answer for packets without one is not theirs."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_records import PolicyRule
from ..._model.network_subjects import ByMark
from ..._model.recording import Observation
from ..case import Case
from ..last_hop import added_rules
from ..outcome import Leg
from .traversals import Place, judged


def by_mark(case: Case, host: Host, leg: Leg, left: Observation) -> ByMark | None:
    """How a host leads a packet of the case that it sends, or forwards, where it does so for a mark; None: not for one."""
    sends = host is (case.client if leg == "syn" else case.server)
    verdict = judged(case, Place(host, leg, "out" if sends else "forward", ""))
    led, mark = (verdict.rerouted, verdict.rewritten.mark if verdict.rewritten else None) if verdict else (None, None)
    target, source = left.packet.dst, left.packet.src
    back = leg == "syn_ack"
    without = case.way(host, target, source, back) or case.way(host, target, back=back)
    if led is not None and mark:
        policy = _asking(case, host, mark, led.table)
        if policy is None or led.interface != left.interface:
            return None
        return ByMark(
            host=host.name,
            target=target,
            mark=mark,
            policy=policy,
            setter=led.rule,
            interface=led.interface,
            gateway=led.gateway,
            without=without,
        )
    listener = case.listener() if sends and leg == "syn_ack" else None
    policy = _asking(case, host, listener.mark) if listener and listener.mark else None
    if listener is None or not listener.mark or policy is None:
        return None
    return ByMark(host=host.name, target=target, mark=listener.mark, policy=policy, interface=left.interface, without=without)


def with_a_mark(case: Case, host: Host, interface: str) -> ByMark | None:
    """How an end of the handshake sends by an interface, where it does so for a mark alone."""
    leg: Leg = "syn" if host is case.client else "syn_ack"
    left = case.observation(leg, host, "out")
    found = by_mark(case, host, leg, left) if left and left.interface == interface else None
    return found if found and found.elsewhere else None


def _asking(case: Case, host: Host, mark: int, table: int | None = None) -> PolicyRule | None:
    """The first policy rule that asks for a mark, and leads to a table."""
    rules = added_rules(host, case.family) or ()
    fitting = [rule for rule in rules if rule.mark and mark & rule.mark.mask == rule.mark.value and table in (None, rule.table)]
    return min(fitting, key=lambda rule: rule.priority, default=None)
