# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The reasons for dropping packets, as the kernel names them (include/net/dropreason-core.h)."""

from __future__ import annotations

import typing as t

NO_DROPS = frozenset(("NOT_DROPPED_YET", "CONSUMED", "TCP_RESET", "TCP_OFOMERGE"))
"""Reasons for which a packet is freed that has done what it was sent for; TCP_RESET: an RST that was obeyed."""

UNSPECIFIED = "NOT_SPECIFIED"
FREED_IN = frozenset(("tcp_v4_rcv", "tcp_v6_rcv"))
"""Functions that free without a reason what has reached its socket: segments for TIME_WAIT, SYNs whose answer is on its way."""

_SUBSYSTEM_BITS = 16


def name(reason: int, names: t.Mapping[int, str], subsystems: t.Mapping[int, str]) -> str | None:
    """`NETFILTER_DROP`; `OPENVSWITCH:5` for a reason of a subsystem that counts its own; None where the kernel gives no reasons."""
    if not names:
        return None
    subsystem = reason >> _SUBSYSTEM_BITS
    if subsystem:
        return f"{subsystems.get(subsystem, subsystem)}:{reason & (1 << _SUBSYSTEM_BITS) - 1}"
    return names.get(reason, str(reason))


def normal(names: t.Mapping[int, str]) -> list[int]:
    """The numbers of those that are no drops."""
    return [number for number, each in names.items() if each in NO_DROPS]


def is_freed(reason: str | None, function: str | None) -> bool:
    """Whether this is no drop, as far as that is known."""
    return reason == UNSPECIFIED and function in FREED_IN
