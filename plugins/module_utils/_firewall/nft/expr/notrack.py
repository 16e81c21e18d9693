# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Have conntrack leave a packet alone (net/netfilter/nft_ct.c)."""

from __future__ import annotations

from ...evaluation import Action
from ...packet import Tracking
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression


class Notrack(Expression):
    """Has conntrack leave a packet alone that it has not seen yet."""

    __slots__ = ()

    def run(self, at: Context) -> Result:
        if at.packet.tracking is None or at.packet.tracking.state == "invalid":
            at.packet.tracking = Tracking("untracked", "original")
            at.changed(Action("notrack"))
        return None

    def text(self, rule: Describer) -> str:
        return "notrack"


EXPRESSIONS = {"notrack": Notrack}
