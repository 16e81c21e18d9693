# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Hand a packet to a transparent socket (net/netfilter/nft_tproxy.c)."""

from __future__ import annotations

from ...evaluation import Action
from ...packet import text
from ...receivers import transparent
from .. import fields
from ..context import BREAK, Context, Result
from ..describer import Describer
from ..expression import Expression
from ..fields import Field
from ..wire import Attributes, number, register
from .nat import sure

NFTA_TPROXY_FAMILY, NFTA_TPROXY_REG_ADDR, NFTA_TPROXY_REG_PORT = range(1, 4)


class Tproxy(Expression):
    """Hands the packet to a transparent socket, where there is one; the packet stays as it is."""

    __slots__ = ("address", "family", "port")
    condition = True

    def __init__(self, about: Attributes) -> None:
        self.family = number(about, NFTA_TPROXY_FAMILY)
        self.address = register(about, NFTA_TPROXY_REG_ADDR) if NFTA_TPROXY_REG_ADDR in about else None
        self.port = register(about, NFTA_TPROXY_REG_PORT) if NFTA_TPROXY_REG_PORT in about else None

    def run(self, at: Context) -> Result:
        if self.family in (2, 10) and self.family != (2 if at.packet.family == 4 else 10):
            return BREAK
        size = 4 if at.packet.family == 4 else 16
        address = sure(at, self.address, size, "the address of tproxy") if self.address is not None else None
        where, port = text(address) if address else "", at.packet.destination_port
        if self.port is not None:
            port = int.from_bytes(sure(at, self.port, 2, "the port of tproxy"), "big")
            where += f":{port}"
        found = transparent(at.packet, at.evaluation.facts, address, port)
        if found is None:
            found = at.choose(f"whether a transparent socket takes it ({where or 'tproxy'})", ("tproxy", where))
        if not found:
            return BREAK
        at.changed(Action("tproxy", where or None))
        return None

    def text(self, rule: Describer) -> str:
        where = "" if self.address is None else rule.value(self.address, Field("", fields.address, 16))
        port = "" if self.port is None else f":{rule.value(self.port, Field('', fields.number, 2))}"
        return f"tproxy to {where}{port}"


EXPRESSIONS = {"tproxy": Tproxy}
