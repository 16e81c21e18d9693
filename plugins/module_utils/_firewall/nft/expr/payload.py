# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load bytes of the packet, or write them (net/netfilter/nft_payload.c).

The packet is a TCP segment without data, neither a fragment nor with extension headers.
"""

from __future__ import annotations

from ...bits import Partial, Value
from ...evaluation import Action, UnsupportedError
from ...packet import Header, Packet
from ..context import Context, Result, unknown
from ..describer import Describer
from ..expression import Expression, Load
from ..fields import Field
from ..headers import header_field
from ..wire import Attributes, DecodeError, number, register

NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_OFFSET, NFTA_PAYLOAD_LEN, NFTA_PAYLOAD_SREG = range(1, 6)
NFT_PAYLOAD_LL_HEADER, NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_PAYLOAD_INNER_HEADER = range(4)
_HEADERS = ("link", "network", "transport", "inner")
_LAYERS = dict(enumerate(_HEADERS[:NFT_PAYLOAD_INNER_HEADER]))
_LONGEST = 64  # bytes, all registers
_FIXED = (14, 40, 20)  # bytes of the headers that are always there, IP's with TCP's
# What makes a packet the kind that it is, bits by the part of the packet and the family: Ethertype; version, lengths, fragment, protocol;
# data offset.
_KIND = {
    (NFT_PAYLOAD_LL_HEADER, 4): {12: 0xFF, 13: 0xFF},
    (NFT_PAYLOAD_LL_HEADER, 6): {12: 0xFF, 13: 0xFF},
    (NFT_PAYLOAD_NETWORK_HEADER, 4): {0: 0xFF, 2: 0xFF, 3: 0xFF, 6: 0x3F, 7: 0xFF, 9: 0xFF},
    (NFT_PAYLOAD_NETWORK_HEADER, 6): {0: 0xF0, 4: 0xFF, 5: 0xFF, 6: 0xFF},
    (NFT_PAYLOAD_TRANSPORT_HEADER, 4): {12: 0xF0},
    (NFT_PAYLOAD_TRANSPORT_HEADER, 6): {12: 0xF0},
}
_TTL = {4: 8, 6: 7}  # where the network header has it


class Payload(Load):
    """Bytes of the packet into a register; beyond the packet's end the rule does not match. `fixed`: they are in every packet."""

    __slots__ = ("base", "fixed", "layer", "length", "offset")

    def __init__(self, about: Attributes) -> None:
        self.target, self.base = register(about, NFTA_PAYLOAD_DREG), number(about, NFTA_PAYLOAD_BASE)
        self.offset, self.length = number(about, NFTA_PAYLOAD_OFFSET), number(about, NFTA_PAYLOAD_LEN)
        if self.base > NFT_PAYLOAD_INNER_HEADER or self.length > _LONGEST:
            raise UnsupportedError(f"an expression loads {self.length} bytes from part {self.base} of the packet")
        self.layer = _LAYERS.get(self.base)
        self.fixed = self.base < NFT_PAYLOAD_INNER_HEADER and self.offset + self.length <= _FIXED[self.base]

    def load(self, at: Context) -> Value | None:
        return _bytes(at, self.base, self.offset, self.length)

    def field(self, rule: Describer) -> Field:
        return _field(rule, self.base, self.offset, self.length)


class PayloadSet(Expression):
    """A register into the packet; checksums follow, which nothing here looks at."""

    __slots__ = ("base", "length", "offset", "source")

    def __init__(self, about: Attributes) -> None:
        self.base = number(about, NFTA_PAYLOAD_BASE)
        self.offset = number(about, NFTA_PAYLOAD_OFFSET)
        self.length = number(about, NFTA_PAYLOAD_LEN)
        self.source = register(about, NFTA_PAYLOAD_SREG)
        if self.base > NFT_PAYLOAD_INNER_HEADER or self.length > _LONGEST:
            raise UnsupportedError(f"an expression writes {self.length} bytes to part {self.base} of the packet")

    def run(self, at: Context) -> Result:
        header = (at.packet.link, at.packet.network, at.packet.transport, None)[self.base]
        if header is None or self.offset + self.length > len(header.bytes):
            raise UnsupportedError(f"a rule writes {self.length} bytes after the packet's headers")
        fresh, kind = at.registers.get(self.source, self.length), self._kind(header, at.packet)
        lives = self._lives(at.packet)
        if isinstance(fresh, bytes):
            header.put(self.offset, fresh)
        else:
            header.forget(self.offset, self.length)
            header.put(self.offset, fresh.value, fresh.known)
        if self._kind(header, at.packet) != kind:
            raise UnsupportedError("a rule rewrites the packet's headers so that it is of another kind, or none that anybody takes")
        at.changed(
            Action("ttl" if self._lives(at.packet) != lives else "write", at.rule.part_at(at.position) if at.rule else "payload set")
        )
        return None

    @staticmethod
    def _lives(packet: Packet) -> Value | None:
        """The octet of the TTL or hop limit."""
        return packet.network.get(_TTL[packet.family], 1)

    def _kind(self, header: Header, packet: Packet) -> list[tuple[int, int]]:
        bits = _KIND[self.base, packet.family].items()
        return [(header.bytes[place] & header.known[place] & mask, header.known[place] & mask) for place, mask in bits]

    def describe(self, rule: Describer, at: int) -> None:
        layer = _LAYERS.get(self.base)
        rule.add(self.text(rule), {at}, condition=False, layers=[layer] if layer in ("network", "transport") else [])

    def text(self, rule: Describer) -> str:
        field = _field(rule, self.base, self.offset, self.length)
        return f"{field.name} set {rule.value(self.source, field)}"


def _field(rule: Describer, base: int, offset: int, length: int) -> Field:
    """What lies there, by the protocols that the rule has made sure of."""
    return header_field(_HEADERS[base], offset, length, rule.network, rule.transport)


def _bytes(at: Context, base: int, offset: int, length: int) -> Value | None:
    """As skb_copy_bits: a load may go beyond its header into the next one."""
    packet = at.packet
    headers = (packet.link, packet.network, packet.transport)
    if base == NFT_PAYLOAD_INNER_HEADER:
        return _behind(at, offset, length)
    if base == NFT_PAYLOAD_LL_HEADER and not packet.link.bytes:
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
    """After the TCP header's fixed part: its options, then nothing."""
    options = at.packet.options
    if options is None:
        if offset + length > 40 or not at.choose("how long the TCP header is", ("after the TCP header", offset + length)):
            return None
        return unknown(length, "the question does not have the TCP options")
    return options[offset : offset + length] if offset + length <= len(options) else None


def _behind(at: Context, offset: int, length: int) -> Value | None:
    """The segment's data: none in a handshake, unless it is TCP Fast Open or an ACK that carries some."""
    del offset
    if at.packet.length is not None and at.packet.length == _header_bytes(at.packet):
        return None
    return unknown(length, "the question does not have the data") if at.choose("whether it carries data", "data") else None


def _header_bytes(packet: Packet) -> int | None:
    return None if packet.options is None else len(packet.network.bytes) + len(packet.transport.bytes) + len(packet.options)


def _decode(about: Attributes) -> Expression:
    if NFTA_PAYLOAD_SREG in about:
        return PayloadSet(about)
    if NFTA_PAYLOAD_DREG not in about:
        raise DecodeError("a payload expression that neither loads nor writes")
    return Payload(about)


EXPRESSIONS = {"payload": _decode}
