# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Matches and targets of xtables in rules of iptables-nft (net/netfilter/nft_compat.c, linux/netfilter/nf_tables_compat.h)."""

from __future__ import annotations

import sys

from ...evaluation import UnsupportedError
from ...tracking import MATCHES, TARGETS
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..wire import Attributes, name

NFTA_TARGET_NAME, NFTA_TARGET_INFO = 1, 3  # NFTA_MATCH_NAME, NFTA_MATCH_INFO are the same
XT_CT_NOTRACK = 1


class Xtables(Expression):
    """An xtables match or target: its bytes are understood by its own module only, rules with such are printed by iptables-nft-save."""

    __slots__ = ("condition", "kind", "name", "tracks")
    foreign = True

    def __init__(self, kind: str, about: Attributes) -> None:
        self.kind, self.name = kind, name(about, NFTA_TARGET_NAME)
        self.condition = kind == "match"
        self.tracks = self.name in (MATCHES if kind == "match" else TARGETS) and not (self.name == "CT" and _notrack(about))

    def run(self, at: Context) -> Result:
        raise UnsupportedError(f"the xtables {self.kind} {self.name} is not listed by iptables-nft-save")

    def text(self, rule: Describer) -> str:
        return f"xt {self.kind} {self.name}"


def _notrack(about: Attributes) -> bool:
    """Of the target CT: the flags of struct xt_ct_target_info."""
    return bool(int.from_bytes(about.get(NFTA_TARGET_INFO, b"")[:2], sys.byteorder) & XT_CT_NOTRACK)


EXPRESSIONS = {"match": lambda about: Xtables("match", about), "target": lambda about: Xtables("target", about)}
MAY_TRACK = True  # some matches and targets do
