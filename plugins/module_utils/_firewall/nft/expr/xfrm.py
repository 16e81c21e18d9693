# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load a property of the IPsec context of a packet (net/netfilter/nft_xfrm.c)."""

from __future__ import annotations

from ...bits import Value
from ..context import Context
from ..wire import Attributes, byte
from .tunnel import Absent

NFTA_XFRM_DREG, NFTA_XFRM_DIR = 1, 3


class Ipsec(Absent):
    """Asks for the packet's IPsec context, which it has not where none is used."""

    __slots__ = ("outward",)

    def __init__(self, about: Attributes) -> None:
        super().__init__("goes through IPsec" if byte(about, NFTA_XFRM_DIR) else "came through IPsec", 16, about, NFTA_XFRM_DREG)
        self.outward = bool(byte(about, NFTA_XFRM_DIR))

    def load(self, at: Context) -> Value | None:
        ipsec = at.evaluation.facts.ipsec()
        return None if (ipsec.outward if self.outward else ipsec.inward) is False else super().load(at)


EXPRESSIONS = {"xfrm": Ipsec}
