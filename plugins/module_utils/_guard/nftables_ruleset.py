# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""An nf_tables ruleset as objects by name, elements by key and rules in order, so that rulesets can be compared and merged."""

from __future__ import annotations

import functools
import hashlib
import struct
import typing as t

from .._wire.netlink import NLA_F_NESTED, attribute, attribute_list, attributes
from .merge import Entry
from .nftables_essence import (
    EXPIRATION,
    MADE_OF,
    NEWCHAIN,
    NEWFLOWTABLE,
    NEWOBJ,
    NEWRULE,
    NEWSET,
    NEWSETELEM,
    NEWTABLE,
    element_says,
    essence_of,
    with_set_names,
)
from .nftables_messages import CHAIN_BINDING, Message, dump

_ORDER = (NEWTABLE, NEWCHAIN, NEWSET, NEWOBJ, NEWFLOWTABLE)  # in which they can be made
_NAMED_BY = {NEWTABLE: (1,), NEWCHAIN: (1, 3), NEWSET: (1, 2), NEWOBJ: (1, 2, 3), NEWFLOWTABLE: (1, 2)}
_ANONYMOUS, _INTERVAL, _EVAL, _CONCAT = 1, 4, 0x20, 0x80  # NFT_SET_...
_LARGEST = 30000  # bytes of elements in one message
_KEYS = {1, 3, 10}  # key, flags, end of the range

Key = t.Tuple[t.Any, ...]  # kind, family, table, name ...
Place = t.Tuple[int, bytes, bytes]  # family, table, name of a set or of a chain
Elements = t.Dict[bytes, bytes]  # what identifies an element -> its attributes


class Rule(t.NamedTuple):
    """A rule with the anonymous sets that are part of it, by their names."""

    family: int
    about: list[tuple[int, bytes]]
    handle: bytes
    sets: dict[bytes, tuple[Message, Elements]]

    @property
    def place(self) -> Place:
        names = dict(self.about)
        return self.family, names[1], names[2]

    def messages(self, used: set[bytes], position: bytes | None = None) -> list[Message]:
        """What makes it; its sets get names that are not yet used."""
        names = {name: _free(name, used) for name in self.sets}
        made: list[Message] = []
        for name, (message, elements) in self.sets.items():
            renamed = [(kind, names[name] if kind == 2 else value) for kind, value in message[2]]
            made += [(NEWSET, self.family, renamed), *element_messages((self.family, dict(renamed)[1], names[name]), elements)]
        about = [(kind, with_set_names(value, names) if kind == 4 else value) for kind, value in self.about]
        return [*made, (NEWRULE, self.family, [*about, *([(6, position)] if position is not None else [])])]


class Ruleset(t.NamedTuple):
    """Everything but anonymous sets, which belong to their rules."""

    objects: dict[Key, Message]
    elements: dict[Place, Elements]
    rules: dict[Place, list[Entry]]  # of a Rule each

    @classmethod
    def read(cls, messages: t.Iterable[Message]) -> Ruleset:
        """From messages of a dump, or those that were saved."""
        several = list(messages)
        sets = {_place(family, about, 2): (kind, family, _made(kind, about)) for kind, family, about in several if kind == NEWSET}
        elements: dict[Place, Elements] = {place: {} for place in sets}
        for kind, family, about in several:
            if kind == NEWSETELEM:
                found = elements.setdefault(_place(family, about, 2), {})
                for _kind, element in attribute_list(dict(about)[3]):
                    found[identity(element)] = element
        anonymous = {place for place, message in sets.items() if set_flags(message) & _ANONYMOUS}
        objects = {
            key_of((kind, family, about)): (kind, family, _made(kind, about))
            for kind, family, about in several
            if kind in _NAMED_BY and not (kind == NEWSET and _place(family, about, 2) in anonymous)
        }
        rules: dict[Place, list[Entry]] = {}

        def attach(inner: dict[bytes, tuple[Message, Elements]], family: int, table: bytes, name: bytes) -> bytes:
            place = (family, table, name)
            if place not in anonymous:
                return name
            inner[name] = (sets[place], elements[place])
            return _set_digest(*inner[name])

        for kind, family, about in several:
            if kind == NEWRULE:
                inner: dict[bytes, tuple[Message, Elements]] = {}
                attached = functools.partial(attach, inner, family, dict(about)[1])
                said = with_set_names(dict(about)[4], attached) if 4 in dict(about) else b""
                rule = Rule(family, _made(kind, about), dict(about).get(3, b""), inner)
                says = essence_of(
                    NEWRULE, family, [(name, said if name == 4 else value) for name, value in rule.about if name not in (1, 2)]
                )
                rules.setdefault(_place(family, about, 2), []).append(Entry(says, rule))
        return cls(objects, {place: found for place, found in elements.items() if place not in anonymous}, rules)

    def messages(self) -> list[Message]:
        """In an order in which all of it can be made."""
        made = [message for kind in _ORDER for key, message in self.objects.items() if key[0] == kind]
        for place, elements in self.elements.items():
            made += element_messages(place, elements)
        used = self.set_names()
        inner_first = sorted(
            self.rules.items(), key=lambda item: not self.is_inner(item[0])
        )  # a rule closes the chain that it brings along
        for place, entries in inner_first:
            for entry in entries:
                made += entry.content.messages(used.setdefault(place[:2], set()))
        return made

    def set_names(self) -> dict[tuple[int, bytes], set[bytes]]:
        """The names of sets that are not part of a rule, by family and table."""
        names: dict[tuple[int, bytes], set[bytes]] = {}
        for key in self.objects:
            if key[0] == NEWSET:
                names.setdefault((key[1], key[2]), set()).add(key[3])
        return names

    def is_inner(self, chain: Place) -> bool:
        """Whether a rule brought the chain along (`jump { ... }`)."""
        message = self.objects.get((NEWCHAIN, *chain))
        return message is not None and bool(_number(message, 10) & CHAIN_BINDING)

    def essence(self, in_order: bool = True) -> str:
        """A digest that is equal for rulesets that do the same. Not `in_order`: whichever table, chain or set was made first."""
        objects = [essence_of(*message) for message in self.objects.values()]
        elements = [repr((place, sorted(map(element_says, found.values())))).encode() for place, found in sorted(self.elements.items())]
        rules = [repr((place, [entry.says for entry in entries])).encode() for place, entries in sorted(self.rules.items()) if entries]
        return hashlib.sha256(b"\0".join([*(objects if in_order else sorted(objects)), *elements, *rules])).hexdigest()

    def aged(self, milliseconds: int) -> Ruleset:
        """The same after so long: elements have less time left, or have expired."""
        if milliseconds <= 0:
            return self
        elements = {place: _aged(found, milliseconds) for place, found in self.elements.items()}
        return self._replace(elements=elements)


def current() -> tuple[Ruleset, list[str], bytes]:
    """The ruleset in the kernel, the names of tables that programs own, and the generation."""
    found = dump()
    return Ruleset.read(found.messages), found.owned, found.generation


def key_of(message: Message) -> Key:
    kind, family, about = message
    names = dict(about)
    return (kind, family, *(names[name] for name in _NAMED_BY[kind]))


def set_flags(message: Message) -> int:
    return _number(message, 3)


def by_packets(message: Message) -> bool:
    """Whether rules put elements into the set while packets pass."""
    return bool(set_flags(message) & _EVAL)


def of_ranges(message: Message) -> bool:
    """Whether elements of the set are the beginnings and ends of ranges, and mean nothing alone."""
    return bool(set_flags(message) & _INTERVAL and not set_flags(message) & _CONCAT)


def expires(element: bytes) -> bool:
    return EXPIRATION in attributes(element)


def identity(element: bytes) -> bytes:
    """What an element is known by in its set."""
    return b"".join(attribute(kind, value) for kind, value in sorted(attributes(element).items()) if kind in _KEYS)


def element_messages(place: Place, elements: t.Mapping[bytes, bytes], kind: int = NEWSETELEM) -> list[Message]:
    """In several messages where one would be too long."""
    parts: list[list[bytes]] = [[]]
    size = 0
    for element in elements.values():
        if size > _LARGEST:
            parts.append([])
            size = 0
        parts[-1].append(attribute(1 | NLA_F_NESTED, element if kind == NEWSETELEM else identity_to_delete(element)))
        size += len(parts[-1][-1])
    family, table, name = place
    return [(kind, family, [(1, table), (2, name), (3, b"".join(part))]) for part in parts if part]


def identity_to_delete(element: bytes) -> bytes:
    return b"".join(raw for kind, raw in _raw(element) if kind in _KEYS)


def _raw(data: bytes) -> list[tuple[int, bytes]]:
    return [(kind, attribute(kind | (NLA_F_NESTED if kind in (1, 2, 7, 10, 11) else 0), value)) for kind, value in attribute_list(data)]


def _aged(elements: Elements, milliseconds: int) -> Elements:
    found = {}
    for key, element in elements.items():
        if not expires(element):
            found[key] = element
            continue
        left = struct.unpack("!Q", attributes(element)[EXPIRATION])[0] - milliseconds
        if left > 0:
            found[key] = b"".join(attribute(kind, struct.pack("!Q", left)) if kind == EXPIRATION else raw for kind, raw in _raw(element))
    return found


def _set_digest(message: Message, elements: Elements) -> bytes:
    kind, family, about = message
    said = essence_of(kind, family, [(name, value) for name, value in about if name not in (1, 2)])
    return hashlib.sha256(said + repr(sorted(map(element_says, elements.values()))).encode()).digest()


def _made(kind: int, about: t.Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return [(name, value) for name, value in about if name in MADE_OF[kind]]


def _place(family: int, about: t.Sequence[tuple[int, bytes]], name: int) -> Place:
    names = dict(about)
    return family, names[1], names[name]


def _number(message: Message, kind: int) -> int:
    return int(struct.unpack("!I", dict(message[2]).get(kind, bytes(4)))[0])


def _free(name: bytes, used: set[bytes]) -> bytes:
    number = 0
    while name in used:
        number += 1
        name = b"__set%d\0" % (10000 + number)
    used.add(name)
    return name
