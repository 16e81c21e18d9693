# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which releases of ansible-core the collection runs on, and which Pythons they take. It must itself run on older ones, to refuse them.

The README shows this table, and dev/ takes what is tested from it.
"""

from __future__ import annotations

CORES = {
    "2.16": ("3.10-3.12", "3.7-3.12"),
    "2.17": ("3.10-3.12", "3.7-3.12"),
    "2.18": ("3.11-3.13", "3.8-3.13"),
    "2.19": ("3.11-3.13", "3.8-3.13"),
    "2.20": ("3.12-3.14", "3.9-3.14"),
    "2.21": ("3.12-3.14", "3.9-3.14"),
}
"""ansible-core -> the Pythons of the controller, and those of managed hosts."""


def refusal(core: str) -> str | None:
    """Why nothing can be done with this version of ansible-core; None where it is new enough."""
    oldest = next(iter(CORES))
    if _numbers(core) >= _numbers(oldest):
        return None
    return f"threeway.handshake needs ansible-core {oldest} or later, and this is ansible-core {core}."


def oldest_python(core: str) -> str:
    """The oldest Python of managed hosts with this version of ansible-core; that of the last one which is known, for a newer one."""
    release = ".".join(core.split(".")[:2])
    return CORES.get(release, CORES[list(CORES)[-1]])[1].partition("-")[0]


def older(python: str, than: str) -> bool:
    """Whether one version of Python, C(3.6), is older than another, C(3.10)."""
    return _numbers(python) < _numbers(than)


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
