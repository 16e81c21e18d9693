# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The packets of a pcap or pcapng file that may have to do with handshakes, in the order of the file.

A file that is cut off or damaged gives what is before that; `Reader.complaints` says in sentences what is missing.
"""

from __future__ import annotations

import struct
from typing import Container, Iterator

from .interface import Captured, Interface
from .links import NO_WAY
from .scan import BLOCK_HEADER, ENHANCED_PACKET, MOST_LENGTH, PCAP_HEADER, READ_AHEAD, Take, pass_over, pass_over_blocks
from .source import CaptureError, Source

KEEP = 512  # bytes of a packet that are looked at: headers
MOST_BLOCK = 1 << 20  # bytes of a block that is read as a whole; longer ones that are no packets are passed over
MOST_INTERFACES = 4096
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 10**6, PCAP_HEADER),
    b"\xa1\xb2\xc3\xd4": (">", 10**6, PCAP_HEADER),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9, PCAP_HEADER),
    b"\xa1\xb2\x3c\x4d": (">", 10**9, PCAP_HEADER),
    b"\x34\xcd\xb2\xa1": ("<", 10**6, 24),  # patched libpcap of old Linux distributions
    b"\xa1\xb2\xcd\x34": (">", 10**6, 24),
}
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _STATISTICS = 0x0A0D0D0A, 1, 2, 3, 5
_SECTION_TYPE = b"\x0a\x0d\x0d\x0a"
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_EPB_FLAGS, _ISB_IFDROP, _ISB_OSDROP = 2, 5, 7
_WAYS = {1: 0, 2: 4}  # epb_flags, direction: linux/if_packet.h pkttype


class Reader:
    """Iterate over it once. Its attributes are complete when the iteration is."""

    def __init__(self, source: Source, awaited: Container[int] = (), take: Take | None = None) -> None:
        """`awaited`: see there; all packets of these connections are wanted. It may change meanwhile.

        `take` is called for nearly all packets, which are then not iterated over: it saves the time that an object for each would cost.
        """
        self._source, self._awaited, self._take = source, awaited, take
        self._data, self._at, self._passed, self._ended = b"", 0, 0, False
        self.format = ""
        self.interfaces: list[Interface] = []
        self.sections = self.packets = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.complaints: list[str] = []

    def __iter__(self) -> Iterator[Captured]:
        """CaptureError for a file that is no capture, or of which nothing can be read."""
        self._want(24)
        if self._data[:4] in _MAGIC:
            self.format = "pcap"
            yield from self._records(*_MAGIC[self._data[:4]])
        elif self._data[:4] == _SECTION_TYPE:
            self.format = "pcapng"
            yield from self._blocks()
        elif self._source.complaint:
            raise CaptureError(f"nothing can be read: {self._source.complaint}")
        else:
            begin = self._data[:4].hex()
            raise CaptureError(f"this is neither pcap nor pcapng: the file begins with {begin}" if begin else "the file is empty")
        if self._source.complaint:
            self.complaints.insert(0, f"the file ends early: {self._source.complaint}")
        refused = [each.refused for each in self.interfaces if each.refused]
        if refused and len(refused) == len(self.interfaces):
            raise CaptureError(refused[0])
        self.complaints += dict.fromkeys(f"packets of some interfaces are left out: {why}" for why in refused)

    # -- bytes

    def _want(self, count: int) -> bool:
        """Have so many bytes from here on in `_data`, and about as many as the inner loop looks ahead; False where the file has less."""
        while len(self._data) - self._at < count and not self._ended:
            rest = self._data[self._at :]
            data = self._source.read_on(rest)
            self._passed += self._at
            self._data, self._at = data, 0
            if len(data) == len(rest):
                self._ended = True
        return len(self._data) - self._at >= count

    def _skip(self, count: int) -> int:
        """Pass over bytes; returns how many of them are missing."""
        here = len(self._data) - self._at
        if count <= here:
            self._at += count
            return 0
        self._passed += self._at + count
        self._data, self._at = b"", 0
        return self._source.skip(count - here)

    @property
    def _offset(self) -> int:
        return self._passed + self._at

    def _is_damaged(self, why: str) -> None:
        self.complaints.append(f"the file is damaged at byte {self._offset}, and nothing after that is read: {why}")

    def _is_cut(self, missing: int) -> None:
        self.complaints.append(f"the last packet of the file is cut off: {missing} bytes are missing")

    def _seen(self, time_ns: int) -> None:
        if self.first_ns is None or self.last_ns is None:
            self.first_ns = self.last_ns = time_ns
        elif time_ns > self.last_ns:
            self.last_ns = time_ns
        elif time_ns < self.first_ns:
            self.first_ns = time_ns

    # -- pcap

    def _records(self, order: str, ticks: int, header: int) -> Iterator[Captured]:
        if not self._want(24):
            raise CaptureError("the file ends within its header")
        interface = Interface(0, struct.unpack_from(order + "I", self._data, 20)[0] & 0xFFFF, order, False, header=header)
        interface.ticks = ticks
        self.interfaces.append(interface)
        self.sections = 1
        if interface.refused or interface.scan is None:
            raise CaptureError(str(interface.refused))
        self._at = 24
        heading = struct.Struct(order + "IIII")
        yield from self._far_from_the_end(interface, heading, header)
        while not self.complaints and self._want(header):
            seconds, fraction, length, wire = heading.unpack_from(self._data, self._at)
            if length > MOST_LENGTH:
                return self._is_damaged(f"a packet of {length} bytes is impossible")
            begin = self._at + header
            frame = self._data[begin : begin + min(length, KEEP)]
            missing = self._skip(header + length)
            if missing:
                return self._is_cut(missing)
            captured = Captured(interface.time_ns(seconds * ticks + fraction), interface, frame, wire, NO_WAY)
            self._passed_over(1, captured.time_ns)
            yield captured
        left = len(self._data) - self._at
        if left and not self.complaints:
            self._is_cut(header - left)

    def _far_from_the_end(self, interface: Interface, heading: struct.Struct, header: int) -> Iterator[Captured]:
        """Nearly all records: as long as what is looked at of the next one is in the file for certain. This is where the time goes."""
        unpack = heading.unpack_from
        while self._want(header + KEEP + READ_AHEAD):
            data, at, end = self._data, self._at, len(self._data) - header - KEEP
            while True:
                begin = at
                at, last, count = pass_over(data, at, end, interface, self._awaited, self._take)
                if count:
                    self._seen(interface.time_of(data, begin))
                    self._passed_over(count, interface.time_of(data, last))
                if at >= end:
                    break
                seconds, fraction, length, wire = unpack(data, at)
                if length > MOST_LENGTH:
                    self._at = at
                    return self._is_damaged(f"a packet of {length} bytes is impossible")
                begin = at + header
                at = begin + length
                time_ns = interface.time_ns(seconds * interface.ticks + fraction)
                self._passed_over(1, time_ns)
                yield Captured(time_ns, interface, data[begin : begin + length if length < KEEP else begin + KEEP], wire, NO_WAY)
            missing = self._skip(at - self._at)
            if missing:
                self.packets -= 1
                return self._is_cut(missing)

    def _passed_over(self, count: int, last_ns: int) -> None:
        self.packets += count
        self._seen(last_ns)

    def _jump(self, at: int) -> int:
        """Go on at a place that may be beyond the data; returns how many bytes are missing."""
        missing = self._skip(at - self._at)
        if missing:
            self.packets -= 1
            self._ended = True
        return missing

    # -- pcapng

    def _blocks(self) -> Iterator[Captured]:
        section: list[Interface] = []
        order, current = "<", None
        while self._want(12):
            if current is not None and current.scan:
                self._pass_over_blocks(current)
                if not self._want(12):
                    break
            if self._data[self._at : self._at + 4] == _SECTION_TYPE:
                order, section, current = _ORDERS.get(self._data[self._at + 8 : self._at + 12], ""), [], None
                if not order:
                    return self._is_damaged("a section has no byte order")
                self.sections += 1
            kind, length = struct.unpack_from(order + "II", self._data, self._at)
            if length < 12 or length % 4:
                return self._is_damaged(f"a block of {length} bytes is impossible")
            packet = kind in (ENHANCED_PACKET, _OLD_PACKET, _SIMPLE_PACKET)
            wanted = min(length, BLOCK_HEADER + KEEP if packet else MOST_BLOCK)
            if not self._want(wanted):
                return self._is_cut(length - len(self._data) + self._at)
            body = self._data[self._at + 8 : self._at + wanted - (4 if wanted == length else 0)]
            captured = self._packet(kind, body, order, section, wanted == length) if packet else None
            if packet:
                if captured is None:
                    return
                current = captured.interface
            elif not self._other(kind, body, order, section):
                return
            missing = self._skip(length)
            if missing:
                return self._is_cut(missing)
            if captured:
                self.packets += 1
                self._seen(captured.time_ns)
                if not captured.interface.refused:
                    yield captured
        left = len(self._data) - self._at
        if left:
            self._is_cut(12 - left)

    def _pass_over_blocks(self, interface: Interface) -> None:
        while self._want(READ_AHEAD + 1):
            begin, end = self._at, len(self._data) - READ_AHEAD
            at, last, count = pass_over_blocks(self._data, begin, end, interface, self._awaited, self._take)
            if count:
                self._seen(interface.time_of(self._data, begin))
                self._passed_over(count, interface.time_of(self._data, last))
            beyond = self._jump(at)
            if beyond:
                return self._is_cut(beyond)
            if at < end:
                return

    def _packet(self, kind: int, body: bytes, order: str, section: list[Interface], whole: bool) -> Captured | None:
        """The packet in a block's body, which may be cut; None after a complaint."""
        ticks, begin, number = 0, 20, 0
        try:
            if kind == ENHANCED_PACKET:
                number, high, low, length, wire = struct.unpack_from(order + "IIIII", body)
                ticks = high << 32 | low
            elif kind == _OLD_PACKET:
                number, _drops, high, low, length, wire = struct.unpack_from(order + "HHIIII", body)
                ticks = high << 32 | low
            else:
                (wire,) = struct.unpack_from(order + "I", body)
                begin, length = 4, min(wire, len(body) - 4)
            interface = section[number]
        except (struct.error, IndexError):
            self._is_damaged(f"a packet of interface {number}, which the section does not have")
            return None
        if length > MOST_LENGTH or (whole and begin + length > len(body)):
            self._is_damaged(f"a packet of {length} bytes in a block of {len(body)} is impossible")
            return None
        way = NO_WAY
        if whole and kind == ENHANCED_PACKET:
            flags = dict(_options(body, begin + (length + 3) // 4 * 4, order)).get(_EPB_FLAGS, b"")
            way = _WAYS.get(struct.unpack(order + "I", flags)[0] & 3, NO_WAY) if len(flags) == 4 else NO_WAY
        return Captured(interface.time_ns(ticks), interface, body[begin : begin + min(length, KEEP)], wire, way)

    def _other(self, kind: int, body: bytes, order: str, section: list[Interface]) -> bool:
        """Read a block that is no packet; False after a complaint."""
        if kind == _INTERFACE:
            if len(body) < 8 or len(self.interfaces) >= MOST_INTERFACES:
                self._is_damaged("an interface is not described, or there are too many")
                return False
            interface = Interface(len(section), struct.unpack_from(order + "H", body)[0], order, True)
            interface.describe(dict(_options(body, 8, order)), order)
            if self.interfaces and order != self.interfaces[0].order:
                interface.scan, interface.order = None, self.interfaces[0].order  # `awaited` has numbers in one byte order
            interface.place = len(self.interfaces)
            section.append(interface)
            self.interfaces.append(interface)
        elif kind == _STATISTICS and len(body) >= 12:
            (number,) = struct.unpack_from(order + "I", body)
            found = dict(_options(body, 12, order))
            for code in (_ISB_IFDROP, _ISB_OSDROP):
                if number < len(section) and len(found.get(code, b"")) == 8:
                    section[number].dropped = max(section[number].dropped, struct.unpack(order + "Q", found[code])[0])
        return True


def _options(body: bytes, at: int, order: str) -> Iterator[tuple[int, bytes]]:
    """The options after a block's fields, as far as they are whole."""
    while len(body) >= at + 4:
        code, length = struct.unpack_from(order + "HH", body, at)
        if code == 0:
            return
        yield code, body[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
