# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which packets of handshakes that broke the kernels of the hosts dropped, and why, as typed records (docs/drops.md)."""

from __future__ import annotations

from dataclasses import dataclass

from .prose import Prose
from .records import IpAddress, Port, RecordError
from .trace_records import MAX_EVENTS


@dataclass(frozen=True)
class Program:
    """A BPF program of a control group that sees the packets of a socket; ``unit``: the systemd unit whose group it is."""

    direction: str
    name: str
    group: str
    unit: str | None = None
    container: str | None = None


@dataclass(frozen=True)
class ConnectHooks:
    """The programs that a client's connect() runs, and whether IPVS has services there."""

    programs: tuple[Program, ...]
    ipvs: bool


@dataclass(frozen=True, kw_only=True)
class KernelEvent:
    """What the kernel did with a packet; kinds, reasons and functions are those of docs/drops.md."""

    kind: str
    source: IpAddress | None = None
    source_port: Port | None = None
    destination: IpAddress | None = None
    destination_port: Port | None = None
    flags: tuple[str, ...] | None = None
    drop_reason: str | None = None
    function: str | None = None
    callers: tuple[str, ...] = ()
    programs: tuple[Program, ...] = ()

    @property
    def leg(self) -> str | None:
        """Which packet of a handshake it is."""
        flags = set(self.flags or ()) & {"SYN", "ACK", "RST", "FIN"}
        return {frozenset({"SYN"}): "syn", frozenset({"SYN", "ACK"}): "syn_ack", frozenset({"ACK"}): "ack"}.get(frozenset(flags))


@dataclass(frozen=True)
class Missing:
    """A way to ask the kernel that the host does not have."""

    why: Prose


@dataclass(frozen=True)
class Drops:
    """What one tracer returned. ``how``: ``bpf``, or ``tracepoint``, which knows no addresses and speaks of the whole machine."""

    how: str
    events: tuple[KernelEvent, ...] = ()
    missing: tuple[Missing, ...] = ()

    def __post_init__(self) -> None:
        if len(self.events) > MAX_EVENTS:  # as the tracer's own bound; each flow of the host looks through all of them
            raise RecordError(f"drops have {len(self.events)} events, more than {MAX_EVENTS}")
