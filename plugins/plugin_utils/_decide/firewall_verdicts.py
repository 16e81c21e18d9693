# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The verdicts of one host's firewall before and after the handshakes, and its rules' counters over time."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .._model.firewall_records import Firewall, HookTraversal, Verdict
from .._model.prose import Prose
from .._model.records import RecordError, build
from .._model.rule_records import Identity, Rule

When = Literal["before", "after"]
_IN_WORDS = (
    "an older version of the collection reported in words alone what rules do, and what verdicts depend on: limits, translations and jumps "
    "are not known; diagnose again"
)


@dataclass(frozen=True)
class CounterDelta:
    """A rule's counter before and after the handshakes, and the firewalls' snapshots that have it."""

    before: int
    after: int
    first: Firewall
    last: Firewall

    @property
    def by(self) -> int:
        return self.after - self.before

    @property
    def set_back(self) -> bool:
        """Whether the counter was, or may have been, reset in between, because rules were reloaded."""
        known = self.first.generation is not None and self.last.generation is not None
        return self.by < 0 or (known and self.first.generation != self.last.generation)


class Verdicts:
    """All verdicts of one host. All verdicts are added before any is looked up."""

    def __init__(self) -> None:
        self.snapshots: dict[When, list[Firewall]] = {"before": [], "after": []}
        self._verdicts: dict[tuple[When, bool], dict[HookTraversal, dict[int | None, Verdict]]] = {}
        self._ways_in: dict[tuple[When, bool], dict[tuple[HookTraversal, str | None], dict[int | None, Verdict]]] = {}
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
        """The generations of nf_tables in the snapshots, each once; None where one of them has none."""
        numbers = [firewall.generation for firewalls in self.snapshots.values() for firewall in firewalls]
        return None if None in numbers else sorted({generation for generation in numbers if generation is not None})

    def changed(self, rule: Rule, legacy: bool) -> bool | None:
        """Whether rules were changed between the snapshots, as far as that concerns `rule`; None: that is not known.

        For nf_tables, the kernel's generation says so. For legacy iptables (`legacy`: the host has, or may have, such tables), which has
        none, only the rules that both snapshots have are compared: another text at the same place is a change.
        """
        of_nft = rule.handle is not None or (rule.is_policy and not legacy)
        if of_nft:
            return None if self.generations is None else len(self.generations) > 1
        was, other_texts = self._texts
        return True if other_texts else False if (rule.family, rule.table, rule.chain, rule.number) in was else None

    @functools.cached_property
    def _texts(self) -> tuple[dict[Identity, Prose], bool]:
        """The texts of rules before, by their places, and whether any place has another one afterwards."""
        was, now = (self._places(when) for when in ("before", "after"))
        return was, any(was[place] != text for place, text in now.items() if place in was)

    def _places(self, when: When) -> dict[Identity, Prose]:
        """The text of each rule without a handle, by its place."""
        rules = [rule for firewall in self.snapshots[when] for verdict in firewall.verdicts for rule in verdict.rules()]
        return {(rule.family, rule.table, rule.chain, rule.number): rule.text for rule in rules if rule.handle is None}

    @functools.cached_property
    def stops_any(self) -> bool:
        """Whether any packet that was asked about is stopped."""
        return any(verdict.stops for firewalls in self.snapshots.values() for firewall in firewalls for verdict in firewall.verdicts)

    def on(
        self, traversal: HookTraversal, when: When = "after", invalid: bool = False, uid: int | None = None, interface: str | None = None
    ) -> Verdict | None:
        """The verdict on a packet; ``invalid``: had connection tracking found it so; ``uid``: of whose socket, where one sends it.

        ``interface``: by which it came, where that was seen: hosts are asked about several ways in where they cannot tell, and a verdict on
        another one is given only where there is none on that.
        """
        by_user = self._by_way_in(when, invalid).get((traversal, interface)) or self._by_traversal(when, invalid).get(traversal, {})
        if uid is None or None in by_user:
            return next(iter(by_user.values()), None)
        return by_user.get(uid)

    def all(self) -> Iterator[Verdict]:
        """Every verdict, before and after."""
        for firewalls in self.snapshots.values():
            for firewall in firewalls:
                yield from firewall.verdicts

    def of_syns(self, sources: Iterable[str], address: str, port: int) -> list[Verdict]:
        """The verdicts on SYNs from one of the addresses for that end, before and after."""
        return [each for source in dict.fromkeys(sources) for each in self._of_syns.get((source, address, port), ())]

    @functools.cached_property
    def _of_syns(self) -> dict[tuple[str, str, int | None], list[Verdict]]:
        found: dict[tuple[str, str, int | None], list[Verdict]] = {}
        for verdict in self.all():
            if verdict.packet == "syn":
                found.setdefault((verdict.source, verdict.destination, verdict.port), []).append(verdict)
        return found

    def hitting(self, rule: Rule) -> list[Verdict]:
        """The verdicts afterwards on packets that match a rule on their way, or end at it."""
        if self._hitting is None:
            self._hitting = {}
            for verdict in self._each("after"):
                for identity in {known.identity for known in verdict.hit()}:
                    self._hitting.setdefault(identity, []).append(verdict)
        return self._hitting.get(rule.identity, [])

    def rejects(self, rule: Rule) -> bool:
        """Whether any packet that a rule matches, or might match, is rejected by it, as far as evaluations show."""
        return rule.identity in self._rejecting

    @functools.cached_property
    def _rejecting(self) -> set[Identity]:
        steps = (step for verdict in self.all() for step in verdict.path)
        return {step.rule.identity for step in steps if step.rule and step.last_effect.kind == "reject"}

    @functools.cached_property
    def log_prefixes(self) -> dict[Prose, set[Identity]]:
        """The rules that log with a prefix, on the way of any packet."""
        found: dict[Prose, set[Identity]] = {}
        for step in (step for verdict in self.all() for step in verdict.path):
            if step.rule and step.rule.log_prefix:
                found.setdefault(step.rule.log_prefix, set()).add(step.rule.identity)
        return found

    def elsewhere(self, sources: Iterable[str], address: str, port: int, uid: int | None = None) -> Verdict | None:
        """The verdict on a SYN for that end (of a user), where rules send it to another one: afterwards, or else before.

        ``sources``: from where it may come. What rules do to the SYNs of others says nothing about it.
        """
        for by_user in (each for source in dict.fromkeys(sources) for each in self._by_ends.get((source, address, port), ())):
            verdict = by_user.get(None) or by_user.get(uid) if uid is not None else next(iter(by_user.values()))
            target = verdict.rewritten if verdict else None
            if target and (target.destination, target.port) != (address, port):
                return verdict
        return None

    @functools.cached_property
    def _by_ends(self) -> dict[tuple[str, str, int | None], list[dict[int | None, Verdict]]]:
        """The verdicts on SYNs by users, afterwards or else before, by the ends of the SYN."""
        found: dict[tuple[str, str, int | None], list[dict[int | None, Verdict]]] = {}
        for by_user in {**self._by_traversal("before", False), **self._by_traversal("after", False)}.values():
            first = next(iter(by_user.values()))
            if first.packet == "syn":
                found.setdefault((first.source, first.destination, first.port), []).append(by_user)
        return found

    def counter_delta(self, rule: Rule) -> CounterDelta | None:
        """How a rule's counter rose; None where it has none, or was not reported both before and after."""
        first, last = self._count("before").get(rule.identity), self._count("after").get(rule.identity)
        return CounterDelta(first[1], last[1], first[0], last[0]) if first and last else None

    def _each(self, when: When) -> Iterator[Verdict]:
        """The verdicts on packets as they are, each once."""
        for by_user in self._by_traversal(when, False).values():
            yield from by_user.values()

    def _asked(self, when: When, invalid: bool) -> Iterator[Verdict]:
        """The verdicts on packets as they are, or had connection tracking found them invalid."""
        for firewall in self.snapshots[when]:
            yield from (verdict for verdict in firewall.verdicts if (verdict.state == "invalid") is invalid)

    def _by_traversal(self, when: When, invalid: bool) -> dict[HookTraversal, dict[int | None, Verdict]]:
        """By what is asked, and by the uid of the socket that sends it."""
        if (when, invalid) not in self._verdicts:
            found = self._verdicts[when, invalid] = {}
            for verdict in self._asked(when, invalid):
                found.setdefault(verdict.traversal, {}).setdefault(verdict.uid, verdict)
        return self._verdicts[when, invalid]

    def _by_way_in(self, when: When, invalid: bool) -> dict[tuple[HookTraversal, str | None], dict[int | None, Verdict]]:
        """The same, by the interface that was asked about as well."""
        if (when, invalid) not in self._ways_in:
            found = self._ways_in[when, invalid] = {}
            for verdict in self._asked(when, invalid):
                found.setdefault((verdict.traversal, verdict.interface), {}).setdefault(verdict.uid, verdict)
        return self._ways_in[when, invalid]

    def _count(self, when: When) -> dict[Identity, tuple[Firewall, int]]:
        """The earliest counts before the handshakes, or the latest after them."""
        if when not in self._counters:
            counts = self._counters[when] = {}
            for firewall in sorted(self.snapshots[when], key=lambda one: one.begun, reverse=when == "after"):
                for verdict in firewall.verdicts:
                    for rule in verdict.rules():
                        if rule.packets is not None:
                            counts.setdefault(rule.identity, (firewall, rule.packets))
        return self._counters[when]


def read(answers: Mapping[str, object]) -> tuple[Verdicts, list[str]]:
    """The verdicts in a host's answers by phase, and why some could not be read, or not wholly: a malformed one is left out alone."""
    found, unread = Verdicts(), dict[str, None]()
    for phase, answer in answers.items():
        for key, when in (("snapshot", "before"), ("before", "before"), ("after", "after")):
            snapshot: Any = answer.get(key) if isinstance(answer, Mapping) else None
            raw = snapshot.get("firewall") if isinstance(snapshot, Mapping) else None
            if raw is not None:
                try:
                    firewall: Firewall = build(Firewall, raw, f"{phase}.{key}.firewall")
                except RecordError as error:
                    unread[f"malformed answer: {error}"] = None
                    continue
                found.add(when, firewall)  # type: ignore[arg-type]
                if any(verdict.in_words_alone for verdict in firewall.verdicts):
                    unread[_IN_WORDS] = None
    return found, list(unread)
