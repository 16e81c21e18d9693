# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Forward a packet to another device (net/netfilter/nft_fwd_netdev.c)."""

from __future__ import annotations

from ...evaluation import Action, Outcome
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression


class Forward(Expression):
    """Sends the packet out of another device, past everything else."""

    __slots__ = ()

    def run(self, at: Context) -> Result:
        at.changed(Action("fwd", "another device"))
        return Outcome("stolen")

    def text(self, rule: Describer) -> str:
        return "fwd"


EXPRESSIONS = {"fwd": Forward}
