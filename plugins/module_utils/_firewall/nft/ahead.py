# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Look ahead in a rule before trying both answers for an unknown: often the rest of the rule makes this unnecessary."""

from __future__ import annotations

import copy
import typing as t

from ..bits import Partial
from .context import BREAK, Context, HangingError, SettledError
from .expression import Expression

_REGISTERS = 64  # bytes


def look_ahead(at: Context, expressions: t.Sequence[Expression]) -> None:
    """Raise SettledError where it does not matter how the expression that is evaluated ends."""
    if not expressions[at.position].harmless:
        return
    ahead = copy.copy(at)
    ahead.ahead = True
    ahead.registers = at.registers.copy()
    ahead.done = list(at.done)
    target = expressions[at.position].target
    if target is not None and target >= 0:
        ahead.registers.put(target, Partial.nothing(_REGISTERS - target, "it depends on something unknown"))
    for position in range(at.position + 1, len(expressions)):
        each = expressions[position]
        if not each.harmless:
            return
        ahead.position = position
        try:
            result = each.run(ahead)
        except HangingError:
            return
        if result == BREAK:
            raise SettledError(position, ahead.seen)
        if result is not None:
            return
    if not at.done:
        raise SettledError(None, None)
