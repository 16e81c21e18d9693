# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Send a copy of a packet elsewhere (net/netfilter/nft_dup_netdev.c, net/ipv4/netfilter/nft_dup_ipv4.c)."""

from __future__ import annotations

from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression


class Duplicate(Expression):
    """Sends a copy elsewhere; the packet itself goes on."""

    __slots__ = ()

    def run(self, at: Context) -> Result:
        return None

    def text(self, rule: Describer) -> str:
        return "dup"


EXPRESSIONS = {"dup": Duplicate}
