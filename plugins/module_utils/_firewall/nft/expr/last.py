# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Remember when a packet was here last (net/netfilter/nft_last.c)."""

from __future__ import annotations

from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression


class Last(Expression):
    __slots__ = ()
    harmless = stateful = True

    def run(self, at: Context) -> Result:
        return None

    def text(self, rule: Describer) -> str:
        return "last"


EXPRESSIONS = {"last": Last}
