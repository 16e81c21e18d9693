# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Counters of losses that rose by exactly as many as packets of the flow vanished, and of handshakes that did not rise.

A host has other traffic, and its counters rise. What rises by another number, or counts nothing that is lost, is context. Where other flows
of the run fail at the host, too, a counter may be theirs: only what counts the packets of all of them together is about this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from ..._model.host import Host
from ..._model.snapshot import Snapshot
from ..case import Case
from ..outcome import SWALLOWING
from .anomaly import Anomaly
from .envelope import HEALTHY
from .seen import each_host

# How the kernel names counters of packets that end: drops, errors, refusals; new ones are named alike.
_OF_LOSS = re.compile(
    r"drop|discard|err|noroute|nopol|nostate|invalid|fail|overflow|reject|block|bad|missed|over$|martian|filter|mismatch|expired|notfound"
    r"|unexpected|unknown|truncated|full|paws|skipped|exceed|limit",
    re.IGNORECASE,
)
_OF_HOPS = frozenset(("Ip.InHdrErrors", "Ip6.InHdrErrors"))  # where SYNs were sent that ask for hops
_OF_ERRORS = frozenset(("TcpExt.LockDroppedIcmps", "TcpExt.OutOfWindowIcmps"))  # of ICMP errors, which are anomalies of their own
_OF_ATTEMPTS = frozenset(("Tcp.AttemptFails", "Tcp.EstabResets", "TcpExt.TCPAbortOnTimeout", "TcpExt.TCPTimeouts"))  # not of packets


def risen(host: Host) -> dict[str, int]:
    """By how much each counter of a host rose between its snapshots, of those that rose: ``TcpExt.ListenDrops``."""
    if host.before is None or host.after is None:
        return {}
    was, now = _all(host.before), _all(host.after)
    return {name: value - was.get(name, 0) for name, value in now.items() if value > was.get(name, 0)}


def _all(snapshot: Snapshot) -> dict[str, int]:
    """Every counter of a snapshot by its name; those of interfaces by the interface."""
    found = {f"{group}.{name}": value for group, values in (snapshot.counters or {}).items() for name, value in values.items()}
    if snapshot.conntrack:
        found |= {f"conntrack.{name}": value for name, value in (snapshot.conntrack.stats or {}).items()}
    found |= {f"link.{name} on {link.name}": value for link in snapshot.links or () for name, value in link.drops.items()}
    tc = (snapshot.hooks.tc if snapshot.hooks else None) or ()
    return found | {f"qdisc.{each.direction} drops on {each.interface}": each.drops for each in tc}


def counters(case: Case) -> Iterator[Anomaly]:
    """Of each host where packets of the flow may have vanished."""
    known = HEALTHY | _OF_ATTEMPTS | _OF_ERRORS | (_OF_HOPS if case.client.hops else frozenset())
    for host, numbers in _vanished(case):
        for name, by in case.fleet.once(("risen", host.name), partial(risen, host)).items():
            if by in numbers and generic(name) not in known and _OF_LOSS.search(name):
                text = f"{name} of {host.name} rose by {by}, as many as packets of this flow vanished there"
                yield Anomaly("counter", host.name, text, generic(name), leg=case.outcome.leg, count=by)


def generic(name: str) -> str:
    """The name of a counter without the interface that it is of."""
    return name.partition(" on ")[0]


def _vanished(case: Case) -> Iterator[tuple[Host, set[int]]]:
    """The hosts at the stretch where packets ended, and how many did, of the attempts in question and of all flows."""
    outcome = case.outcome
    if outcome.kind == "completed" and not outcome.recovered:
        return
    near = set(outcome.between or ()) if outcome.host == "path" else {outcome.host}
    for host in each_host(case):
        if near and host.name not in near:
            continue
        swallowed = case.totals.swallowed.get(host.name, 0)
        if case.totals.failing.get(host.name, 0) > 1:
            if outcome.kind in SWALLOWING and swallowed:
                yield host, {swallowed}
            continue
        numbers = {swallowed}
        heard = case.hears(host, "in", "out")
        for kind in ("syn", "syn_ack", "ack") if heard else ("syn", "syn_ack"):
            came, left = case.counted(kind, host, "in"), case.counted(kind, host, "out")
            numbers |= {left, came - left}
        numbers.add(sum(probe.syns or 0 for probe in case.probes) if host is case.client else 0)
        yield host, {number for number in numbers if number > 0}


def uncounted_opens(case: Case) -> Iterator[Anomaly]:
    """The server's TCP takes part in fewer handshakes than completed at the client, and by its recording at the server."""
    server = case.server
    opened = server.delta("Tcp", "PassiveOpens") if server else None
    if server is None or opened is None or not case.outcomes or case.server_owns(case.address) is False:
        return
    if case.sent_on_by(server):  # as to a container, whose TCP counts by itself
        return
    came = sum(
        outcome.kind == "completed" and attempt.counted("syn", server, "in") > 0
        for attempt, outcome in zip(case.attempts, case.outcomes, strict=True)
    )
    if came > opened:
        text = f"{came} handshakes completed, and the TCP of {server.name} counts {opened}"
        yield Anomaly("uncounted_open", server.name, text, count=came - opened)
