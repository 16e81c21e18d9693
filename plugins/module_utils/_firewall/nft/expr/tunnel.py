# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load a property of the tunnel that a packet came through (net/netfilter/nft_tunnel.c)."""

from __future__ import annotations

from ...bits import Value
from .. import fields
from ..context import Context, unknown
from ..describer import Describer
from ..expression import Load, NamedObject
from ..fields import Field
from ..wire import Attributes, register

NFTA_TUNNEL_DREG = 2
NFT_OBJECT_TUNNEL = 6


class Absent(Load):
    """Asks for something that a packet may or may not have (an IPsec or tunnel context), and whose content is not known."""

    __slots__ = ("length", "what")
    harmless = False  # whether there is such a context is a question of its own, which no look ahead passes over

    def __init__(self, what: str, length: int, about: Attributes, kind: int) -> None:
        self.what, self.length, self.target = what, length, register(about, kind)

    def load(self, at: Context) -> Value | None:
        if not at.choose(f"whether it {self.what}", self.what):
            return None
        return unknown(self.length, f"how it {self.what} is not known")

    def field(self, rule: Describer) -> Field:
        return Field(self.what, fields.hexadecimal, 4)


EXPRESSIONS = {"tunnel": lambda about: Absent("came through a tunnel", 4, about, NFTA_TUNNEL_DREG)}
OBJECTS = {NFT_OBJECT_TUNNEL: NamedObject("tunnel")}
