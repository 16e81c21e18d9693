# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The smallest edit from one nf_tables ruleset to another: whatever both have keeps its handles, counters and remaining times."""

from __future__ import annotations

import typing as t

from .base import GuardError
from .merge import aligned
from .nftables_essence import NEWCHAIN, NEWFLOWTABLE, NEWOBJ, NEWSET, NEWTABLE, element_says, essence_of
from .nftables_messages import DELCHAIN, DELFLOWTABLE, DELOBJ, DELRULE, DELSET, DELSETELEM, DELTABLE, Message
from .nftables_ruleset import Elements, Key, Ruleset, element_messages, of_ranges

_ORDER = (NEWTABLE, NEWCHAIN, NEWSET, NEWOBJ, NEWFLOWTABLE)  # in which they can be made; backwards they can be deleted
_DELETE = {NEWTABLE: DELTABLE, NEWCHAIN: DELCHAIN, NEWSET: DELSET, NEWOBJ: DELOBJ, NEWFLOWTABLE: DELFLOWTABLE}
_NAMES = {NEWTABLE: (1,), NEWCHAIN: (1, 3), NEWSET: (1, 2), NEWOBJ: (1, 2, 3), NEWFLOWTABLE: (1, 2)}
_CHANGEABLE = {NEWTABLE: 2, NEWCHAIN: 5}  # the flags of a table, the policy of a chain

Tables = t.Set[t.Tuple[int, bytes]]


class NotEditableError(GuardError):
    """The one cannot be made of the other step by step."""


def edits(now: Ruleset, wanted: Ruleset) -> list[Message]:
    """Messages of one batch: what refers to others goes first and comes last. NotEditableError."""
    gone: Tables = {(key[1], key[2]) for key in now.objects if key[0] == NEWTABLE and key not in wanted.objects}
    rules_gone, rules_come = _rules(now, wanted, gone)
    elements_gone, elements_come = _elements(now, wanted)
    return [*rules_gone, *elements_gone, *_objects_gone(now, wanted, gone), *_objects_come(now, wanted), *elements_come, *rules_come]


def _objects_gone(now: Ruleset, wanted: Ruleset, gone: Tables) -> t.Iterator[Message]:
    for kind in reversed(_ORDER):
        for key in now.objects:
            if key[0] != kind or key in wanted.objects or (kind != NEWTABLE and (key[1], key[2]) in gone):
                continue
            if not (kind == NEWCHAIN and now.is_inner(key[1:])):  # which goes with its rule
                yield _DELETE[kind], key[1], list(zip(_NAMES[kind], key[2:]))


def _objects_come(now: Ruleset, wanted: Ruleset) -> t.Iterator[Message]:
    for kind in _ORDER:
        for key, message in wanted.objects.items():
            if key[0] != kind:
                continue
            there = now.objects.get(key)
            if there is None:
                if kind == NEWCHAIN and wanted.is_inner(key[1:]):
                    raise NotEditableError("a chain within a rule is made with it")
                yield message
            elif essence_of(*there) != essence_of(*message):
                yield _change(key, there, message)


def _change(key: Key, there: Message, wanted: Message) -> Message:
    which = _CHANGEABLE.get(key[0])
    rest = [essence_of(kind, family, [each for each in about if each[0] != which]) for kind, family, about in (there, wanted)]
    value = dict(wanted[2]).get(which or 0)
    if which is None or value is None or rest[0] != rest[1]:
        raise NotEditableError(f"{key[-1]!r} would have to be recreated")
    return key[0], key[1], [*zip(_NAMES[key[0]], key[2:]), (which, value)]


def _elements(now: Ruleset, wanted: Ruleset) -> tuple[list[Message], list[Message]]:
    gone, come = [], []
    for place, elements in wanted.elements.items():
        there = now.elements.get(place, {})
        old = {key for key, element in there.items() if key not in elements or _differ(element, elements[key])}
        new = {key: element for key, element in elements.items() if key not in there or key in old}
        key = (NEWSET, *place)
        if (old or new) and there and of_ranges(wanted.objects[key]):
            gone.append((DELSETELEM, place[0], [(1, place[1]), (2, place[2])]))
            come += element_messages(place, elements)
        else:
            gone += element_messages(place, _only(there, old), DELSETELEM)
            come += element_messages(place, new)
    return gone, come


def _rules(now: Ruleset, wanted: Ruleset, gone: Tables) -> tuple[list[Message], list[Message]]:
    away, come = [], []
    used: dict[tuple[int, bytes], set[bytes]] = {}
    for source in (now, wanted):  # no new name may be one that any other set has
        for table, names in source.set_names().items():
            used.setdefault(table, set()).update(names)
    for place, entries in now.rules.items():
        used.setdefault(place[:2], set()).update(name for entry in entries for name in entry.content.sets)
    for place in {**now.rules, **wanted.rules}:
        if place[:2] in gone:
            continue
        there, want = now.rules.get(place, []), wanted.rules.get(place, [])
        pairs = aligned(there, want)
        old = [entry.content for index, entry in enumerate(there) if index not in pairs]
        if now.is_inner(place):
            if (NEWCHAIN, *place) in wanted.objects and (old or len(pairs) < len(want)):
                raise NotEditableError("rules within a rule do not change alone")
            continue
        away += [(DELRULE, rule.family, [(1, place[1]), (2, place[2]), (3, rule.handle)]) for rule in old]
        matched = {index: there[at].content.handle for at, index in pairs.items()}
        for index, entry in enumerate(want):
            if index not in matched:
                before = next((matched[at] for at in range(index + 1, len(want)) if at in matched), None)
                come += entry.content.messages(used.setdefault(place[:2], set()), before)
    return away, come


def _differ(one: bytes, other: bytes) -> bool:
    return element_says(one) != element_says(other)


def _only(elements: Elements, keys: t.Collection[bytes]) -> Elements:
    return {key: element for key, element in elements.items() if key in keys}
