# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Log a packet (net/netfilter/nft_log.c)."""

from __future__ import annotations

from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..wire import Attributes, number

NFTA_LOG_GROUP, NFTA_LOG_PREFIX, NFTA_LOG_LEVEL = 1, 2, 5
LOGLEVEL_WARNING = 4
_LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit")


class Log(Expression):
    __slots__ = ("group", "level", "log_prefix", "prefix")
    harmless = True

    def __init__(self, about: Attributes) -> None:
        self.prefix = about.get(NFTA_LOG_PREFIX, b"").rstrip(b"\0").decode("utf-8", "replace")
        self.group = int.from_bytes(about[NFTA_LOG_GROUP], "big") if NFTA_LOG_GROUP in about else None
        self.log_prefix = self.prefix if self.group is None and self.prefix else None  # with a group it goes to a program
        self.level = number(about, NFTA_LOG_LEVEL, LOGLEVEL_WARNING)

    def run(self, at: Context) -> Result:
        return None

    def text(self, rule: Describer) -> str:
        prefix = f' prefix "{self.prefix}"' if self.prefix else ""
        level = f" level {_LEVELS[self.level]}" if self.level != LOGLEVEL_WARNING and self.level < len(_LEVELS) else ""
        return f"log{prefix}{level}{f' group {self.group}' if self.group is not None else ''}"


EXPRESSIONS = {"log": Log}
