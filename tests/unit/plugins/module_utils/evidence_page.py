# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of evidence, as docs/evidence.md shows them."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

PAGE = Path(__file__).parents[4] / "docs/evidence.md"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|[{}\[\]:,|=]|[^\s{}\[\]:,|="]+')

_MAPPINGS = ("counters", "sysctls", "stats", "socket_counts", "interfaces")  # whose keys are data

Shape = t.Any
"""Of an object: the shapes of its fields. Of an array: a list with that of its items, or with none. Else a text: of a value, or a name."""


def shapes() -> dict[str, Shape]:
    """What the page calls A, S, F, R, P, H, TR and T; blocks without such a name are no evidence."""
    found = {}
    for heading in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title = re.findall("`([A-Z])`", heading.splitlines()[0])
        for block in re.findall(r"```jsonc\n(.*?)```", heading, re.DOTALL):
            tokens = [token for token in _TOKEN.findall(block) if not token.startswith("//")]
            while tokens:
                name = title[0] if title else ""
                if tokens[0] != "{":
                    name = tokens.pop(0)
                    tokens.pop(0)
                found[name] = _value(tokens)
    return {name: shape for name, shape in found.items() if name.isupper()}


def fields(told: t.Any, where: str = "") -> t.Iterator[str]:
    """The places of all fields of an answer, or of a shape, as ``.after.links.name``."""
    if isinstance(told, list):
        for each in told:
            yield from fields(each, where)
    elif isinstance(told, dict) and where.rpartition(".")[2] not in _MAPPINGS:
        for name, value in told.items():
            yield f"{where}.{name}"
            yield from fields(value, f"{where}.{name}")


def _value(tokens: list[str]) -> Shape:
    shape = _alternative(tokens)
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        other = _alternative(tokens)
        shape = shape if isinstance(shape, (dict, list)) and shape else other
    return shape


def _alternative(tokens: list[str]) -> Shape:
    token = tokens.pop(0)
    if token not in "{[":
        while tokens and tokens[0] not in "{}[]:,|=" and not tokens[0].startswith('"'):
            tokens.pop(0)
        return token
    fields: dict[str, Shape] = {}
    items: list[Shape] = []
    while tokens[0] not in "}]":
        if tokens[0] == ",":
            tokens.pop(0)
        elif len(tokens) > 1 and tokens[1] == ":" and token == "{":
            key = tokens.pop(0).strip('"')
            tokens.pop(0)
            fields[key] = _value(tokens)
        else:
            items.append(_value(tokens))
    tokens.pop(0)
    return fields if token == "{" else items[:1]
