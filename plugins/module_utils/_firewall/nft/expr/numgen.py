# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load a number: drawn by lot, counted up, or the hash of a flow, none of which can be foreseen.

Sources: net/netfilter/nft_numgen.c, nft_hash.c.
"""

from __future__ import annotations

import typing as t

from ...bits import Value
from ...evaluation import LIMIT, UNKNOWN
from .. import fields
from ..context import Context, host, up_to
from ..describer import Describer
from ..expression import Expression, Load
from ..fields import Field
from ..wire import Attributes, DecodeError, number, register
from .lookup import Lookup

NFTA_NG_DREG, NFTA_NG_MODULUS, NFTA_NG_TYPE, NFTA_NG_OFFSET = range(1, 5)
NFT_NG_RANDOM = 1
NFTA_HASH_DREG, NFTA_HASH_MODULUS, NFTA_HASH_OFFSET, NFTA_HASH_TYPE = 2, 4, 6, 7
NFT_HASH_SYM = 1
_RANDOM, _COUNTED = "numgen random", "numgen inc"
_MOST_NUMBERS = 32  # that are tried one by one


class Number(Load):
    """A number below `modulus`: random, counted up, or the hash of a flow, none of which can be foreseen.

    Where a map is asked for it, all numbers are tried, if they are few.
    """

    __slots__ = ("modulus", "offset", "picked", "what")

    def __init__(self, what: str, target: int, modulus: int, offset: int) -> None:
        if modulus < 1 or offset + modulus > 1 << 32:
            raise DecodeError(f"nf_tables makes no numbers modulo {modulus}")
        self.what, self.target, self.modulus, self.offset = what, target, modulus, offset
        self.picked = False  # whether a lookup follows

    def load(self, at: Context) -> Value:
        if self.modulus > 1 and not (self.picked and self.modulus <= _MOST_NUMBERS):
            return up_to(self.offset + self.modulus - 1, 4, at.drawn, self.drawn)
        for each in range(self.modulus - 1):
            kind = LIMIT if self.drawn else UNKNOWN
            if at.choose(f"{self._name()} being {self.offset + each}", (self.what, at.where, at.position, each), kind):
                return host(self.offset + each)
        return host(self.offset + self.modulus - 1)

    @property
    def drawn(self) -> bool:
        """Whether each packet gets another one; a hash is the same for all packets of a flow."""
        return self.what in (_RANDOM, _COUNTED)

    def before(self, following: t.Sequence[Expression]) -> Number:
        if not any(isinstance(each, Lookup) for each in following):
            return self
        other = Number(self.what, self.target, self.modulus, self.offset)
        other.picked = True
        return other

    def field(self, rule: Describer) -> Field:
        return Field(self._name(), fields.host_number, 4)

    def _name(self) -> str:
        return f"{self.what} mod {self.modulus}" + (f" offset {self.offset}" if self.offset else "")


def _numgen(about: Attributes) -> Number:
    what = _RANDOM if number(about, NFTA_NG_TYPE) == NFT_NG_RANDOM else _COUNTED
    return Number(what, register(about, NFTA_NG_DREG), number(about, NFTA_NG_MODULUS), number(about, NFTA_NG_OFFSET, 0))


def _hash(about: Attributes) -> Number:
    what = "symhash" if number(about, NFTA_HASH_TYPE, 0) == NFT_HASH_SYM else "jhash"
    return Number(what, register(about, NFTA_HASH_DREG), number(about, NFTA_HASH_MODULUS), number(about, NFTA_HASH_OFFSET, 0))


EXPRESSIONS = {"numgen": _numgen, "hash": _hash}
