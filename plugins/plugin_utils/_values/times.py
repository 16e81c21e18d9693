# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Times of day as reports write them: ISO 8601 in UTC."""

from __future__ import annotations

import re
from datetime import datetime, timezone


def iso(seconds: float) -> str:
    """Seconds since 1970 as ``2026-11-21T04:00:00Z``."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(seconds: float) -> str:
    """The time of day of it, in UTC, as ``04:00:00.123``."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%H:%M:%S.%f")[:-3]


def moment(stamp: str) -> datetime | None:
    """An ISO 8601 time of a report, or nothing where it is not one."""
    try:
        parsed = datetime.fromisoformat(re.sub("Z$", "+00:00", stamp))  # Python 3.10 does not know Z
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None
