# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Insert our rule into the file that is loaded at boot, as a line before another rule. Pure: text in, text out."""

from __future__ import annotations

import re
import typing as t

from ..._errors import ObserveError
from .loaded import Place, Reference
from .words import VARIANTS, Accepted

_QUOTED = re.compile(r'"[^"\n]*"')


def with_rule(text: str, place: Place, accepted: Accepted, line: int, before: Reference | None) -> str:
    """The file with our rule before the statement on `line`, or at the end of the chain whose policy stands there.

    Raises ObserveError where that would take more than a line of its own.
    """
    lines = text.splitlines(keepends=True)
    if not 0 < line <= len(lines):
        raise ObserveError(f"line {line} is beyond the end of the file")
    said = lines[line - 1]
    if place.variant != VARIANTS[0]:
        at = line - 1 if before else _end_of_iptables(lines, place)
        return _inserted(lines, at, "", accepted.line(place.variant, place.chain))
    if before is None:
        at = _end_of_chain(lines, line - 1)
        return _inserted(lines, at, f"{_indent(lines[at])}\t", accepted.nft())
    if not _stands_alone(said):
        raise ObserveError(
            f"line {line}, {said.strip()[:200]!r}, has more than that rule on it: write {accepted.nft()} before the rule by hand"
        )
    command = f"add rule {place.family} {place.table} {place.chain} " if said.split()[0] == "add" else ""
    return _inserted(lines, line - 1, _indent(said), command + accepted.nft())


def without_rule(text: str, accepted: Accepted) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if f'"{accepted.tag}"' not in line)


def has_rule(text: str, accepted: Accepted) -> bool:
    return f'"{accepted.tag}"' in text


def _inserted(lines: t.Sequence[str], at: int, indent: str, rule: str) -> str:
    return "".join([*lines[:at], f"{indent}{rule}\n", *lines[at:]])


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _stands_alone(line: str) -> bool:
    """Whether the line begins with the rule and has no other statement; a rule may go on in the next line."""
    plain = _QUOTED.sub("", line).split("#")[0].strip()
    flat = re.sub(r"\{[^{}]*\}", "", plain).rstrip(";").rstrip()
    return bool(flat) and not re.search(r"[;{}]", flat) and flat.split()[0] not in ("insert", "create", "table", "chain", "type")


def _end_of_chain(lines: t.Sequence[str], start: int) -> int:
    """The line with the brace that ends the block around the policy on a line; a line of its own."""
    depth = 0
    for at in range(start, len(lines)):
        plain = _QUOTED.sub("", lines[at]).split("#")[0]
        for sign in re.findall(r"[{}]", plain.rpartition("policy")[2] if at == start else plain):
            depth += 1 if sign == "{" else -1
            if depth < 0:
                if lines[at].strip() == "}":
                    return at
                raise ObserveError(f"line {at + 1}, where the chain ends, has more than the brace on it: write the rule there by hand")
    raise ObserveError("the chain's block does not end in the file")


def _end_of_iptables(lines: t.Sequence[str], place: Place) -> int:
    """The line of the table's COMMIT."""
    inside = False
    for at, line in enumerate(lines):
        if line.startswith("*"):
            inside = line[1:].strip() == place.table
        elif inside and line.strip() == "COMMIT":
            return at
    raise ObserveError(f"the file has no table {place.table} that ends with COMMIT")
