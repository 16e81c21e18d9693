# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Limit the rate of packets or bytes (net/netfilter/nft_limit.c): what is left cannot be known, so both answers are tried."""

from __future__ import annotations

from ...evaluation import LIMIT
from ..context import BREAK, Context, Result
from ..describer import Describer
from ..expression import Expression, NamedObject
from ..wire import Attributes, long, number

NFTA_LIMIT_RATE, NFTA_LIMIT_UNIT, NFTA_LIMIT_BURST, NFTA_LIMIT_TYPE, NFTA_LIMIT_FLAGS = range(1, 6)
NFT_LIMIT_PKT_BYTES, NFT_LIMIT_F_INV = 1, 1
NFT_OBJECT_LIMIT = 4
_UNITS = {1: "second", 60: "minute", 3600: "hour", 86400: "day", 604800: "week"}
LONGEST_HANDSHAKE_PACKET = 200  # bytes, headers and options of a SYN with any of them


class Limit(Expression):
    """A token bucket. What is in it cannot be read, so it is chosen, unless it is full because it is new."""

    __slots__ = ("burst", "bytes", "over", "rate", "unit")

    harmless = stateful = condition = True

    def __init__(self, about: Attributes) -> None:
        self.rate, self.unit, self.burst = long(about, NFTA_LIMIT_RATE), long(about, NFTA_LIMIT_UNIT), number(about, NFTA_LIMIT_BURST, 0)
        self.bytes = number(about, NFTA_LIMIT_TYPE, 0) == NFT_LIMIT_PKT_BYTES
        self.over = bool(number(about, NFTA_LIMIT_FLAGS, 0) & NFT_LIMIT_F_INV)

    def run(self, at: Context) -> Result:
        matches = at.choose(None, ("limit", at.where, at.position), LIMIT)
        return None if matches else BREAK

    def run_fresh(self, at: Context) -> Result:
        if self.bytes and self.rate + self.burst < LONGEST_HANDSHAKE_PACKET:
            return self.run(at)
        return BREAK if self.over else None

    def text(self, rule: Describer) -> str:
        unit = _UNITS.get(self.unit, f"{self.unit} seconds")
        burst = f" burst {self.burst} {'bytes' if self.bytes else 'packets'}" if self.burst not in (0, 5) or self.bytes else ""
        return f"limit rate {'over ' if self.over else ''}{self.rate}{' bytes' if self.bytes else ''}/{unit}{burst}"


EXPRESSIONS = {"limit": Limit}
OBJECTS = {NFT_OBJECT_LIMIT: NamedObject("limit name", Limit)}
