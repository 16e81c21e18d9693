# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many examples a random test draws."""

from __future__ import annotations

from hypothesis import settings


def examples(number: int, always: int) -> settings:
    """So many new ones in `make random`; where they are the same each time, as in `make test`, the first `always` of them are enough."""
    return settings(max_examples=always if settings.default.derandomize else number)
