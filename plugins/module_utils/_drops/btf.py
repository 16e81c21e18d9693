# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read the running kernel's structure layouts and the names in its enumerations (Documentation/bpf/btf.rst).

Types are named as C does: `struct sk_buff`, `enum skb_drop_reason`, and `typedef btf_trace_kfree_skb`. Of more than 100,000 types, those
that were named at the start are found by their names, and those that they refer to by their numbers; nothing else is decoded.
"""

from __future__ import annotations

import array
import struct
import typing as t

from .._errors import DecodeError

VMLINUX = "/sys/kernel/btf/vmlinux"

_POINTER, _ARRAY, _STRUCT, _UNION, _ENUM, _FORWARD, _TYPEDEF, _PROTOTYPE, _ENUM64 = 2, 3, 4, 5, 6, 7, 8, 13, 19  # BTF_KIND_*
_KINDS = {"struct": _STRUCT, "enum": _ENUM, "typedef": _TYPEDEF}
_ALIASES = frozenset((_TYPEDEF, 9, 10, 11, 18))  # and volatile, const, restrict, type tags: each is the type that it refers to
_WORDS = [3] * 32  # 32-bit words of a type of each kind,
_WORDS_EACH = [0] * 32  # and those of each of its members
for _kind, _words in {1: 1, _ARRAY: 3, 14: 1, 17: 1}.items():  # integers, arrays, variables, declaration tags
    _WORDS[_kind] += _words
for _kind, _words in {_STRUCT: 3, _UNION: 3, _ENUM: 2, _PROTOTYPE: 2, 15: 3, _ENUM64: 3}.items():  # 15: sections
    _WORDS_EACH[_kind] = _words

_MAGIC, _VERSION = 0xEB9F, 1
_HEADER = struct.Struct("=HBBIIIII")
_DEEPEST = 32  # of structures within structures, and of aliases: deeper is a circle


class Btf:
    """The types of a kernel that have some names. DecodeError for data that is no type information."""

    def __init__(self, data: bytes, names: t.Iterable[str]) -> None:
        if len(data) < _HEADER.size:
            raise DecodeError(f"type information (BTF) of {len(data)} bytes is shorter than its header")
        magic, version, _flags, header, types, types_length, strings, strings_length = _HEADER.unpack_from(data)
        if (magic, version) != (_MAGIC, _VERSION):
            raise DecodeError(f"type information (BTF) begins with 0x{magic:04x} version {version}, not with 0x{_MAGIC:04x} version 1")
        if header + max(types + types_length, strings + strings_length) > len(data) or types_length % 4:
            raise DecodeError("type information (BTF) is cut off")
        self._words = array.array("I", data[header + types : header + types + types_length])
        self._strings = data[header + strings : header + strings + strings_length]
        self._places = _places(self._words)
        self._numbers = self._find(names)

    @classmethod
    def of_kernel(cls, names: t.Iterable[str], path: str = VMLINUX) -> Btf:
        """Of the running kernel. OSError where it has none: Linux before 5.4, or built without CONFIG_DEBUG_INFO_BTF."""
        with open(path, "rb") as file:
            return cls(file.read(), names)

    def __contains__(self, name: str) -> bool:
        return name in self._numbers

    def offset(self, structure: str, path: str) -> int | None:
        """Bytes from the beginning of a structure to a member (`__sk_common.skc_net.net`); None where this kernel has no such member.

        Members of anonymous structures and unions are those of the structure around them, as in C.
        """
        number = self._numbers.get(structure)
        if number is None:
            return None
        bits = 0
        for name in path.split("."):
            member = self._member(number, name, 0)
            if member is None:
                return None
            number, more = member
            bits += more
        return bits // 8

    def parameters(self, name: str) -> list[str]:
        """The types of the parameters of a (pointer to a) function type: `struct sk_buff *`, `void *`, `enum ...`, or `` for others."""
        number = self._plain(self._numbers[name])
        if self._kind(number) == _POINTER:
            number = self._plain(self._refers(number))
        if self._kind(number) != _PROTOTYPE:
            raise DecodeError(f"{name} is no function type")
        return [self._spelled(kind) for _name, kind in self._members(number, 2)]

    def enumerators(self, name: str) -> dict[int, str]:
        """Names by value; empty where the kernel has no such enumeration."""
        number = self._numbers.get(name)
        return {} if number is None else {value: self._string(text) for text, value in self._members(number, 2)}

    def _find(self, names: t.Iterable[str]) -> dict[str, int]:
        wanted: dict[int, dict[int, str]] = {}
        for name in names:
            kind, _blank, bare = name.partition(" ")
            at = self._strings.find(b"\0" + bare.encode("ascii") + b"\0")
            if at >= 0:
                wanted.setdefault(at + 1, {})[_KINDS[kind]] = name
        found: dict[str, int] = {}
        words = self._words
        for number, place in enumerate(self._places):
            if words[place] in wanted and number:
                whole = wanted[words[place]].get(self._kind(number))
                if whole:
                    found.setdefault(whole, number)
        return found

    def _member(self, number: int, name: str, depth: int) -> tuple[int, int] | None:
        """(type, offset in bits) of a member."""
        number = self._plain(number)
        if depth > _DEEPEST or self._kind(number) not in (_STRUCT, _UNION):
            return None
        packed = self._words[self._place(number) + 1] >> 31  # then the upper byte of an offset is the width of a bit field
        for text, kind, offset in self._members(number, 3):
            offset = offset & 0xFFFFFF if packed else offset
            if text:
                if self._string(text) == name:
                    return kind, offset
                continue
            inner = self._member(kind, name, depth + 1)
            if inner is not None:
                return inner[0], offset + inner[1]
        return None

    def _members(self, number: int, width: int) -> t.Iterator[t.Any]:
        """The entries after a type, of so many words each."""
        place = self._place(number)
        first = place + _WORDS[self._kind(number)]
        count = self._words[place + 1] & 0xFFFF
        for at in range(first, first + count * width, width):
            yield tuple(self._words[at : at + width])

    def _spelled(self, number: int) -> str:
        number = self._plain(number)
        kind = self._kind(number)
        if kind == _POINTER:
            target = self._plain(self._refers(number))
            if not target:
                return "void *"
            known = self._kind(target) in (_STRUCT, _FORWARD)
            return f"struct {self._string(self._words[self._place(target)])} *" if known else " *"
        return f"enum {self._string(self._words[self._place(number)])}" if kind == _ENUM else ""

    def _plain(self, number: int) -> int:
        """The type behind typedefs and qualifiers."""
        for _turn in range(_DEEPEST):
            if self._kind(number) not in _ALIASES:
                return number
            number = self._refers(number)
        raise DecodeError("types of the type information (BTF) refer to each other in a circle")

    def _kind(self, number: int) -> int:
        return self._words[self._place(number) + 1] >> 24 & 0x1F if number else 0

    def _refers(self, number: int) -> int:
        return self._words[self._place(number) + 2]

    def _place(self, number: int) -> int:
        if not 0 < number < len(self._places):
            raise DecodeError(f"type {number} is none of the {len(self._places) - 1} of the type information (BTF)")
        return self._places[number]

    def _string(self, at: int) -> str:
        return self._strings[at : self._strings.find(b"\0", at)].decode("ascii", "replace")


def _places(words: t.Sequence[int]) -> list[int]:
    """Where each type begins, by its number. They are numbered from 1; 0 is void."""
    places, at, end = [0], 0, len(words)
    each, fixed, append = _WORDS_EACH, _WORDS, places.append  # this runs for each of more than 100,000 types
    try:
        while at < end:
            append(at)
            info = words[at + 1]
            kind = info >> 24 & 0x1F
            at += fixed[kind] + each[kind] * (info & 0xFFFF)
    except IndexError:
        at = end + 1
    if at != end:
        raise DecodeError("type information (BTF) ends within a type")
    return places
