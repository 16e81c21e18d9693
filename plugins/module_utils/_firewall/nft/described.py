# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A rule in words, generated from its expressions; and what a packet has where a test failed."""

from __future__ import annotations

import typing as t

from ..bits import Partial, Value, known
from . import fields as _fields
from .context import Context, Table
from .describer import Describer
from .expression import Expression

_COMMENT = 0  # NFTNL_UDATA_RULE_COMMENT


class Described:
    """A rule in words. `belongs`: the part that each expression belongs to, -1 for none; `tested`: the fields that a test is of."""

    def __init__(self, expressions: t.Sequence[Expression], userdata: bytes, table: Table) -> None:
        describer = Describer(expressions, table)
        for at, each in enumerate(expressions):
            each.describe(describer, at)
        shown = [part for part in describer.parts if part.into is None]
        conditions = [part for part in shown if part.condition]
        words = [part.text for part in shown if part.text and part.shown]
        said = comment(userdata)
        if said is not None:
            words.append(f'comment "{said}"')
        self.text, self.parts = " ".join(words), [part.text for part in conditions]
        self.belongs: list[int] = []
        for at in range(len(expressions)):
            part = next((part for part in describer.parts if at in part.expressions), None)
            while part is not None and part.into is not None:
                part = part.into
            self.belongs.append(conditions.index(part) if part is not None and part in conditions else -1)
        self.tested, self._links = describer.tested, table.links
        self._wholes = describer.wholes
        self._statements = {at: part.text for part in describer.parts for at in part.expressions}

    def statement(self, position: int) -> str:
        """The condition or statement that an expression belongs to."""
        return self._statements.get(position, self.text)

    def seen(self, position: int, value: Value | None, at: Context) -> str | None:
        """What the packet has where a test failed; `value` begins with what was tested."""
        fields = self.tested.get(position)
        if position in self._wholes:
            field, load, _mask = self._wholes[position]
            fields = [field]
            value = at.registers.get(load.target or 0, 64) if load.run(at) is None else None
        if value is None or not fields:
            return None
        length = sum((field.length + 3) & ~3 for field in fields[:-1]) + fields[-1].length
        found = value[:length] if isinstance(value, bytes) else known(Partial(value.value[:length], value.known[:length], value.why))
        if found is None:
            return None
        return f"{' . '.join(field.name for field in fields)} {_fields.written(fields, found, self._links)}"


def comment(userdata: bytes) -> str | None:
    """The comment that nft keeps with a rule: type, length, text."""
    at = 0
    while at + 2 <= len(userdata):
        kind, length = userdata[at], userdata[at + 1]
        if kind == _COMMENT:
            return userdata[at + 2 : at + 2 + length].rstrip(b"\0").decode("utf-8", "replace")
        at += 2 + length
    return None
