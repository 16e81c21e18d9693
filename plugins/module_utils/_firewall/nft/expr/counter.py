# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Count packets and bytes (net/netfilter/nft_counter.c)."""

from __future__ import annotations

from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression, NamedObject
from ..wire import Attributes, long

NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS = 1, 2
NFT_OBJECT_COUNTER = 1


class Counter(Expression):
    __slots__ = ("packets",)
    harmless = stateful = True

    def __init__(self, about: Attributes) -> None:
        self.packets = long(about, NFTA_COUNTER_PACKETS)

    def run(self, at: Context) -> Result:
        return None

    def text(self, rule: Describer) -> str:
        return "counter"


EXPRESSIONS = {"counter": Counter}
OBJECTS = {NFT_OBJECT_COUNTER: NamedObject("counter name", Counter)}
