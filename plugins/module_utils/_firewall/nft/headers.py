# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Expressions on headers: payload loads and writes, IPv6 extension headers, IP and TCP options.

Sources: net/netfilter/nft_payload.c, nft_exthdr.c. The packet is a TCP segment without data, neither a fragment nor with extension headers.
"""

from __future__ import annotations

import typing as t

from ..bits import Partial, Value
from ..evaluation import Action, UnsupportedError
from ..packet import Header, Packet
from .context import BREAK, Context, Result, host, unknown
from .operations import Expression
from .wire import Attributes, DecodeError, byte, number, register

LINK, NETWORK, TRANSPORT, INNER = range(4)
NFT_EXTHDR_F_PRESENT = 1
OP_IPV6, OP_TCPOPT, OP_IPV4, OP_SCTP, OP_DCCP = range(5)
_LONGEST = 64  # bytes, all registers
_FIXED = (14, 40, 20)  # bytes of the headers that are always there, IP's with TCP's
# What makes a packet the kind that it is, bits by the part of the packet and the family: Ethertype; version, lengths, fragment, protocol;
# data offset.
_KIND = {
    (LINK, 4): {12: 0xFF, 13: 0xFF},
    (LINK, 6): {12: 0xFF, 13: 0xFF},
    (NETWORK, 4): {0: 0xFF, 2: 0xFF, 3: 0xFF, 6: 0x3F, 7: 0xFF, 9: 0xFF},
    (NETWORK, 6): {0: 0xF0, 4: 0xFF, 5: 0xFF, 6: 0xFF},
    (TRANSPORT, 4): {12: 0xF0},
    (TRANSPORT, 6): {12: 0xF0},
}


class Payload(Expression):
    """Bytes of the packet into a register; behind the packet's end the rule does not match. `fixed`: they are in every packet."""

    __slots__ = ("base", "fixed", "length", "offset", "target")

    def __init__(self, about: Attributes) -> None:
        self.target, self.base = register(about, 1), number(about, 2)
        self.offset, self.length = number(about, 3), number(about, 4)
        if self.base > INNER or self.length > _LONGEST:
            raise UnsupportedError(f"an expression loads {self.length} bytes from part {self.base} of the packet")
        self.fixed = self.base < INNER and self.offset + self.length <= _FIXED[self.base]

    def load(self, at: Context) -> Value | None:
        return _bytes(at, self.base, self.offset, self.length)

    def run(self, at: Context) -> Result:
        found = self.load(at)
        if found is None:
            return BREAK
        at.registers.put(self.target, found)
        return None


class PayloadSet(Expression):
    """A register into the packet; checksums follow, which nothing here looks at."""

    __slots__ = ("base", "length", "offset", "source")

    def __init__(self, about: Attributes) -> None:
        self.base, self.offset, self.length = number(about, 2), number(about, 3), number(about, 4)
        self.source = register(about, 5)
        if self.base > INNER or self.length > _LONGEST:
            raise UnsupportedError(f"an expression writes {self.length} bytes to part {self.base} of the packet")

    def run(self, at: Context) -> Result:
        header = (at.packet.link, at.packet.network, at.packet.transport, None)[self.base]
        if header is None or self.offset + self.length > len(header.bytes):
            raise UnsupportedError(f"a rule writes {self.length} bytes behind the packet's headers")
        fresh, kind = at.registers.get(self.source, self.length), self._kind(header, at.packet)
        if isinstance(fresh, bytes):
            header.put(self.offset, fresh)
        else:
            header.forget(self.offset, self.length)
            header.put(self.offset, fresh.value, fresh.known)
        if self._kind(header, at.packet) != kind:
            raise UnsupportedError("a rule rewrites the packet's headers so that it is of another kind, or none that anybody takes")
        at.changed(Action("write", at.rule.part_at(at.position) if at.rule else "payload set"))
        return None

    def _kind(self, header: Header, packet: Packet) -> list[tuple[int, int]]:
        bits = _KIND[self.base, packet.family].items()
        return [(header.bytes[place] & header.known[place] & mask, header.known[place] & mask) for place, mask in bits]


class ExtensionHeader(Expression):
    """A field of an option or extension header, or whether there is such a header."""

    __slots__ = ("kind", "length", "offset", "operation", "present", "target")

    def __init__(self, about: Attributes) -> None:
        self.target, self.kind, self.offset = register(about, 1), byte(about, 2), number(about, 3)
        self.length, self.present = number(about, 4), bool(number(about, 5, 0) & NFT_EXTHDR_F_PRESENT)
        self.operation = number(about, 6, OP_IPV6)
        if self.operation > OP_DCCP or self.length > _LONGEST:
            raise UnsupportedError(f"an expression asks for extension headers of a kind {self.operation} that is not known here")

    def run(self, at: Context) -> Result:
        found: Value | None = None
        if self.operation == OP_TCPOPT:
            found = self._option(at)
        if self.present:
            at.registers.put(self.target, found if isinstance(found, Partial) else host(found is not None, 1))
            return None
        if found is None:
            return BREAK
        at.registers.put(self.target, found)
        return None

    def _option(self, at: Context) -> Value | None:
        """The option's bytes; a bit or a choice where the question does not tell the options."""
        if at.packet.options is None:
            why = f"the question does not tell TCP option {self.kind}"
            if self.present:
                return Partial(b"\0", b"\xfe", why)
            there = at.choose(f"whether there is a TCP option {self.kind}", ("tcp option", self.kind))
            return unknown(self.length, why) if there else None
        found = option(at.packet.options, self.kind)
        if found is None or self.offset + self.length > len(found):
            return None
        return found[self.offset : self.offset + self.length]


class ExtensionHeaderSet(Expression):
    """Writes to a TCP option, or removes it (no register to write from). Where there is no such option, nothing is done."""

    __slots__ = ("kind", "length", "offset", "operation", "source")

    def __init__(self, about: Attributes) -> None:
        self.kind, self.offset, self.length = byte(about, 2), number(about, 3, 0), number(about, 4, 0)
        self.operation = number(about, 6, OP_IPV6)
        self.source = register(about, 7) if 7 in about else None
        if self.operation != OP_TCPOPT:
            raise UnsupportedError("a rule writes to an extension header, which is not modelled")

    def run(self, at: Context) -> Result:
        options = at.packet.options
        found = None if options is None else option(options, self.kind)
        if options is None or found is None:
            return None
        if self.source is None:
            at.packet.options = options.replace(found, b"\1" * len(found))
        elif self.offset + self.length > len(found):
            return BREAK
        else:
            self._write(at, options, found)
        at.packet.generation += 1
        return None

    def _write(self, at: Context, options: bytes, found: bytes) -> None:
        fresh = at.registers.get(self.source or 0, self.length)
        if not isinstance(fresh, bytes):
            at.packet.options = None
            return
        if self.kind == 2 and self.length == 2 and fresh > found[self.offset : self.offset + 2]:
            return  # the MSS is never raised (nft_exthdr_tcp_set_eval)
        start = options.index(found) + self.offset
        at.packet.options = options[:start] + fresh + options[start + self.length :]


def option(options: bytes, kind: int) -> bytes | None:
    """The bytes of a TCP option, kind and length included; as the kernel, nothing behind one of a wrong length."""
    at = 0
    while at < len(options):
        if options[at] == kind and kind in (0, 1):
            return options[at : at + 1]
        if options[at] == 0:
            return None
        length = 1 if options[at] == 1 else options[at + 1] if at + 1 < len(options) else 0
        if length == 0 or at + length > len(options) or (options[at] > 1 and length < 2):
            return None
        if options[at] == kind:
            return options[at : at + length]
        at += length
    return None


def _bytes(at: Context, base: int, offset: int, length: int) -> Value | None:
    """As skb_copy_bits: a load may go beyond its header into the next one."""
    packet = at.packet
    headers = (packet.link, packet.network, packet.transport)
    if base == INNER:
        return _behind(at, offset, length)
    if base == LINK and not packet.link.bytes:
        return None
    for header in headers[base:]:
        if offset + length <= len(header.bytes):
            return header.get(offset, length)
        if offset < len(header.bytes):
            return _across(at, base, offset, length)
        offset -= len(header.bytes)
    return _behind_header(at, offset, length)


def _across(at: Context, base: int, offset: int, length: int) -> Value | None:
    packet = at.packet
    everything: list[Header] = [packet.link, packet.network, packet.transport][base:]
    while everything and offset >= len(everything[0].bytes):
        offset -= len(everything.pop(0).bytes)
    value = b"".join(bytes(each.bytes) for each in everything)
    sure = b"".join(bytes(each.known) for each in everything)
    missing = offset + length - len(value)
    if missing > 0:
        rest = _behind_header(at, 0, missing)
        if rest is None:
            return None
        value += rest if isinstance(rest, bytes) else rest.value
        sure += b"\xff" * missing if isinstance(rest, bytes) else rest.known
    return Partial(value[offset : offset + length], sure[offset : offset + length], packet.transport.why)


def _behind_header(at: Context, offset: int, length: int) -> Value | None:
    """Behind the TCP header's fixed part: its options, then nothing."""
    options = at.packet.options
    if options is None:
        if offset + length > 40 or not at.choose("how long the TCP header is", ("behind the TCP header", offset + length)):
            return None
        return unknown(length, "the question does not tell the TCP options")
    return options[offset : offset + length] if offset + length <= len(options) else None


def _behind(at: Context, offset: int, length: int) -> Value | None:
    """The segment's data: none in a handshake, unless it is TCP Fast Open or an ACK that carries some."""
    del offset
    if at.packet.length is not None and at.packet.length == _header_bytes(at.packet):
        return None
    return unknown(length, "the question does not tell the data") if at.choose("whether it carries data", "data") else None


def _header_bytes(packet: Packet) -> int | None:
    return None if packet.options is None else len(packet.network.bytes) + len(packet.transport.bytes) + len(packet.options)


def _payload(about: Attributes) -> Expression:
    if 5 in about:
        return PayloadSet(about)
    if 1 not in about:
        raise DecodeError("a payload expression that neither loads nor writes")
    return Payload(about)


def _extension(about: Attributes) -> Expression:
    return ExtensionHeader(about) if 1 in about else ExtensionHeaderSet(about)


DECODERS: dict[str, t.Callable[[Attributes], Expression]] = {"payload": _payload, "exthdr": _extension}
