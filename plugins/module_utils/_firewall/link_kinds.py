# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Kinds of links that stand for others in a copy of rules, and which of them are made without loading a module into the kernel."""

from __future__ import annotations

import os
import typing as t

from .._host import plain_files

KINDS = ("bridge", "dummy", "veth")  # with the module of dummies their first one comes to the host
_MOST_BYTES = 1 << 20


def registered(kinds: t.Iterable[str] = KINDS, root: str = "") -> list[str]:
    """The kernel has these, or none of them can be loaded anyway. A kind is its module's name."""
    known = list(kinds)
    if not os.path.exists(f"{root}/proc/modules"):  # a kernel without modules
        return known
    builtin = _builtin(f"{root}/lib/modules/{os.uname().release}/modules.builtin")
    return [kind for kind in known if kind in builtin or os.path.isdir(f"{root}/sys/module/{kind}")]


def _builtin(path: str) -> set[str]:
    try:
        lines = plain_files.beginning(path, _MOST_BYTES).splitlines()
    except OSError:
        return set()
    return {os.path.basename(line).partition(".")[0] for line in lines}
