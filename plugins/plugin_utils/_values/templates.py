# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Values of variables before Ansible evaluates them: whether there is something to evaluate, and what it mentions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z_]\w*")


def names_in(raw: object) -> frozenset[str]:
    """All names in the templates of a value."""
    return frozenset(name for text in _texts(raw) if _is_template(text) for name in _NAME.findall(text))


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text


def has_template(raw: object) -> bool:
    """Whether Ansible has to be asked for the value. What is of no type of JSON, such as a secret of the vault, counts as such."""
    if raw is None or isinstance(raw, bool | int | float):
        return False
    if isinstance(raw, str):
        return _is_template(raw)
    if isinstance(raw, dict):
        return any(has_template(each) for item in raw.items() for each in item)
    if isinstance(raw, list | tuple):
        return any(map(has_template, raw))
    return True


def _texts(raw: object) -> Iterable[str]:
    """All strings in a value."""
    if isinstance(raw, str):
        yield raw
    elif isinstance(raw, dict):
        for item in raw.items():
            for each in item:
                yield from _texts(each)
    elif isinstance(raw, list | tuple):
        for each in raw:
            yield from _texts(each)
