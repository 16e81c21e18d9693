# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Turn numbers between the host's byte order and the network's (net/netfilter/nft_byteorder.c)."""

from __future__ import annotations

import sys

from ...bits import Partial
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..fields import Links
from ..wire import Attributes, DecodeError, number, register

NFTA_BYTEORDER_SREG, NFTA_BYTEORDER_DREG, NFTA_BYTEORDER_OP, NFTA_BYTEORDER_LEN, NFTA_BYTEORDER_SIZE = range(1, 6)


class Byteorder(Expression):
    """Between the machine's byte order and the network's, for numbers of `size` bytes; a rest that is shorter stays."""

    __slots__ = ("length", "size", "source", "target")
    target: int
    harmless = True

    def __init__(self, about: Attributes) -> None:
        self.source, self.target = register(about, NFTA_BYTEORDER_SREG), register(about, NFTA_BYTEORDER_DREG)
        self.length, self.size = number(about, NFTA_BYTEORDER_LEN), number(about, NFTA_BYTEORDER_SIZE)
        if self.size not in (2, 4, 8) or self.length > 64:
            raise DecodeError(f"nf_tables does not turn numbers of {self.size} bytes in {self.length}")

    def run(self, at: Context) -> Result:
        have = at.registers.get(self.source, self.length // self.size * self.size)
        if isinstance(have, bytes):
            at.registers.put(self.target, self._turned(have))
        else:
            at.registers.put(self.target, Partial(self._turned(have.value), self._turned(have.known), have.why, have.drawn))
        return None

    def _turned(self, data: bytes) -> bytes:
        if sys.byteorder == "big":
            return data
        return b"".join(data[at : at + self.size][::-1] for at in range(0, len(data), self.size))

    def describe(self, rule: Describer, at: int) -> None:
        register = rule.registers.get(self.source)
        if register is None:
            return
        form = register.field.form

        def back(data: bytes, links: Links) -> str:
            return form(self._turned(data), links)

        rule.load(self.target, register.field._replace(form=back), register.loads | {at}, register.layer)


EXPRESSIONS = {"byteorder": Byteorder}
