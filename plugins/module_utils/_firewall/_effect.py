# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What a rule does to the packet's way, and how rules of iptables-nft, which carry xtables matches, are evaluated by the xtables part."""

from __future__ import annotations

import typing as t

from .._typing import Protocol
from ._evaluation import Evaluation, Outcome, Part, Reference
from ._packet import Packet

# "continue" (with the next rule) | "accept" (the base chain) | "drop" | "return" | ("jump", chain) | ("goto", chain) | any other end
Effect = t.Union[str, t.Tuple[str, str], Outcome]


class Evaluated(t.NamedTuple):
    """One rule on one packet. `matched` None: it could not be known, and was supposed to match or not (`effect` says which).

    `stopped` is where it stopped matching. `told` is what it did besides, in words for the path: "set mark 0x1".
    """

    matched: bool | None
    stopped: Part | None = None
    effect: Effect = "continue"
    told: str | None = None
    unsure: t.Collection[int] = ()  # the conditions, by their number in `parts()`, that could not be known


def in_words(told: t.Sequence[str], effect: Effect | None) -> str | None:
    """What a rule did, for the path: its changes, and last of all its verdict. None: on with the next rule."""
    every = list(told)
    if isinstance(effect, Outcome):
        every.append(f"reject with {effect.reject_with}" if effect.verdict == "reject" else effect.verdict)
    elif isinstance(effect, tuple):
        every.append(" ".join(effect))
    elif effect is not None and effect != "continue":
        every.append(effect)
    return ", ".join(every) or None


class CompatRule(Protocol):
    """A rule of iptables-nft, told by `iptables-nft-save`: all of its conditions and its target."""

    def evaluate(self, packet: Packet, evaluation: Evaluation, hook: str | None = None) -> Evaluated:
        """Whether it matches, and what follows; rewrites the packet as its target does. It adds no step: the caller does."""

    def reference(self) -> Reference: ...

    def parts(self) -> list[str]: ...


# (family: ip | ip6, table, chain, index in the chain counted from 0) -> the rule; None where iptables-nft-save does not tell it
Compat = t.Callable[[str, str, str, int], t.Optional[CompatRule]]
