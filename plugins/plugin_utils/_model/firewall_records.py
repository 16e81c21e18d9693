# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a host's firewall does to the handshakes' packets, as typed records (docs/firewall.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .opening_records import HiddenTranslation, InSet, MissedRule, RuleChange, Unloaded
from .prose import NOTHING, Prose
from .records import Count, IpAddress, Port, RecordError, Time
from .rule_records import Rule, RuleStep
from .socket_records import Process

VERDICTS = ("accept", "drop", "reject", "queue", "undecided", "stolen")  # stolen: synproxy answers it
SOURCE_NAT = ("snat", "masquerade", "netmap")
DESTINATION_NAT = ("dnat", "redirect", "netmap")
HookTraversal = tuple[str, str, str, str, int]  # packet, direction, client's address, server's address, server's port


@dataclass(frozen=True)
class Undecided:
    """What a verdict depends on: ``kind`` is ``limit``, ``queue``, ``unknown``, ``unroutable``, ``unsupported`` or ``too_many``.

    ``otherwise`` and ``if_so``: the verdicts where it is not so, and where it is; None where they do not depend on one thing.
    """

    kind: str
    what: Prose = NOTHING
    otherwise: str | None = None
    if_so: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    source: IpAddress
    destination: IpAddress
    source_port: Port | None = None
    mark: Count | None = None
    port: Port | None = None
    direction: str | None = None  # which way it goes then; None: not reported
    changes: tuple[Prose, ...] = ()


@dataclass(frozen=True)
class Rerouted:
    """Where the kernel leads a packet since ``rule`` has given it another mark."""

    interface: str | None = None
    gateway: IpAddress | None = None
    table: Count | None = None
    rule: Rule | None = None


@dataclass(frozen=True)
class Users:
    """Users whose packets fare otherwise than those of the user who was asked about: by name, and how many more there are."""

    verdict: str
    rule: Rule | None = None
    names: tuple[str, ...] = ()
    more: Count = 0


@dataclass(frozen=True)
class Target:
    """An end to which rules may send a packet, and the rule that does it."""

    destination: IpAddress
    port: Port | None = None
    rule: Rule | None = None


@dataclass(frozen=True)
class Zones:
    """Connection tracking looks for a packet's connection in one zone, and its SYN opened it in another."""

    looked_in: Count
    opened_in: Count


@dataclass(frozen=True)
class WayBack:
    """What goes back to the packet's source leaves by another interface, or has no way at all; a rule stops the packet for that."""

    came_by: str
    leaves_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    packet: str
    direction: str
    source: IpAddress
    destination: IpAddress
    verdict: str
    state: str = ""
    interface: str | None = None  # by which it was supposed to come, or is known to have come
    source_port: Port | None = None
    port: Port | None = None
    reject_with: str | None = None
    queue: Port | None = None
    reader: Process | None = None  # who reads that queue, and decides
    undecided_because: Prose | None = None
    undecided: Undecided | None = None
    rewritten: Rewritten | None = None
    uid: Count | None = None
    users: Users | None = None
    one_of: tuple[Rule, ...] = ()
    targets: tuple[Target, ...] = ()
    zones: Zones | None = None
    way_back: WayBack | None = None
    missed: tuple[MissedRule, ...] = ()  # of a SYN that is stopped, or for a port without a listener, after the attempts
    hidden: HiddenTranslation | None = None  # of a SYN, after the attempts
    sets: tuple[InSet, ...] = ()  # of a SYN that is stopped, after the attempts
    unloaded: Unloaded | None = None  # of a SYN that is stopped, after the attempts
    rerouted: Rerouted | None = None
    marked_by: tuple[Rule, ...] = ()  # for which it is stopped, or has no way: the rule that gave it the mark, and the one that led there
    rule: Rule | None = None
    change: RuleChange | None = None
    then: Verdict | None = None
    """What would happen to the packet if it were accepted where `change` says, or by who reads the queue; None: not known."""
    shadowed: tuple[Rule, ...] = ()
    path: tuple[RuleStep, ...] = ()

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise RecordError(f"a firewall's verdict is {self.verdict[:60]!r}, which is none")

    def of(self, uid: int | None) -> bool:
        """Whether it may be about a packet of a user's, or one that is nobody's."""
        return uid is None or self.uid in (None, uid)

    @property
    def accepts(self) -> bool:
        """Whether rules surely let the packet through."""
        return self.verdict == "accept"

    @property
    def in_words_alone(self) -> bool:
        """Whether what rules do, or what is unknown, is in sentences for people alone, as version 0.1.0 did."""
        unexplained = self.verdict == "undecided" and self.undecided is None
        return unexplained or any(step.effect and not step.effects for step in self.path)

    @property
    def only_its_way_is_open(self) -> bool:
        """Whether the unknown decides where the packet is sent, as of several backends, and not what happens to it."""
        unknown = self.undecided
        return unknown is not None and unknown.kind in ("limit", "unknown") and (unknown.otherwise, unknown.if_so) == (None, None)

    @property
    def unroutable(self) -> bool:
        """Whether rules let it through, and the kernel has no way to where they send it, or for the mark that they give it."""
        return self.undecided is not None and self.undecided.kind == "unroutable"

    @property
    def unread_queue(self) -> int | None:
        """The queue by which it is dropped, because no program reads it."""
        return self.queue if self.verdict == "drop" else None

    @property
    def quota_used_up(self) -> bool:
        """Whether the rule that stops it does so since a quota is used up."""
        return self.stops and any(effect.kind == "used_up" for step in self.path[-1:] for effect in step.effects)

    @property
    def by_queue(self) -> bool:
        """Whether it depends on which of several queues, of which programs read some, the packet is put into."""
        return self.undecided is not None and self.undecided.kind == "queue"

    @property
    def without_a_proxy(self) -> bool:
        """Whether TPROXY drops it, because no transparent socket takes it."""
        return self.stops and any(effect.kind == "no_transparent_socket" for step in self.path[-1:] for effect in step.effects)

    @property
    def past_its_proxy(self) -> bool:
        """Whether TPROXY has it for a socket here, and the routing table leads it elsewhere: such packets are not forwarded."""
        return self.stops and self.rule is not None and self.rule == self.last_to("tproxy")

    @property
    def stops(self) -> bool:
        return self.verdict in ("drop", "reject")

    @property
    def may_stop(self) -> bool:
        """Whether rules stop the packet, or do so if what is unknown is so, or is not."""
        unknown = self.undecided
        return self.stops or (unknown is not None and not {"drop", "reject"}.isdisjoint((unknown.otherwise, unknown.if_so)))

    def last_to(self, *effects: str) -> Rule | None:
        """The last rule on the way with one of these effects, such as ``SOURCE_NAT``."""
        done = [step for step in self.path if step.matched and any(effect.kind in effects for effect in step.effects)]
        rules = [step.rule for step in done if step.rule]
        return rules[-1] if rules else None

    @property
    def left_by(self) -> Rule | None:
        """Where a policy stops it: the rule by which it went to another chain for good. What stands after that one is not met."""
        if self.rule is None or not self.rule.is_policy:
            return None
        chain = (self.rule.family, self.rule.table, self.rule.chain)
        gone = [step.rule for step in self.path if step.rule and step.matched and step.last_effect.kind in ("goto", "return")]
        return next((rule for rule in reversed(gone) if (rule.family, rule.table, rule.chain) == chain), None)

    @property
    def traversal(self) -> HookTraversal:
        if self.packet == "syn_ack":
            return self.packet, self.direction, self.destination, self.source, self.source_port or 0
        return self.packet, self.direction, self.source, self.destination, self.port or 0

    def rules(self) -> Iterator[Rule]:
        """All rules that it names."""
        yield from (step.rule for step in self.path if step.rule)
        yield from self.one_of
        yield from self.marked_by
        if self.rerouted and self.rerouted.rule:
            yield self.rerouted.rule
        yield from (target.rule for target in self.targets if target.rule)
        if self.rule:
            yield self.rule

    def hit(self) -> Iterator[Rule]:
        """Those that the packet matches on its way, or ends at."""
        yield from (step.rule for step in self.path if step.rule and step.matched)
        if self.rule and self.stops:
            yield self.rule


@dataclass(frozen=True)
class Firewall:
    """The verdicts of one snapshot; the rules and their counters were read between ``begun`` and ``ended``.

    ``generation`` counts the changes of nf_tables; None: it is not known.
    """

    begun: Time
    ended: Time
    verdicts: tuple[Verdict, ...] = ()
    generation: int | None = None
