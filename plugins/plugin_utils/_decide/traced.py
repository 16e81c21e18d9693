# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What happened to a case's packets at a host, by the kernel's own trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from .._model.hook_records import BaseChain
from .._model.host import Host
from .._model.probe_records import Probe
from .._model.prose import Prose
from .._model.trace_records import Trace, TraceStep
from .._values.words import plural
from .case import Case
from .finding import Evidence
from .outcome import Leg

SOURCE = "kernel trace (nf_tables)"
_LEGS = {"syn": "SYN", "syn_ack": "SYN-ACK", "ack": "ACK"}
_STOPPING = ("drop", "queue")


@dataclass(frozen=True, kw_only=True)
class TracedRule:
    """The rule, or the policy, at which the kernel saw packets of one leg of a handshake end."""

    host: str
    leg: Leg
    family: str
    table: str
    chain: str
    handle: int | None
    """None: the policy of the chain"""
    number: int | None
    """its place in the chain, counted from 1; None: not known, or a policy"""
    hook: str
    """of the base chain from which the packet came to the rule"""
    verdict: str
    """drop (which a rejecting rule says too) or queue"""
    packets: int
    """how many of ours ended there"""
    passed: int
    """how many of ours of the same leg nf_tables let through there, at another time"""

    @property
    def text(self) -> Prose:
        """``rule 12 of inet filter input``, or ``the policy of ip filter INPUT``."""
        rule = "the policy" if self.handle is None else f"rule {self.handle}"
        return Prose(f"{rule} of {self.family} {self.table} {self.chain}")

    def evidence(self) -> Evidence:
        """For the report."""
        verb = {"drop": "stopped", "queue": "queued"}[self.verdict]
        return Evidence(self.host, SOURCE, f"{self.text} {verb} {plural(self.packets, _LEGS[self.leg])} of this flow (hook {self.hook})")


def traced(case: Case, host: Host | None, leg: Leg, hooks: Collection[str] = ()) -> TracedRule | None:
    """The rule that stops this leg of the case at the host; None when nothing was traced there, or nf_tables stopped nothing.

    Where several rules did, the one that stopped most. With ``hooks``: only on one of them, as a host that dials itself passes them all.
    """
    if host is None:
        return None
    traces = traces_of(case, host, leg)
    ends: Counter[tuple[TraceStep, str, str]] = Counter(
        (trace.steps[-1], hook, trace.hook)
        for trace in traces
        if trace.verdict in _STOPPING and trace.steps and ((hook := _hook(host, trace)) in hooks or not hooks)
    )
    for (step, hook, entered), count in ends.most_common(1):
        handle = step.handle if step.type == "rule" else None
        passed = sum(trace.verdict == "accept" and trace.hook == entered for trace in traces)
        return TracedRule(
            host=host.name,
            leg=leg,
            family=step.family,
            table=step.table,
            chain=step.chain,
            handle=handle,
            number=step.number,
            hook=hook,
            verdict=str(step.verdict),
            packets=count,
            passed=passed,
        )
    return None


def let_through(case: Case, host: Host | None, leg: Leg) -> int:
    """How many packets of this leg nf_tables let through at the host, none of which it stopped; 0 when that was not traced in full.

    What legacy iptables did to them does not show (C(Hooks.iptables_legacy)).
    """
    if host is None or not all(tracing.complete for tracing in host.tracings):
        return 0
    traces = traces_of(case, host, leg)
    return len(traces) if all(trace.verdict == "accept" for trace in traces) else 0


def traces_of(case: Case, host: Host, leg: Leg) -> list[Trace]:
    """The host's traces of this leg of the handshakes that the case's client tried once more.

    A packet belongs to them by the client's initial sequence number, which address translation leaves alone; where the client traced
    none, by its addresses and ports.
    """
    probes = [probe for probe in case.client.traced_probes if (probe.address, probe.port) == (case.address, case.port)]
    isns = {isn for probe in probes for isn in _isns(case.client, probe)}
    ports = {port for _address, port in case.ends_at(host)}
    return [
        trace
        for tracing in host.tracings
        for trace in tracing.traces
        if trace.packet.leg == leg and (_is_numbered(trace, isns) if isns else any(_is_of(case, ports, trace, probe) for probe in probes))
    ]


def _isns(client: Host, probe: Probe) -> set[int]:
    """Initial sequence numbers of a probe, as its own host's kernel traced them."""
    ends = (probe.local_port, probe.address, probe.port)
    packets = [trace.packet for tracing in client.tracings for trace in tracing.traces if trace.hook == "output"]
    return {packet.seq for packet in packets if packet.leg == "syn" and (packet.source_port, packet.destination, packet.port) == ends}


def _is_numbered(trace: Trace, isns: set[int]) -> bool:
    packet = trace.packet
    if packet.leg == "syn":
        return packet.seq in isns
    number = packet.ack if packet.leg == "syn_ack" else packet.seq
    return (number - 1) % 2**32 in isns


def _is_of(case: Case, ports: Collection[int], trace: Trace, probe: Probe) -> bool:
    packet = trace.packet
    ends = ((packet.source, packet.source_port), (packet.destination, packet.port))
    (client, client_port), (_server, server_port) = ends if packet.leg != "syn_ack" else ends[::-1]
    known = client in (probe.local_address, case.client_address)
    return known and client_port == probe.local_port and server_port in ports


def _hook(host: Host, trace: Trace) -> str:
    """The hook of the last base chain on the packet's way to its end; where base chains are unknown, the hook at which it came in."""
    chains = (host.snapshot.hooks.netfilter if host.snapshot and host.snapshot.hooks else None) or ()
    last = trace.steps[-1]
    for step in reversed(trace.steps):
        base = _base(chains, step) if (step.family, step.table) == (last.family, last.table) else None
        if base:
            return base.hook
    return trace.hook


def _base(chains: tuple[BaseChain, ...], step: TraceStep) -> BaseChain | None:
    place = (step.family, step.table, step.chain)
    return next((chain for chain in chains if (chain.family, chain.table, chain.chain) == place), None)
