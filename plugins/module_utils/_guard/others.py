# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Report what a restore did to changes that others made meanwhile, as lines for people."""

from __future__ import annotations

import typing as t
from collections import Counter

from .firewall import MARK

_MOST_LINES, _MOST_CHARACTERS = 50, 200
_CONTENT = "    "  # how the lines of a file's content begin; they may be secret

Lines = t.Dict[str, t.List[str]]


class Versions(t.NamedTuple):
    """One kind of state in lines, as it was at four times. `made`: None when nobody knows it.

    `alone`: nothing but rules with our mark was undone; the lines of iptables' rules do not show it.
    """

    saved: list[str]
    made: list[str] | None
    before: list[str]
    after: list[str]
    alone: bool


class Others(t.NamedTuple):
    """By kind of state: others' changes that were kept, those that were lost, and what was undone where nobody knows whose it was.

    `+` is what is there now, `-` is what is not.
    """

    kept: Lines
    lost: Lines
    undone: Lines


def others(restored: t.Mapping[str, Versions]) -> Others:
    """Of all kinds."""
    found = Others({}, {}, {})
    for kind, lines in restored.items():
        known = lines.made is not None or lines.alone
        parts = (lines.saved if lines.made is None else lines.made, lines.before, lines.after)
        made, before, after = (Counter(_comparable(kind, part)) for part in parts)
        come, gone = before - made, made - before
        kept = [*_marks("+", come & after), *_marks("-", gone - after)]
        lost = [*_marks("-", come - after), *_marks("+", gone & after)]
        for what, which in ((found.kept, kept), (found.lost if known else found.undone, lost)):
            if which and not (lines.alone and which is lost):
                what[kind] = _bounded(which)
    return found


def _comparable(kind: str, lines: t.Iterable[str]) -> t.Iterator[str]:
    """Lines that mean something alone: with the table and the chain where they are; each element of a set for itself."""
    table = item = elements = ""
    for line in lines:
        text = line.strip()
        if MARK in line or text in ("", "}") or (kind == "files" and line.startswith(_CONTENT)):
            continue
        if not line.startswith(("\t", _CONTENT)):
            table, item = text.rstrip(" {"), ""
            yield table
        elif text.startswith("elements = {") or elements:
            elements += " " + text
            if text.endswith("}"):
                yield from (f"{table}, {item}: {element.strip()}" for element in elements.strip()[len("elements = {") : -1].split(","))
                elements = ""
        elif text.endswith("{") and not line.startswith("\t\t"):
            item = text.rstrip(" {")
            yield f"{table}, {item}"
        else:
            yield f"{table}, {item}: {text}" if item else text


def _marks(sign: str, lines: Counter[str]) -> list[str]:
    return [f"{sign} {line[:_MOST_CHARACTERS]}" for line in lines.elements()]


def _bounded(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and {more} lines more"] if more > 0 else lines
