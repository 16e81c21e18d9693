# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A rule in words, with what its parts belong to."""

from __future__ import annotations

import typing as t

from ..bits import Partial, Value, known
from . import fields as _fields

if t.TYPE_CHECKING:
    from .context import Context
    from .text import Describer


class Described:
    """A rule in words. `belongs`: the part that each expression belongs to, -1 for none; `tested`: the fields that a test is of."""

    def __init__(self, describer: Describer, text: str, parts: list[str], belongs: list[int]) -> None:
        self.text, self.parts, self.belongs = text, parts, belongs
        self.tested, self._links = describer.tested, describer.table.links
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
            value = at.registers.get(getattr(load, "target", 0), 64) if load.run(at) is None else None
        if value is None or not fields:
            return None
        length = sum((field.length + 3) & ~3 for field in fields[:-1]) + fields[-1].length
        found = value[:length] if isinstance(value, bytes) else known(Partial(value.value[:length], value.known[:length], value.why))
        if found is None:
            return None
        return f"{' . '.join(field.name for field in fields)} {_fields.written(fields, found, self._links)}"
