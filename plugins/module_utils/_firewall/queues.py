# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""NFQUEUEs of a rule that spreads packets over several, by a hash over their addresses (nfqueue_hash() of net/netfilter/nf_queue.h)."""

from __future__ import annotations

import typing as t

from .evaluation import QUEUE, UNKNOWN

_MOST_NAMED = 8


def named(numbers: range) -> str:
    """``queue 3``, ``queues 0 to 3``"""
    return f"queue {numbers[0]}" if len(numbers) == 1 else f"queues {numbers[0]} to {numbers[-1]}"


def unsure(numbers: range, read: t.Callable[[int], bool | None]) -> tuple[str, t.Any, str]:
    """What is not known where programs read some of the queues, or may: the arguments of `Evaluation.choose`."""
    answers = {number: read(number) for number in numbers}
    unread = [str(number) for number, answer in answers.items() if answer is False]
    if None in answers.values() or not unread:
        return f"whether a program reads {named(numbers)}", ("queue", numbers[0], len(numbers)), UNKNOWN
    listed = ", ".join(unread[:_MOST_NAMED]) + (" ..." if len(unread) > _MOST_NAMED else "")
    return f"which of {named(numbers)} it is put into: no program reads {listed}", ("queue", numbers[0], len(numbers)), QUEUE


def known(numbers: range, read: bool, all_alike: bool) -> int | None:
    """The queue that a packet is put into, as far as that is known: of several that nobody reads, the first stands for all."""
    return numbers[0] if len(numbers) == 1 or (all_alike and not read) else None
