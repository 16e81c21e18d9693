# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The elements of a set in a netlink message, each as its key and what follows it."""

from __future__ import annotations

import struct
import typing as t

from ..._wire.netlink import NLA_TYPE_MASK
from .wire import DecodeError, attribute_list, attributes, number, value

INTERVAL_END, CATCHALL = 1, 2
(KEY, DATA, FLAGS, ELEM_TIMEOUT, EXPIRATION, USERDATA, ELEM_EXPR, _PAD, OBJREF, KEY_END, EXPRESSIONS) = range(1, 12)
_HEADERS = struct.Struct("=HHHHHH")  # of an element, its key, and the key's value


def split(chunk: bytes) -> t.Iterator[tuple[bytes, bytes]]:
    """(key, what follows it) of each element. Elements of one set mostly begin with the same headers, which are read once."""
    shapes: dict[bytes, tuple[int, int, int]] = {}
    at, end = 0, len(chunk)
    while at < end:
        head = chunk[at : at + 12]
        shape = shapes.get(head)
        if shape is None:
            shape = _shape(head)
            if not shape[0]:
                yield from _other(chunk, at)
                return
            shapes[head] = shape
        length, key, rest = shape
        if at + length > end:
            raise DecodeError(f"a set element says {length} bytes where {end - at} remain")
        yield chunk[at + 12 : at + key], chunk[at + rest : at + length]
        at += (length + 3) & ~3


def _shape(head: bytes) -> tuple[int, int, int]:
    """(length of the element, end of its key, where the rest begins); zeros where it does not begin with its key."""
    if len(head) < 12:
        return (0, 0, 0)
    length, _list, key_length, key, value_length, kind = _HEADERS.unpack(head)
    if key & NLA_TYPE_MASK != KEY or kind & NLA_TYPE_MASK != 1 or value_length + 4 != key_length or not 4 <= value_length <= length - 8:
        return (0, 0, 0)
    return length, 8 + value_length, min(4 + (key_length + 3 & ~3), length)


def _other(chunk: bytes, at: int) -> t.Iterator[tuple[bytes, bytes]]:
    """Elements whose attributes stand in another order, such as a catch-all element, which has no key."""
    for _kind, data in attribute_list(chunk[at:]):
        inner = attributes(data)
        if KEY not in inner and not number(inner, FLAGS, 0) & CATCHALL:
            raise DecodeError("a set element has no key")
        yield value(inner[KEY]) if KEY in inner else b"", data
