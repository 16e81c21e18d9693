# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Limit how many connections there are at once (net/netfilter/nft_connlimit.c)."""

from __future__ import annotations

from ...evaluation import LIMIT
from ..context import BREAK, Context, Result
from ..describer import Describer
from ..expression import Expression, NamedObject
from ..wire import Attributes, number

NFTA_CONNLIMIT_COUNT, NFTA_CONNLIMIT_FLAGS = 1, 2
NFT_CONNLIMIT_F_INV = 1
NFT_OBJECT_CONNLIMIT = 5


class ConnLimit(Expression):
    """How many connections there are at once; a new element counts its first."""

    __slots__ = ("count", "over")
    tracks = harmless = stateful = condition = True

    def __init__(self, about: Attributes) -> None:
        self.count, self.over = number(about, NFTA_CONNLIMIT_COUNT), bool(number(about, NFTA_CONNLIMIT_FLAGS, 0) & NFT_CONNLIMIT_F_INV)

    def run(self, at: Context) -> Result:
        return None if at.choose(None, ("ct count", at.where, at.position), LIMIT) else BREAK

    def run_fresh(self, at: Context) -> Result:
        return None if (self.count < 1) == self.over else BREAK

    def text(self, rule: Describer) -> str:
        return f"ct count {'over ' if self.over else ''}{self.count}"


EXPRESSIONS = {"connlimit": ConnLimit}
OBJECTS = {NFT_OBJECT_CONNLIMIT: NamedObject("ct count name", ConnLimit, tracks=True)}
MAY_TRACK = True
