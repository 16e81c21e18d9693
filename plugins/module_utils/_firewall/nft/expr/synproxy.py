# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Answer SYNs in the place of the server (net/netfilter/nft_synproxy.c)."""

from __future__ import annotations

from ...evaluation import Action, Outcome
from ...packet import ACK, SYN
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression, NamedObject

NFT_OBJECT_SYNPROXY = 10


class Synproxy(Expression):
    """Answers a SYN itself; what follows the SYN must be an ACK with its cookie."""

    __slots__ = ()
    tracks = True

    def run(self, at: Context) -> Result:
        if at.packet.flags & SYN:
            at.changed(Action("synproxy", "answers it"))
            return Outcome("stolen")
        if at.packet.flags & ACK:
            mine = at.choose("whether the ACK answers synproxy's own SYN-ACK", "synproxy")
            return Outcome("stolen") if mine else "drop"
        return None

    def text(self, rule: Describer) -> str:
        return "synproxy"


EXPRESSIONS = {"synproxy": Synproxy}
OBJECTS = {NFT_OBJECT_SYNPROXY: NamedObject("synproxy name", Synproxy, tracks=True)}
MAY_TRACK = True
