# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Names and values of the fields that expressions load, in nft's syntax."""

from __future__ import annotations

import ipaddress
import sys
import typing as t

from ..protocols import BY_NUMBER
from .wire import IFNAMSIZ

_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr")

Links = t.Mapping[int, t.Any]
Format = t.Callable[[bytes, Links], str]


class Field(t.NamedTuple):
    """What a register was loaded with."""

    name: str
    form: Format  # how its values are written
    length: int  # in bytes
    pieces: tuple[Field, ...] = ()  # fields that one load covers
    bits: bool = False  # whether its bits have names
    determines: str | None = None  # the layer whose protocol its value determines: link | network | transport

    def each(self, data: bytes) -> list[tuple[Field, bytes]]:
        """The pieces with their bytes."""
        starts = [sum(piece.length for piece in self.pieces[:at]) for at in range(len(self.pieces))]
        return [(piece, data[start : start + piece.length]) for piece, start in zip(self.pieces, starts)]


def number(data: bytes, _links: Links) -> str:
    return str(int.from_bytes(data, "big"))


def host_number(data: bytes, _links: Links) -> str:
    return str(int.from_bytes(data, sys.byteorder))


def mark(data: bytes, _links: Links) -> str:
    return f"{int.from_bytes(data, sys.byteorder):#010x}"


def hexadecimal(data: bytes, _links: Links) -> str:
    return f"{int.from_bytes(data, 'big'):#x}"


def address(data: bytes, _links: Links) -> str:
    """A whole address; what is none, as bytes."""
    return str(ipaddress.ip_address(data)) if len(data) in (4, 16) else hexadecimal(data, _links)


def prefix(size: int) -> Format:
    """How the beginning of an address of so many bytes is written, which compares a prefix."""
    return lambda data, _links: f"{ipaddress.ip_address(data.ljust(size, bytes(1))[:size])}/{len(data) * 8}"


def string(data: bytes, _links: Links) -> str:
    """A name; one without a zero after it is the beginning of several."""
    text = data.split(b"\0", 1)[0].decode("utf-8", "replace")
    return f'"{text}"' if b"\0" in data or len(data) >= IFNAMSIZ else f'"{text}*"'


def interface(data: bytes, links: Links) -> str:
    index = int.from_bytes(data, sys.byteorder)
    return f'"{links[index].name}"' if index in links else str(index)


def one_of(names: t.Mapping[int, str] | t.Sequence[str], host: bool = False) -> Format:
    table: dict[int, str] = dict(names) if isinstance(names, dict) else dict(enumerate(t.cast(t.Sequence[str], names)))

    def form(data: bytes, _links: Links) -> str:
        found = int.from_bytes(data, sys.byteorder if host else "big")
        return table.get(found, str(found))

    return form


def bits(names: t.Sequence[str] | t.Mapping[str, int], host: bool = False) -> Format:
    masks = dict(names) if isinstance(names, dict) else {name: 1 << bit for bit, name in enumerate(names)}

    def form(data: bytes, _links: Links) -> str:
        value = int.from_bytes(data, sys.byteorder if host else "big")
        return ",".join(name for name, mask in masks.items() if value & mask) or "0x0"

    return form


tcp_flags = bits(_FLAGS)
protocol = one_of(BY_NUMBER)
nfproto = one_of({2: "ipv4", 10: "ipv6", 3: "arp", 5: "netdev", 7: "bridge"})
ethertype = one_of({0x0800: "ip", 0x86DD: "ip6", 0x0806: "arp", 0x8100: "8021q"})
presence: Format = lambda data, _links: "exists" if any(data) else "missing"  # noqa: E731


def written(fields: t.Sequence[Field], data: bytes, links: Links) -> str:
    """The value of one field or of several that are joined."""
    words, at = [], 0
    for field in fields:
        if len(fields) == 1:
            return field.form(data, links)
        words.append(field.form(data[at : at + field.length], links))
        at += (field.length + 3) & ~3
    return " . ".join(words)
