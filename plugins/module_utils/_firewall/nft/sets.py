# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Sets and maps of nf_tables: their elements, and which of them match a key.

Sources: net/netfilter/nft_set_{hash,rbtree,pipapo}.c, nf_tables_api.c. Keys are compared byte by byte. A set of intervals without
concatenation says where they begin, and with a flag where they end; one with concatenation has the first and the last key of each
element, and several elements may meet a key, of which the first counts.
"""

from __future__ import annotations

import bisect
import typing as t

from ..._typing import Protocol
from ..bits import Partial, Value, bounds, equal, within
from ..effect import Effect
from ..evaluation import UnsupportedError
from .set_elements import (
    CATCHALL,
    DATA,
    ELEM_EXPR,
    ELEM_TIMEOUT,
    EXPIRATION,
    EXPRESSIONS,
    FLAGS,
    INTERVAL_END,
    KEY_END,
    OBJREF,
    USERDATA,
    split,
)
from .wire import Attributes, DecodeError, attribute_list, attributes, long, name, number, value, value_or_verdict

ANONYMOUS, CONSTANT, INTERVAL, MAP, TIMEOUT, EVAL, OBJECT, CONCAT, EXPR = (1 << bit for bit in range(9))
_SHORT = 24  # bytes, such as flags


Data = t.Union[bytes, Effect]


class Carried(Protocol):
    """An expression that an element carries, with a state of its own."""

    def run(self, at: t.Any) -> Effect | None: ...


Decode = t.Callable[[bytes], Carried]


class Element(t.NamedTuple):
    """What comes with a key. `data`: a map's value or verdict; `name`: that of an object."""

    key: bytes
    last: bytes  # the last key of a range, where the set has such
    data: Data | None
    name: str | None
    expressions: tuple[Carried, ...]
    expires: int | None = None  # milliseconds that it has left; None: it stays
    userdata: bytes = b""


_NOTHING = Element(b"", b"", None, None, ())  # where an interval ends and none begins


def _plain(key: bytes) -> Element:
    return Element(key, key, None, None, ())


class About(t.NamedTuple):
    """The set itself, from NFT_MSG_NEWSET."""

    name: str
    flags: int
    key_length: int
    data_type: int
    data_length: int
    size: int
    fields: tuple[int, ...]  # lengths of a concatenation's fields
    userdata: bytes
    object_type: int = 0  # NFT_OBJECT_* of a map to objects


def about(body: bytes) -> About:
    """From the body of a message that follows nfgenmsg."""
    found = attributes(body)
    described = attributes(found.get(9, b""))
    fields = tuple(number(attributes(each), 1) for _kind, each in attribute_list(described.get(2, b"")))
    return About(
        name=name(found, 2),
        flags=number(found, 3, 0),
        key_length=number(found, 5, 0),
        data_type=number(found, 6, 0),
        data_length=number(found, 7, 0),
        size=number(described, 1, 0),
        fields=fields,
        userdata=found.get(13, b""),
        object_type=number(found, 15, 0),
    )


class Set:
    """A set with its elements, as they were when it was read."""

    def __init__(self, about: About, raw: t.Iterable[bytes], decode: Decode) -> None:
        """`raw`: the contents of NFTA_SET_ELEM_LIST_ELEMENTS of all messages."""
        self.about = about
        self._decode = decode
        self.catchall: Element | None = None
        self.count = 0
        self.interval, self.ranged = bool(about.flags & INTERVAL), False
        self.exact: dict[bytes, Element | None] = {}  # None: one without anything besides its key
        self._starts: list[bytes] = []  # of an interval set, both kinds of ends in one list
        self._open: list[Element | None] = []  # what begins at each; None: an element with nothing besides its key
        self._shapes: dict[tuple[int, ...], dict[tuple[int, ...], list[tuple[int, Element]]]] = {}
        self._cells = _cells(about)
        self._some: dict[Value, list[Element]] = {}
        self._load(raw)

    def find(self, key: bytes, without: t.Collection[bytes] = ()) -> Element | None:
        """The element that a wholly known key meets, leaving out the catch-all. `without`: the keys of elements that are not to count."""
        if self.ranged:
            return self._in_ranges(key, without)
        if self.interval:
            at = bisect.bisect_right(self._starts, key) - 1
            found = self._opened(at) if at >= 0 else None
        else:
            found = (self.exact[key] or _plain(key)) if key in self.exact else None
        return None if found is not None and found.key in without else found

    def possible(self, key: Partial) -> tuple[list[Element], bool]:
        """The elements that a partly known key may meet, and whether it may as well meet none of them."""
        if self.interval and not self.ranged:
            return self._possible_intervals(key)
        if key not in self._some:
            self._some[key] = [each for each in self.elements() if self._may_meet(each, key)]
        found = self._some[key]
        surely = any(self._surely_meets(each, key) for each in found)
        return found, not surely

    def elements(self) -> t.Iterator[Element]:
        """All but the catch-all."""
        if self.ranged:
            everything = [pair for shape in self._shapes.values() for cell in shape.values() for pair in cell]
            yield from (each for _order, each in sorted(everything, key=lambda pair: pair[0]))
        elif self.interval:
            yield from (each for _first, _behind, each in self.intervals())
        else:
            yield from (each or _plain(key) for key, each in self.exact.items())

    def intervals(self) -> t.Iterator[tuple[bytes, bytes | None, Element]]:
        """(first, first after it or None at the end, element) of a set of intervals without concatenation."""
        for at, first in enumerate(self._starts):
            each = self._opened(at)
            if each is not None:
                yield first, self._starts[at + 1] if at + 1 < len(self._starts) else None, each

    def ends(self, element: Element) -> tuple[bytes, bytes | None]:
        """Where an element of a set of intervals without concatenation begins, and what is first after it."""
        at = bisect.bisect_right(self._starts, element.key)
        return element.key, self._starts[at] if at < len(self._starts) else None

    def _opened(self, at: int) -> Element | None:
        """What begins at an end of an interval; None where nothing does."""
        each = self._open[at]
        return None if each is _NOTHING else each or _plain(self._starts[at])

    # -- building

    def _load(self, raw: t.Iterable[bytes]) -> None:
        ends: set[bytes] = set()
        begins: dict[bytes, Element | None] = {}
        like: dict[bytes, Attributes] = {b"": {}}  # short rests are mostly alike
        for chunk in raw:
            for key, rest in split(chunk):
                inner = like.get(rest)
                if inner is None:
                    inner = attributes(rest)
                    if len(rest) <= _SHORT:
                        like[rest] = inner
                if not inner and not self._cells:
                    (begins if self.interval else self.exact)[key] = None
                elif ELEM_TIMEOUT in inner and EXPIRATION in inner and not long(inner, EXPIRATION):
                    continue
                else:
                    self._add(key, inner, begins, ends)
        self.count += len(self.exact) + len(begins)
        if self.interval and not self._cells:
            self._starts = sorted(ends | begins.keys())
            self._open = [begins.get(key, _NOTHING) for key in self._starts]

    def _add(self, key: bytes, inner: Attributes, begins: dict[bytes, Element | None], ends: set[bytes]) -> None:
        flags = number(inner, FLAGS, 0)
        if flags & CATCHALL:
            self.catchall = self._element(b"", b"", inner)
        elif not self.interval:
            self.exact[key] = self._element(key, key, inner)
        elif self._cells:
            self._add_range(self._element(key, value(inner[KEY_END]) if KEY_END in inner else key, inner))
        elif flags & INTERVAL_END:
            ends.add(key)
        else:
            begins[key] = self._element(key, key, inner)

    def _element(self, key: bytes, last: bytes, inner: Attributes) -> Element:
        data = value_or_verdict(inner[DATA]) if DATA in inner else None
        raw = [inner[ELEM_EXPR]] if ELEM_EXPR in inner else [each for _kind, each in attribute_list(inner.get(EXPRESSIONS, b""))]
        return Element(
            key=key,
            last=last,
            data=data,
            name=name(inner, OBJREF) if OBJREF in inner else None,
            expressions=tuple(map(self._decode, raw)),
            expires=long(inner, EXPIRATION) if EXPIRATION in inner else None,
            userdata=inner.get(USERDATA, b""),
        )

    # -- concatenations of ranges: elements of equal prefix lengths lie in one dictionary each

    def _add_range(self, element: Element) -> None:
        self.ranged = True
        if len(element.key) != len(element.last) or len(element.key) < self._cells[-1].stop:
            raise DecodeError(f"an element of set {self.about.name} has a key of {len(element.key)} bytes")
        shape, cell = [], []
        for field in self._cells:
            first, last = int.from_bytes(element.key[field], "big"), int.from_bytes(element.last[field], "big")
            free = (first ^ last).bit_length()
            shape.append(free)
            cell.append(first >> free)
        self._shapes.setdefault(tuple(shape), {}).setdefault(tuple(cell), []).append((self.count, element))
        self.count += 1

    def _in_ranges(self, key: bytes, without: t.Collection[bytes]) -> Element | None:
        numbers = [int.from_bytes(key[field], "big") for field in self._cells]
        found: tuple[int, Element] | None = None
        for shape, cells in self._shapes.items():
            for order, element in cells.get(tuple(each >> free for each, free in zip(numbers, shape)), ()):
                if (found is None or order < found[0]) and self._holds(element, key) and element.key not in without:
                    found = (order, element)
        return found[1] if found else None

    def _holds(self, element: Element, key: bytes) -> bool:
        return all(element.key[field] <= key[field] <= element.last[field] for field in self._cells)

    # -- keys of which some bits are unknown

    def _may_meet(self, element: Element, key: Partial) -> bool:
        if not self.ranged:
            return equal(key, element.key) is not False
        return all(within(_cut(key, field), element.key[field], element.last[field]) is not False for field in self._cells)

    def _surely_meets(self, element: Element, key: Partial) -> bool:
        if not self.ranged:
            return equal(key, element.key) is True
        return all(within(_cut(key, field), element.key[field], element.last[field]) is True for field in self._cells)

    def _possible_intervals(self, key: Partial) -> tuple[list[Element], bool]:
        least, greatest = bounds(key)
        first, last = bisect.bisect_right(self._starts, least) - 1, bisect.bisect_right(self._starts, greatest) - 1
        met = [self._opened(at) for at in range(max(first, 0), last + 1)]
        return [each for each in met if each is not None], first < 0 or any(each is None for each in met)


def _cut(key: Partial, field: slice) -> Value:
    return Partial(key.value[field], key.known[field], key.why, key.drawn)


def _cells(about: About) -> list[slice]:
    """Where the fields of a concatenation of intervals lie: each begins at a multiple of four bytes."""
    if len(about.fields) < 2:
        return []
    cells, at = [], 0
    for length in about.fields:
        if not 0 < length <= 16:
            raise UnsupportedError(f"set {about.name} has a field of {length} bytes")
        cells.append(slice(at, at + length))
        at += (length + 3) & ~3
    return cells
