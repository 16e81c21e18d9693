# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Rules of a host's firewall, and what a packet meets of them, as typed records (docs/firewall.md)."""

from __future__ import annotations

from dataclasses import dataclass

from .prose import NOTHING, Prose
from .records import Count

Identity = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule or, without handle and number, a chain's policy; `packets` is its counter."""

    family: str
    table: str
    chain: str
    text: Prose = NOTHING
    handle: int | None = None
    number: Count | None = None
    manager: str | None = None
    origin: object = None
    packets: Count | None = None
    log_prefix: Prose | None = None  # what the rule itself writes to the kernel log ahead of a packet
    interfaces: tuple[str, ...] = ()  # which ones of a packet it looks at: in, out
    legacy: bool | None = None
    """Whether legacy iptables has it; None where that was not reported."""

    @property
    def identity(self) -> Identity:
        """What makes it the same rule in two snapshots: legacy iptables has no handles."""
        return (self.family, self.table, self.chain, *((self.handle,) if self.handle is not None else (self.number, self.text)))

    @property
    def is_policy(self) -> bool:
        return self.handle is None and self.number is None

    @property
    def tag(self) -> str:
        """``handle 12``, ``rule 3`` where there are no handles, ``policy drop``."""
        if self.is_policy:
            return f"{self.text}"
        return f"handle {self.handle}" if self.handle is not None else f"rule {self.number}"

    @property
    def name(self) -> Prose:
        """``rule 'tcp dport 5432 drop' (table inet filter, chain input, handle 12)``"""
        place = f"table {self.family} {self.table}, chain {self.chain}"
        return Prose(f"{self.text} ({place})" if self.is_policy else f"rule '{self.text}' ({place}, {self.tag})")


@dataclass(frozen=True)
class Chain:
    family: str
    table: str
    chain: str
    hook: str | None = None


@dataclass(frozen=True)
class Condition:
    """A condition of a rule; ``matched`` None: not examined, or not to be known."""

    text: Prose
    matched: bool | None = None
    seen: Prose | None = None


@dataclass(frozen=True)
class Effect:
    """What a rule did: the kinds are those of docs/firewall.md."""

    kind: str


@dataclass(frozen=True, kw_only=True)
class RuleStep:
    chain: Chain
    rule: Rule | None = None
    matched: bool | None = None
    parts: tuple[Condition, ...] = ()
    effect: Prose | None = None
    effects: tuple[Effect, ...] = ()

    @property
    def last_effect(self) -> Effect:
        """Its verdict, or what else it did last; of kind ``continue`` where it did nothing."""
        return self.effects[-1] if self.effects else Effect("continue")
