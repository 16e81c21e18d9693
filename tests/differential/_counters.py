# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The counters of all rules of this network namespace, read fast.

A ruleset that does not change is dumped alike each time: where its counters stand is found once, later dumps are only looked at there.
Layouts: linux/netfilter/nf_tables.h, linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ._case import Key

FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
NETLINK_NETFILTER = 12
NFT_MSG_GETRULE = 10 << 8 | 7
NLM_F_DUMP_REQUEST = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS = 1, 2, 4
NFTA_EXPR_NAME, NFTA_EXPR_DATA, NFTA_COUNTER_PACKETS = 1, 2, 2
SO_GET_INFO, SO_GET_ENTRIES = 64, 65  # IPT_ and IP6T_
_HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_NETLINK, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
_INFO = struct.Struct("=32sI5I5III")  # struct ipt_getinfo
_ENTRIES_HEADER = 40  # struct ipt_get_entries, before the entries
_libc = ctypes.CDLL(None, use_errno=True)


def netlink(protocol: int) -> socket.socket:
    """A netlink socket of this network namespace."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    made.settimeout(5.0)
    return made


class NftCounters:
    """Counters of nf_tables rules; the socket belongs to the namespace in which this was made."""

    def __init__(self) -> None:
        self._socket = netlink(NETLINK_NETFILTER)
        self._places: list[tuple[Key, int]] = []
        self._length = -1

    def close(self) -> None:
        self._socket.close()

    def learn(self) -> None:
        """Find the counters of a ruleset that was just loaded."""
        dump = self._dump()
        self._length, self._places = len(dump), list(_nft_places(dump))

    def read(self) -> dict[Key, int]:
        dump = self._dump()
        if len(dump) != self._length:
            raise RuntimeError(f"a dump of rules has {len(dump)} bytes instead of {self._length}: the ruleset changed")
        return {key: int.from_bytes(dump[at : at + 8], "big") for key, at in self._places}

    def _dump(self) -> bytes:
        self._socket.send(_NETLINK.pack(20, NFT_MSG_GETRULE, NLM_F_DUMP_REQUEST, 1, 0) + bytes(4))
        parts: list[bytes] = []
        while True:
            part = self._socket.recv(1 << 18)
            kind = _NETLINK.unpack_from(part)[1]
            if kind == NLMSG_ERROR:
                number = -struct.unpack_from("=i", part, 16)[0]
                raise OSError(number, os.strerror(number))
            if kind == NLMSG_DONE:
                return b"".join(parts)
            parts.append(part)
            if _ends(part):
                return b"".join(parts)


def _ends(part: bytes) -> bool:
    at = 0
    while at < len(part):
        length, kind = _NETLINK.unpack_from(part, at)[:2]
        if kind == NLMSG_DONE:
            return True
        at += (length + 3) & ~3
    return False


def _nft_places(dump: bytes) -> Iterator[tuple[Key, int]]:
    """Where the first counter of each rule stands."""
    at, numbers = 0, dict[tuple[int, bytes, bytes], int]()
    while at < len(dump):
        length, kind = _NETLINK.unpack_from(dump, at)[:2]
        end = at + length
        if kind != NLMSG_DONE:
            family = dump[at + 16]
            about = {kind: (start, stop) for kind, start, stop in _attributes(dump, at + 20, end)}
            table, chain = (dump[slice(*about[kind])].rstrip(b"\0") for kind in (NFTA_RULE_TABLE, NFTA_RULE_CHAIN))
            numbers[family, table, chain] = number = numbers.get((family, table, chain), 0) + 1
            place = _nft_counter(dump, *about.get(NFTA_RULE_EXPRESSIONS, (0, 0)))
            if place is not None:
                yield ("nft", FAMILIES.get(family, str(family)), table.decode(), chain.decode(), number), place
        at = (end + 3) & ~3


def _nft_counter(dump: bytes, start: int, stop: int) -> int | None:
    for _kind, begin, end in _attributes(dump, start, stop):
        expression = {kind: (a, b) for kind, a, b in _attributes(dump, begin, end)}
        if dump[slice(*expression[NFTA_EXPR_NAME])] == b"counter\0":
            return next(a for kind, a, _b in _attributes(dump, *expression[NFTA_EXPR_DATA]) if kind == NFTA_COUNTER_PACKETS)
    return None


def _attributes(dump: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    while at < end:
        length, kind = _ATTRIBUTE.unpack_from(dump, at)
        yield kind & 0x3FFF, at + 4, at + length
        at += (length + 3) & ~3


class _Layout(NamedTuple):
    family: str
    socket_family: int
    level: int
    names: str
    target: int  # offset of target_offset in an entry
    packets: int  # offset of the packet counter


_LAYOUTS = (
    _Layout("ip", socket.AF_INET, socket.SOL_IP, "/proc/net/ip_tables_names", 88, 96),
    _Layout("ip6", socket.AF_INET6, socket.IPPROTO_IPV6, "/proc/net/ip6_tables_names", 140, 152),
)


class LegacyCounters:
    """Counters of the rules of legacy iptables and ip6tables, of the tables that exist when `learn` is called."""

    def __init__(self) -> None:
        self._sockets = {layout: socket.socket(layout.socket_family, socket.SOCK_RAW, socket.IPPROTO_RAW) for layout in _LAYOUTS}
        self._places: list[tuple[_Layout, bytes, int, list[tuple[Key, int]]]] = []

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()

    def learn(self) -> None:
        self._places = []
        for layout in _LAYOUTS:
            try:
                with open(layout.names, encoding="ascii") as file:
                    tables = file.read().split()
            except OSError:  # no such tables yet
                continue
            for table in tables:
                info = _INFO.unpack(self._ask(layout, SO_GET_INFO, table.encode().ljust(_INFO.size, b"\0")))
                valid, entries, size = info[1], info[2:7], info[-1]
                heads = {entries[hook]: name for hook, name in enumerate(_HOOKS) if valid >> hook & 1}
                blob = self._blob(layout, table.encode(), size)
                self._places.append((layout, table.encode(), size, list(_legacy_places(layout, table, blob, heads))))

    def read(self) -> dict[Key, int]:
        counters = {}
        for layout, table, size, places in self._places:
            if places:
                blob = self._blob(layout, table, size)
                counters.update({key: int.from_bytes(blob[at : at + 8], "little") for key, at in places})
        return counters

    def _blob(self, layout: _Layout, table: bytes, size: int) -> bytes:
        request = table.ljust(32, b"\0") + struct.pack("=I", size)
        return self._ask(layout, SO_GET_ENTRIES, request.ljust(_ENTRIES_HEADER + size, b"\0"))[_ENTRIES_HEADER:]

    def _ask(self, layout: _Layout, option: int, request: bytes) -> bytes:
        buffer, length = ctypes.create_string_buffer(request, len(request)), ctypes.c_uint32(len(request))
        if _libc.getsockopt(self._sockets[layout].fileno(), layout.level, option, buffer, ctypes.byref(length)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return buffer.raw


def _legacy_places(layout: _Layout, table: str, blob: bytes, heads: Mapping[int, str]) -> Iterator[tuple[Key, int]]:
    """Rules and their counters; the last entry of each chain is its policy, or the return, and is left out."""
    at, chain, number = 0, "", 0
    found: list[tuple[Key, int]] = []
    while at < len(blob):
        target, following = struct.unpack_from("=HH", blob, at + layout.target)
        name = blob[at + target + 2 : at + target + 31].split(b"\0")[0]
        if at in heads or name == b"ERROR":
            yield from found[:-1]
            found, number = [], 0
            chain = heads[at] if at in heads else blob[at + target + 32 : at + target + 62].split(b"\0")[0].decode()
        if name != b"ERROR":
            number += 1
            found.append((("legacy", layout.family, table, chain, number), at + layout.packets))
        at += following
