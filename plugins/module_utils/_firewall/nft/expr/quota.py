# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Limit how many bytes may pass in all (net/netfilter/nft_quota.c)."""

from __future__ import annotations

from ...evaluation import LIMIT, SPENT, Action
from ..context import BREAK, Context, Result
from ..describer import Describer
from ..expression import Expression, NamedObject
from ..wire import Attributes, long, number
from .limit import LONGEST_HANDSHAKE_PACKET

NFTA_QUOTA_BYTES, NFTA_QUOTA_FLAGS, NFTA_QUOTA_CONSUMED = 1, 2, 4
NFT_QUOTA_F_INV = 1
NFT_OBJECT_QUOTA = 2


class Quota(Expression):
    """Bytes that may pass; what has passed can be read."""

    __slots__ = ("consumed", "over", "quota")

    harmless = stateful = condition = True

    def __init__(self, about: Attributes) -> None:
        self.quota = long(about, NFTA_QUOTA_BYTES)
        self.consumed = long(about, NFTA_QUOTA_CONSUMED)
        self.over = bool(number(about, NFTA_QUOTA_FLAGS, 0) & NFT_QUOTA_F_INV)

    def run(self, at: Context) -> Result:
        if self.consumed >= self.quota:
            exceeded = True
            if not at.ahead:
                at.done.append(Action("used_up" if self.over else SPENT, f"quota of {self.quota} bytes"))
        elif self.consumed + LONGEST_HANDSHAKE_PACKET < self.quota:
            exceeded = False
        else:
            return None if at.choose(None, ("quota", at.where, at.position), LIMIT) else BREAK
        return None if exceeded == self.over else BREAK

    def run_fresh(self, at: Context) -> Result:
        self_as_new = self.quota > LONGEST_HANDSHAKE_PACKET
        return (None if not self.over else BREAK) if self_as_new else self.run(at)

    def text(self, rule: Describer) -> str:
        return f"quota {'over ' if self.over else ''}{self.quota} bytes"


EXPRESSIONS = {"quota": Quota}
OBJECTS = {NFT_OBJECT_QUOTA: NamedObject("quota name", Quota)}
