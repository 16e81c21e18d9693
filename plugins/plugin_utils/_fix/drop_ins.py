# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Drop-ins for units of systemd: in files of their own, which are read after those that people have there and overwrite none of them."""

from __future__ import annotations

from collections.abc import Sequence

from .make import shell


def drop_in(unit: str, section: str, what: str, lines: Sequence[str]) -> str:
    """The command that writes one. ``what`` it sets: a second one that sets the same replaces the first."""
    directory = f"/etc/systemd/system/{unit}.d"
    written = shell("printf", r"%s\n", f"[{section}]", *lines)
    return f"mkdir -p {shell(directory)} && {written} > {shell(f'{directory}/zz-handshake-{what}.conf')}"
