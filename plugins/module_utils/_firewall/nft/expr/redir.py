# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Translate the destination of a packet to the host itself (net/netfilter/nft_redir.c, nf_nat_redirect.c)."""

from __future__ import annotations

from ...evaluation import Action
from ...redirect import redirected_to
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..wire import Attributes, number
from .nat import in_words, pair, ports_in_words, ports_of, translate

NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX, NFTA_REDIR_FLAGS = range(1, 4)


class Redirect(Expression):
    __slots__ = ("flags", "ports")
    tracks = True

    def __init__(self, about: Attributes) -> None:
        self.flags, self.ports = number(about, NFTA_REDIR_FLAGS, 0), pair(about, NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX)

    def run(self, at: Context) -> Result:
        address = redirected_to(at.packet, at.evaluation.facts)
        if address is None:
            at.changed(Action("redirect"))
            return "drop"
        translate(at, "redirect", True, address, address, ports_of(at, self.ports, "redirect"), self.flags)
        return "accept"

    def text(self, rule: Describer) -> str:
        return in_words("redirect", ports_in_words(rule, self.ports), self.flags)


EXPRESSIONS = {"redir": Redirect}
MAY_TRACK = True
