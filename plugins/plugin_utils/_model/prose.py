# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Texts that are for people only: what rules are written like, what they do in words, why something is not known.

They hold names that people choose, so nothing may be decided by what stands in them. A :class:`Prose` is no ``str``: it can be put into a
sentence, and compared with another one as a whole, but mypy refuses to search, split or match it.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any


class Prose:
    """A text for people."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Prose({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prose) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Prose, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)


NOTHING = Prose("")
Wording = str | Prose
"""Of a field that takes a plain string as well, so that rules need not wrap what they say: mypy lets nobody search what may be a Prose,
and :func:`worded` makes sure that it is one."""


def worded(record: object, *names: str) -> None:
    """Make a Prose of each text in these fields of a frozen record; for its ``__post_init__``."""
    for name in names:
        given = getattr(record, name)
        found = tuple(Prose(str(each)) for each in given) if isinstance(given, tuple) else Prose(str(given))
        object.__setattr__(record, name, found)


def unwrapped(value: Any) -> Any:
    """``value`` with the texts in its mappings and lists as plain strings, and records as mappings, for those who only show it."""
    if isinstance(value, Prose):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: unwrapped(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {key: unwrapped(each) for key, each in value.items()}
    return [unwrapped(each) for each in value] if isinstance(value, (list, tuple)) else value
