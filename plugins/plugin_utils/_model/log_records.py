# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a host logged about handshakes, as typed records (docs/evidence.md)."""

from __future__ import annotations

from dataclasses import dataclass

from .prose import Prose
from .records import Count, IpAddress, Port, Time


@dataclass(frozen=True, kw_only=True)
class LogRecord:
    """One line. ``attested``: the kernel or the journal says who wrote it. Which of the other fields there are depends on the kind."""

    kind: str
    time: Time
    source: str
    attested: bool
    text: Prose
    interface: str | None = None
    out_interface: str | None = None
    ttl: Count | None = None
    sender: IpAddress | None = None
    sender_port: Port | None = None
    receiver: IpAddress | None = None
    receiver_port: Port | None = None
    flags: tuple[str, ...] = ()
    prefix: Prose | None = None
    pid: Count | None = None
    process: str | None = None
    unit: str | None = None
    netns: Count | None = None
    state: str | None = None
    module: str | None = None
    enforced: bool = True
