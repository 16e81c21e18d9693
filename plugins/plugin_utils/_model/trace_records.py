# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the kernels of the hosts traced of handshakes that broke, as typed records (docs/evidence.md)."""

from __future__ import annotations

from dataclasses import dataclass

from .records import Count, IpAddress, Port, RecordError

MAX_EVENTS = 5000  # as the tracer's own bound


@dataclass(frozen=True, kw_only=True)
class TracedPacket:
    """The header of a packet when it came to nf_tables: before any translation of addresses that this host makes."""

    source: IpAddress
    source_port: Port
    destination: IpAddress
    port: Port
    flags: tuple[str, ...]
    seq: Count
    ack: Count

    @property
    def leg(self) -> str | None:
        """Which packet of a handshake it is."""
        flags = set(self.flags) & {"SYN", "ACK", "RST", "FIN"}
        return {frozenset({"SYN"}): "syn", frozenset({"SYN", "ACK"}): "syn_ack", frozenset({"ACK"}): "ack"}.get(frozenset(flags))


@dataclass(frozen=True, kw_only=True)
class TraceStep:
    """A rule that matched, the end of a user chain, or a policy that applied."""

    family: str
    table: str
    chain: str
    type: str
    handle: int | None = None
    verdict: str | None = None
    number: int | None = None


@dataclass(frozen=True)
class Trace:
    """One packet's way through nf_tables."""

    packet: TracedPacket
    hook: str
    verdict: str
    steps: tuple[TraceStep, ...] = ()


@dataclass(frozen=True)
class Tracing:
    """What one tracer returned."""

    traces: tuple[Trace, ...]
    truncated: str | None = None
    lost: bool = False

    def __post_init__(self) -> None:
        events = sum(1 + len(trace.steps) for trace in self.traces)
        if events > MAX_EVENTS:
            raise RecordError(f"a trace has {events} events, more than {MAX_EVENTS}")

    @property
    def complete(self) -> bool:
        """Whether nothing that the kernel reported is missing."""
        return self.truncated is None and not self.lost
