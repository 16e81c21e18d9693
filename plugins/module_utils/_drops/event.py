# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The event that a tracer reports."""

from __future__ import annotations

import typing as t

KINDS = {
    "drop": "the packet was dropped",
    "freed": "TCP let go of the packet, and does not say why: mostly one that has done what it was sent for",
    "reset": "an RST answers the packet; where it has no flags, an RST is sent without being asked for",
    "syn_ack_again": "a SYN-ACK, which has not been put together yet, is sent once more",
}


class Event(t.NamedTuple):
    """Something that the kernel did with a packet of a flow. What is not known is None."""

    kind: str  # see KINDS
    time_ns: int  # since the epoch, as the recorder has it
    source: str | None
    source_port: int | None
    destination: str | None
    destination_port: int | None
    flags: tuple[str, ...] | None
    sequence: int | None
    reason: str | None  # in the kernel's words, see `reasons`
    function: str | None  # of the kernel, that let go of the packet
    callers: tuple[str, ...]  # functions that led there, the nearest first
    namespace: int | None  # the inode of the network namespace
    interface: int | None  # its index there
    cgroup: int | None  # of the socket: the inode of its directory
