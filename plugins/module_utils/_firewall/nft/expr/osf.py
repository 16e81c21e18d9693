# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load which operating system a SYN looks like it came from (net/netfilter/nft_osf.c)."""

from __future__ import annotations

from ...bits import Value
from .. import fields
from ..context import Context, unknown
from ..describer import Describer
from ..expression import Load
from ..fields import Field
from ..wire import Attributes, register

NFTA_OSF_DREG = 1
NFT_OSF_MAXGENRELEN = 16  # bytes


class Fingerprint(Load):
    """The operating system that the SYN looks like."""

    __slots__ = ()

    def __init__(self, about: Attributes) -> None:
        self.target = register(about, NFTA_OSF_DREG)

    def load(self, at: Context) -> Value | None:
        if at.packet.kind == "ack":
            return None
        return unknown(NFT_OSF_MAXGENRELEN, "which operating system it looks like is not known")

    def field(self, rule: Describer) -> Field:
        return Field("osf name", fields.string, NFT_OSF_MAXGENRELEN)


EXPRESSIONS = {"osf": Fingerprint}
