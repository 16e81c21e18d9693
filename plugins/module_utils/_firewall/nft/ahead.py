# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Look ahead in a rule before trying both answers for an unknown: often the rest of the rule makes this unnecessary."""

from __future__ import annotations

import copy
import typing as t

from ..bits import Partial
from .context import BREAK, Context, HangingError, SettledError
from .ct import ConnectionField
from .headers import ExtensionHeader, Payload
from .host import Fib, Fingerprint, Route, Socket
from .limits import ConnLimit, Counter, Last, Limit, Log, Number, Quota
from .lookups import Lookup
from .meta import Meta
from .operations import Bitwise, Byteorder, Compare, Expression, Immediate, Range

# These change nothing but registers, and what nobody asks for.
_HARMLESS = (Payload, Meta, ConnectionField, Compare, Range, Bitwise, Byteorder, Counter, Last, Log, Limit, Quota, ConnLimit, Fib, Route,
             Socket, Fingerprint, ExtensionHeader, Number)  # fmt: skip
_REGISTERS = 64  # bytes


def look_ahead(at: Context, expressions: t.Sequence[Expression]) -> None:
    """Raise SettledError where it does not matter how the expression that is evaluated ends."""
    if not harmless(expressions[at.position]):
        return
    ahead = copy.copy(at)
    ahead.ahead = True
    ahead.registers = at.registers.copy()
    ahead.done = list(at.done)
    target = getattr(expressions[at.position], "target", None)
    if target is not None and target >= 0:
        ahead.registers.put(target, Partial.nothing(_REGISTERS - target, "it depends on something unknown"))
    for position in range(at.position + 1, len(expressions)):
        each = expressions[position]
        if not harmless(each):
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


def harmless(each: Expression) -> bool:
    """Whether it leaves nothing behind but registers."""
    if isinstance(each, Lookup):
        return each.target != -1
    return isinstance(each, _HARMLESS) or (isinstance(each, Immediate) and isinstance(each.data, bytes))
