# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Single values of untrusted JSON: each either is what it should be, or a misfit of which is said what was found."""

from __future__ import annotations

import math
from typing import Any

from .prose import Prose

MAX_TEXT = 4096
MAX_LENGTH = 200_000
MAX_NUMBER = 1 << 64


class MisfitError(Exception):
    """What does not fit, and where, the innermost place first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.path: list[str] = []

    def within(self, place: str) -> MisfitError:
        self.path.append(place)
        return self


def read_text(data: object) -> str:
    if not isinstance(data, str):
        raise misfit(data, "str")
    return data if len(data) <= MAX_TEXT and data.isascii() else bounded_text(data)


def read_prose(data: object) -> Prose:
    if not isinstance(data, str):
        raise misfit(data, "Prose")
    return Prose(bounded_text(data))


def read_int(data: object) -> int:
    if isinstance(data, bool) or not isinstance(data, int):
        raise misfit(data, "int")
    return int(_countable(data))


def read_float(data: object) -> float:
    if isinstance(data, bool) or not isinstance(data, (int, float)):
        raise misfit(data, "float")
    if isinstance(data, int):
        return float(_countable(data))
    if not math.isfinite(data):
        raise MisfitError("is not a finite number")
    return float(data)


def _countable(number: int) -> int:
    if abs(number) > MAX_NUMBER:
        raise MisfitError("is a number beyond all that is counted here")
    return number


def read_bool(data: object) -> bool:
    if not isinstance(data, bool):
        raise misfit(data, "bool")
    return data


def bounded(kind: type[list[Any] | dict[Any, Any]], data: object) -> Any:
    if not isinstance(data, kind):
        raise misfit(data, kind.__name__)
    if len(data) > MAX_LENGTH:
        raise MisfitError(f"has {len(data)} entries, more than {MAX_LENGTH}")
    return data


def bounded_text(data: object) -> str:
    """Without halves of surrogate pairs, which no encoding has."""
    text = str(data)[:MAX_TEXT]
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def misfit(data: object, wanted: str) -> MisfitError:
    return MisfitError(f"is {shown(data)} where a {wanted} belongs")


def shown(data: object) -> str:
    if isinstance(data, str | bytes):
        data = data[:61]
    text = f"a {type(data).__name__} of {len(data)} entries" if isinstance(data, list | dict) and data else repr(data)
    return text if len(text) <= 60 else f"{text[:57]}..."
