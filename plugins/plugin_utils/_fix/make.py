# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What all kinds of fixes have in common: fixes that can be carried out, and those that are for people only."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from .._model.fixes import Fix, Saves, Step
from .._model.prose import Wording


def mending(
    kind: str,
    host: str,
    summary: Wording,
    steps: Sequence[Step],
    saves: Saves,
    *,
    why: str,
    undo: Sequence[str],
    check: str,
    risk: str = "low",
) -> Fix:
    """A fix with steps; ``commands`` are theirs."""
    commands = tuple(step.command for step in steps)
    return Fix(
        kind=kind,
        host=host,
        summary=summary,
        risk=risk,
        commands=commands,
        why=why,
        steps=tuple(steps),
        saves=saves,
        undo=tuple(undo),
        check=check,
    )


def advice(kind: str, host: str, summary: Wording, commands: Sequence[str] = (), *, why: str = "", check: str = "") -> Fix:
    """A fix for people: no step is known, or none that may be taken without them."""
    return Fix(kind=kind, host=host, summary=summary, risk="advice", commands=tuple(commands), why=why, check=check)


def shell(*words: object) -> str:
    """A command line for a shell."""
    return shlex.join(str(word) for word in words)


def ip(address: str, *words: object) -> str:
    """A command line of iproute2, which does not see by itself that rules and default routes are for IPv6."""
    return shell("ip", *(["-6"] if ":" in address else []), *words)
