# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a host's firewall does to the handshakes' packets, as typed records (docs/firewall.md), and its rules' counters over time."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.threeway.handshake.plugins.plugin_utils._prose import NOTHING, Prose
from ansible_collections.threeway.handshake.plugins.plugin_utils._records import Count, IpAddress, Port, RecordError, Time, build

VERDICTS = ("accept", "drop", "reject", "queue", "undecided", "stolen")  # stolen: synproxy answers it
SOURCE_NAT = ("snat", "masquerade", "netmap")
DESTINATION_NAT = ("dnat", "redirect", "netmap")
When = Literal["before", "after"]
Identity = tuple[object, ...]
Crossing = tuple[str, str, str, str, int]  # packet, direction, client's address, server's address, server's port


@dataclass(frozen=True)
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
    priority: int | None = None


@dataclass(frozen=True)
class Part:
    """A condition of a rule; ``matched`` None: not examined, or not to be known."""

    text: Prose
    matched: bool | None = None
    seen: Prose | None = None


@dataclass(frozen=True)
class Effect:
    """What a rule did: the kinds and their targets are those of docs/firewall.md. A target may be a name that people chose."""

    kind: str
    target: str | None = None


@dataclass(frozen=True)
class Undecided:
    """On what a verdict hangs: ``kind`` is ``limit``, ``unknown``, ``unsupported`` or ``too_many``.

    ``otherwise`` and ``if_so``: the verdicts where it is not so, and where it is; None where they do not hang on one thing.
    """

    kind: str
    what: Prose = NOTHING
    otherwise: str | None = None
    if_so: str | None = None


@dataclass(frozen=True)
class Step:
    chain: Chain
    rule: Rule | None = None
    matched: bool | None = None
    parts: tuple[Part, ...] = ()
    effect: Prose | None = None
    effects: tuple[Effect, ...] = ()

    @property
    def last_effect(self) -> Effect:
        """Its verdict, or what else it did last; of kind ``continue`` where it did nothing."""
        return self.effects[-1] if self.effects else Effect("continue")


@dataclass(frozen=True)
class Rewritten:
    source: IpAddress
    destination: IpAddress
    source_port: Port | None = None
    port: Port | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """How to let the packet through, in the words of whoever keeps the rule."""

    summary: str = ""
    commands: tuple[str, ...] = ()
    simple: str | None = None  # what people would write, which opens more than the flow needs


@dataclass(frozen=True)
class Verdict:
    packet: str
    direction: str
    source: IpAddress
    destination: IpAddress
    verdict: str
    state: str = ""
    source_port: Port | None = None
    port: Port | None = None
    reject_with: str | None = None
    queue: Port | None = None
    undecided_because: Prose | None = None
    undecided: Undecided | None = None
    rewritten: Rewritten | None = None
    rule: Rule | None = None
    change: Change | None = None
    shadowed: tuple[Rule, ...] = ()
    path: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise RecordError(f"a firewall's verdict is {self.verdict[:60]!r}, which is none")

    @property
    def unread_queue(self) -> int | None:
        """The queue by which it is dropped, because no program reads it."""
        return self.queue if self.verdict == "drop" else None

    @property
    def stops(self) -> bool:
        return self.verdict in ("drop", "reject")

    def last_to(self, *effects: str) -> Rule | None:
        """The last rule on the way with one of these effects, such as ``SOURCE_NAT``."""
        done = [step for step in self.path if step.matched and any(effect.kind in effects for effect in step.effects)]
        rules = [step.rule for step in done if step.rule]
        return rules[-1] if rules else None

    @property
    def left_by(self) -> Rule | None:
        """Where a policy stops it: the rule by which it went to another chain for good. What stands behind that one is not met."""
        if self.rule is None or not self.rule.is_policy:
            return None
        chain = (self.rule.family, self.rule.table, self.rule.chain)
        gone = [step.rule for step in self.path if step.rule and step.matched and step.last_effect.kind == "goto"]
        return next((rule for rule in reversed(gone) if (rule.family, rule.table, rule.chain) == chain), None)

    @property
    def crossing(self) -> Crossing:
        if self.packet == "syn_ack":
            return self.packet, self.direction, self.destination, self.source, self.source_port or 0
        return self.packet, self.direction, self.source, self.destination, self.port or 0

    def rules(self) -> Iterator[Rule]:
        """All rules that it names."""
        yield from (step.rule for step in self.path if step.rule)
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


@dataclass(frozen=True)
class Rise:
    """A rule's counter before and after the handshakes, and the firewalls' snapshots that told it."""

    before: int
    after: int
    first: Firewall
    last: Firewall

    @property
    def by(self) -> int:
        return self.after - self.before

    @property
    def set_back(self) -> bool:
        """Whether the counter was, or may have been, set back in between, because rules were loaded anew."""
        known = self.first.generation is not None and self.last.generation is not None
        return self.by < 0 or (known and self.first.generation != self.last.generation)


class Rulings:
    """All verdicts of one host. Adding comes before asking."""

    def __init__(self) -> None:
        self.snapshots: dict[When, list[Firewall]] = {"before": [], "after": []}
        self._verdicts: dict[tuple[When, bool], dict[Crossing, Verdict]] = {}
        self._counters: dict[When, dict[Identity, tuple[Firewall, int]]] = {}
        self._hitting: dict[Identity, list[Verdict]] | None = None

    @property
    def known(self) -> bool:
        """Whether the firewall was asked at all, before or after."""
        return any(self.snapshots.values())

    def add(self, when: When, firewall: Firewall) -> None:
        self.snapshots[when].append(firewall)

    @functools.cached_property
    def generations(self) -> list[int] | None:
        """The generations of nf_tables that the snapshots told, each once; None where one of them did not tell."""
        told = [firewall.generation for firewalls in self.snapshots.values() for firewall in firewalls]
        return None if None in told else sorted({generation for generation in told if generation is not None})

    def changed(self, rule: Rule, legacy: bool) -> bool | None:
        """Whether rules were changed between the snapshots, as far as that concerns `rule`; None: it cannot be told.

        Of nf_tables the kernel's generation tells. Of legacy iptables (`legacy`: the host has, or may have, such tables), which has none,
        only the rules that both snapshots tell of: another text at the same place is a change.
        """
        of_nft = rule.handle is not None or (rule.is_policy and not legacy)
        if of_nft:
            return None if self.generations is None else len(self.generations) > 1
        was, now = (self._places(when) for when in ("before", "after"))
        if any(was[place] != text for place, text in now.items() if place in was):
            return True
        return False if (rule.family, rule.table, rule.chain, rule.number) in was else None

    def _places(self, when: When) -> dict[Identity, Prose]:
        """The text of each rule without a handle, by its place."""
        rules = [rule for firewall in self.snapshots[when] for verdict in firewall.verdicts for rule in verdict.rules()]
        return {(rule.family, rule.table, rule.chain, rule.number): rule.text for rule in rules if rule.handle is None}

    @functools.cached_property
    def stops_any(self) -> bool:
        """Whether any packet that was asked about is stopped."""
        return any(verdict.stops for told in self.snapshots.values() for firewall in told for verdict in firewall.verdicts)

    def verdict(self, crossing: Crossing, when: When = "after", invalid: bool = False) -> Verdict | None:
        """The verdict on a packet; ``invalid``: had connection tracking found it so."""
        return self._told(when, invalid).get(crossing)

    def all(self) -> Iterator[Verdict]:
        """Every verdict, before and after."""
        for firewalls in self.snapshots.values():
            for firewall in firewalls:
                yield from firewall.verdicts

    def hitting(self, rule: Rule) -> list[Verdict]:
        """The verdicts afterwards on packets that match a rule on their way, or end at it."""
        if self._hitting is None:
            self._hitting = {}
            for verdict in self._told("after", False).values():
                for identity in {known.identity for known in verdict.hit()}:
                    self._hitting.setdefault(identity, []).append(verdict)
        return self._hitting.get(rule.identity, [])

    def rejects(self, rule: Rule) -> bool:
        """Whether any packet that a rule matches, or might match, is rejected by it, as far as evaluations show."""
        steps = (step for verdict in self.all() for step in verdict.path if step.rule and step.rule.identity == rule.identity)
        return any(step.last_effect.kind == "reject" for step in steps)

    def elsewhere(self, address: str, port: int) -> Verdict | None:
        """The verdict on a SYN for that end, where rules send it to another one: afterwards, or else before."""
        for verdict in {**self._told("before", False), **self._told("after", False)}.values():
            target, asked = verdict.rewritten, (verdict.packet, verdict.destination, verdict.port)
            if target and asked == ("syn", address, port) and (target.destination, target.port) != (address, port):
                return verdict
        return None

    def rise(self, rule: Rule) -> Rise | None:
        """How a rule's counter rose; None where it has none, or was not told both before and after."""
        first, last = self._count("before").get(rule.identity), self._count("after").get(rule.identity)
        return Rise(first[1], last[1], first[0], last[0]) if first and last else None

    def _told(self, when: When, invalid: bool) -> dict[Crossing, Verdict]:
        if (when, invalid) not in self._verdicts:
            told = [verdict for firewall in self.snapshots[when] for verdict in firewall.verdicts]
            self._verdicts[when, invalid] = {
                verdict.crossing: verdict for verdict in reversed(told) if (verdict.state == "invalid") is invalid
            }
        return self._verdicts[when, invalid]

    def _count(self, when: When) -> dict[Identity, tuple[Firewall, int]]:
        """The earliest counts before the handshakes, or the latest behind them."""
        if when not in self._counters:
            counts = self._counters[when] = {}
            for firewall in sorted(self.snapshots[when], key=lambda one: one.begun, reverse=when == "after"):
                for verdict in firewall.verdicts:
                    for rule in verdict.rules():
                        if rule.packets is not None:
                            counts.setdefault(rule.identity, (firewall, rule.packets))
        return self._counters[when]


def read(answers: Mapping[str, object]) -> tuple[Rulings, list[str]]:
    """The rulings in a host's answers by phase, and why some could not be read: a malformed one costs that one only."""
    found, malformed = Rulings(), []
    for phase, answer in answers.items():
        for key, when in (("snapshot", "before"), ("before", "before"), ("after", "after")):
            snapshot: Any = answer.get(key) if isinstance(answer, Mapping) else None
            told = snapshot.get("firewall") if isinstance(snapshot, Mapping) else None
            if told is not None:
                try:
                    found.add(when, build(Firewall, told, f"{phase}.{key}.firewall"))  # type: ignore[arg-type]
                except RecordError as error:
                    malformed.append(str(error))
    return found, malformed
