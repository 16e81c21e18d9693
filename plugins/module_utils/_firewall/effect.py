# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Effects of a rule on a packet, and the interface by which the xtables part evaluates the xtables matches of iptables-nft rules."""

from __future__ import annotations

import typing as t

from .._typing import Protocol
from .evaluation import Action, Evaluation, Outcome, Part, Reference
from .packet import Packet

# "continue" (with the next rule) | "accept" (the base chain) | "drop" | "return" | ("jump", chain) | ("goto", chain) | any other end
Effect = t.Union[str, t.Tuple[str, str], Outcome]


class Evaluated(t.NamedTuple):
    """One rule on one packet. `matched` None: it could not be known, and was supposed to match or not (`effect` says which).

    `stopped` is where it stopped matching. `done` is what it did besides: ("set", "mark 0x1").
    """

    matched: bool | None
    stopped: Part | None = None
    effect: Effect = "continue"
    done: tuple[Action, ...] = ()
    unsure: t.Collection[int] = ()  # the conditions, by their number in `parts()`, that could not be known


def actions(done: t.Sequence[Action], effect: Effect | None) -> list[Action]:
    """What a rule did, for the path: its changes, and last of all its verdict. Empty: on with the next rule."""
    every = list(done)
    if isinstance(effect, Outcome):
        every.append(Action(effect.verdict, effect.reject_with))
    elif isinstance(effect, tuple):
        every.append(Action(*effect))
    elif effect is not None and effect != "continue":
        every.append(Action(effect))
    return every


class CompatRule(Protocol):
    """A rule of iptables-nft, as `iptables-nft-save` prints it: all of its conditions and its target."""

    def evaluate(self, packet: Packet, evaluation: Evaluation, hook: str | None = None, *, supposed: t.Collection[int] = ()) -> Evaluated:
        """Whether it matches, and what follows; rewrites the packet as its target does. It adds no step: the caller does.

        `supposed`: the conditions, by number, that are to hold.
        """

    def reference(self) -> Reference: ...

    def parts(self) -> list[str]: ...


# (family: ip | ip6, table, chain, index in the chain counted from 0) -> the rule; None where iptables-nft-save does not show it
Compat = t.Callable[[str, str, str, int], t.Optional[CompatRule]]
