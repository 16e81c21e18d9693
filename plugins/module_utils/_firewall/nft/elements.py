# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Elements of sets without names, in nft's words and in its order."""

from __future__ import annotations

import ipaddress
import sys
import typing as t

from . import fields as _fields
from .fields import Field
from .sets import Element, Set


def elements(found: Set, fields: t.Sequence[Field], links: _fields.Links, most: int) -> str:
    """The elements of a set without a name, bounded."""
    words: list[str] = []

    def add(text: str, element: Element) -> bool:
        words.append(text + _with(element, links, found.about.data_type))
        return len(words) > most

    if found.interval and not found.ranged:
        for first, behind, element in found.intervals():
            if add(interval(fields, first, behind, links), element):
                break
    else:
        for element in sorted(found.elements(), key=lambda each: order(fields, each.key)):
            if add(one(fields, element, links), element):
                break
    if found.catchall is not None:
        words.append("*" + _with(found.catchall, links, found.about.data_type))
    return "{ " + ", ".join([*words[:most], "..."] if len(words) > most else words) + " }"


def one(fields: t.Sequence[Field], element: Element, links: _fields.Links) -> str:
    """An element of a set without intervals, or with concatenations of them."""
    return _fields.written(fields, element.key, links) if element.key == element.last else _range(fields, element, links)


IN_NETWORK_ORDER = (_fields.number, _fields.address, _fields.protocol)
_MARK = 19  # nft's number of that type of data


def order(fields: t.Sequence[Field], key: bytes) -> int:
    """Where an element stands among others as nft sorts them: numbers of several fields are one of the host's byte order."""
    if len(fields) < 2:
        return int.from_bytes(key, "big" if not fields or fields[0].form in IN_NETWORK_ORDER else "little")
    joined, at = b"", 0
    for field in fields:
        joined += key[at : at + field.length]
        at += (field.length + 3) & ~3
    return int.from_bytes(joined, sys.byteorder)


def _with(element: Element, links: _fields.Links, data_type: int = 0) -> str:
    if isinstance(element.data, bytes):
        return f" : {_fields.mark(element.data, links) if data_type == _MARK else _data(element.data, links)}"
    if element.data is not None:
        return f" : {element.data if isinstance(element.data, str) else ' '.join(map(str, element.data))}"
    return f' : "{element.name}"' if element.name else ""


def _data(data: bytes, links: _fields.Links) -> str:
    if len(data) == 8:
        return f"{ipaddress.ip_address(data[:4])} . {int.from_bytes(data[4:6], 'big')}"
    return _fields.address(data, links) if len(data) in (4, 16) else _fields.number(data, links)


def interval(fields: t.Sequence[Field], first: bytes, behind: bytes | None, links: _fields.Links) -> str:
    """Of a set of intervals without concatenation, by where the interval begins and what is first after it."""
    form = fields[0].form if fields else _fields.hexadecimal
    size = len(first)
    last = ((int.from_bytes(behind, "big") if behind is not None else 1 << 8 * size) - 1).to_bytes(size, "big")
    if first == last:
        return form(first, links)
    if form is _fields.string:
        return '"' + first.rstrip(b"\0").decode("utf-8", "replace") + '*"'
    low, high = int.from_bytes(first, "big"), int.from_bytes(last, "big")
    free = (low ^ high).bit_length()
    if form is _fields.address and low >> free << free == low and high - low == (1 << free) - 1:
        return f"{form(first, links)}/{8 * size - free}"
    return f"{form(first, links)}-{form(last, links)}"


def _range(fields: t.Sequence[Field], element: Element, links: _fields.Links) -> str:
    words, at = [], 0
    for field in fields:
        least, greatest = element.key[at : at + field.length], element.last[at : at + field.length]
        behind = int.from_bytes(greatest, "big") + 1
        end = behind.to_bytes(len(greatest), "big") if behind < 1 << 8 * len(greatest) else None
        words.append(interval([field], least, end, links))
        at += (field.length + 3) & ~3
    return " . ".join(words)
