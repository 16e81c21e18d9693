# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Expectations: JMESPath expressions over a host's state that must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._libraries import lacking
from .._values.words import quoted
from . import DriftError

MOST, LONGEST = 200, 2000


def read(raw: object, of_host: str = "") -> dict[str, tuple[str, str]]:
    """name -> (expression, pattern of hosts) from the variable drift_expect. DriftError: a sentence that names the entry.

    ``of_host``: the same for the sentence, such as `` of host web1`` where hosts have different ones.
    """
    if not raw:
        return {}
    if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) > MOST:
        raise DriftError(
            f"drift_expect{of_host} is {quoted(raw)}: give a list of at most {MOST} mappings with 'expect' and perhaps 'name' and 'hosts'."
        )
    found: dict[str, tuple[str, str]] = {}
    for index, each in enumerate(raw):
        place = f"drift_expect[{index}]{of_host}"
        if not isinstance(each, Mapping) or not {"expect"} <= set(each) <= {"expect", "name", "hosts"}:
            raise DriftError(f"{place} is {quoted(each)}: give a mapping with 'expect' and perhaps 'name' and 'hosts'.")
        for key, value in each.items():
            if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or not value.isprintable():
                raise DriftError(f"{place}, field '{key}': {quoted(value)} is no text of one line: correct it.")
        name = each.get("name", each["expect"])
        if name in found:
            raise DriftError(f"{place}: the name {quoted(name)} is taken by another expectation: give another one.")
        compiled(each["expect"], place)
        found[name] = (each["expect"], each.get("hosts", "all"))
    return found


def compiled(expression: str, place: str) -> Any:
    """DriftError for what is not JMESPath, with the column."""
    try:
        import jmespath  # type: ignore[import-untyped, unused-ignore]
        from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise DriftError(f"{lacking('drift_expect', 'jmespath') or error}. Or leave drift_expect empty.") from error
    try:
        return jmespath.compile(expression)
    except (JMESPathError, ValueError, RecursionError) as error:
        column = getattr(error, "lex_position", None)
        at = f" at column {column + 1}" if isinstance(column, int) and column >= 0 else ""
        raise DriftError(
            f"{place}: {quoted(expression)} is not a JMESPath expression{at}: correct it (see https://jmespath.org)."
        ) from error


def broken(expectations: Mapping[str, str], state: Mapping[str, Any]) -> dict[str, str]:
    """name -> what came out instead, of the expectations that do not hold: whose result is false, null or empty."""
    found = {}
    for name, expression in expectations.items():
        query = compiled(expression, f"The expectation {quoted(name)}")
        from jmespath.exceptions import JMESPathError

        try:
            result = query.search(state)
        except (JMESPathError, RecursionError) as error:  # a function that is given what it cannot take, or that is none
            found[name] = f"it cannot be evaluated: {' '.join(str(error).split())[:300]}"
            continue
        if result is None or result is False or result in ("", [], {}):
            found[name] = f"the result is {quoted(result)}"
    return found
