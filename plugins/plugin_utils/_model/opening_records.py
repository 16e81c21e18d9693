# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What would have let a stopped packet through, or sent it to another end, as typed records (docs/firewall.md)."""

from __future__ import annotations

from dataclasses import dataclass

from .prose import NOTHING, Prose
from .records import Count, IpAddress, Port
from .rule_records import Condition, Rule


@dataclass(frozen=True, kw_only=True)
class MissedRule:
    """A rule that would have let a packet through that is stopped, or led it to another end, but for one ``condition``; ``translating``:
    the rule that does the latter then, where the first only leads to it; ``used_up``: the condition is a quota;
    ``full``: the set to which it adds, which has no room."""

    rule: Rule
    condition: Condition
    destination: IpAddress
    port: Port | None = None
    translating: Rule | None = None
    used_up: bool = False
    full: str | None = None


@dataclass(frozen=True)
class HiddenTranslation:
    """That a rule would translate a packet's destination, were it not for others ahead of it, which take the packet: all of `by`."""

    by: tuple[Rule, ...]
    translating: Rule
    destination: IpAddress
    port: Port | None = None


@dataclass(frozen=True, kw_only=True)
class InSet:
    """What a set with a name has for a packet that is stopped, without which it would not be, or lacks, with which it would not be."""

    kind: str  # nft | ipset
    set: str
    family: str | None = None
    table: str | None = None  # of nf_tables
    map: bool = False  # whether its elements have verdicts, or values
    rule: Rule | None = None  # that looks into the set
    key: Prose = NOTHING  # what the packet has
    elements: tuple[Prose, ...] = ()  # that would have to go; none: the set lacks one
    alone: bool = False  # whether they are for the packet's source alone
    nearest: Prose | None = None  # the element that just misses, where there is none
    expires: Count | None = None  # seconds that the first has left
    comment: Prose | None = None  # which the first has
    count: Count = 0
    filled_by: Rule | None = None
    file: str | None = None  # that has it, or the set
    line: Count | None = None
    commands: tuple[str, ...] = ()

    @property
    def name(self) -> Prose:
        """``set blocked (table inet filter)``, ``ipset blocked``"""
        if self.kind == "ipset":
            return Prose(f"ipset {self.set}")
        return Prose(f"{'map' if self.map else 'set'} {self.set} (table {self.family} {self.table})")


@dataclass(frozen=True, kw_only=True)
class Unloaded:
    """A rule in a file that lets the packet through where it is stopped, and is not loaded; ``replaces``: whether ``command``, which loads
    the file, empties first what it fills."""

    manager: str
    file: str
    line: Count | None = None
    text: Prose = NOTHING
    command: Prose = NOTHING
    replaces: bool = False

    @property
    def place(self) -> Prose:
        """``/etc/nftables.conf line 9``"""
        return Prose(self.file + (f" line {self.line}" if self.line else ""))


@dataclass(frozen=True, kw_only=True)
class RuleChange:
    """How to let the packet through, in the words of whoever keeps the rule."""

    summary: Prose = NOTHING
    commands: tuple[str, ...] = ()
    simple: str | None = None  # what people would write, which opens more than the flow needs
    before: Rule | None = None  # the rule or policy before which it lets the packet through; None: not reported
    in_interface: str | None = None  # the only one by which it lets the packet come
    out_interface: str | None = None  # and leave; None: by any
    stateless: bool = False  # whether rules meet the packet there before the kernel has looked for its connection
