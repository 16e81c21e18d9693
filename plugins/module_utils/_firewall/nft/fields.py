# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Names and values of the fields that expressions load, in nft's syntax."""

from __future__ import annotations

import ipaddress
import sys
import typing as t

from ..._host.links import mac_text
from ..protocols import BY_NUMBER
from . import ct
from . import meta as _meta
from .headers import LINK, NETWORK, TRANSPORT
from .host import TYPES

_FAMILIES = {2: "ipv4", 10: "ipv6", 3: "arp", 5: "netdev", 7: "bridge"}
_ETHERTYPES = {0x0800: "ip", 0x86DD: "ip6", 0x0806: "arp", 0x8100: "8021q"}
_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr")
_STATUS = ("expected", "seen-reply", "assured", "confirmed", "snat", "dnat", "6", "7", "8", "dying")
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_DSCP = {0: "cs0", 8: "cs1", 16: "cs2", 24: "cs3", 32: "cs4", 40: "cs5", 48: "cs6", 56: "cs7", 46: "ef"}

Links = t.Mapping[int, t.Any]
Format = t.Callable[[bytes, Links], str]


class Field(t.NamedTuple):
    """What a register was loaded with: its name, how its values are written, its bytes. `pieces`: fields that one load covers."""

    name: str
    form: Format
    length: int
    pieces: tuple[Field, ...] = ()

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
    """A name; one without a zero behind it is the beginning of several."""
    text = data.split(b"\0", 1)[0].decode("utf-8", "replace")
    return f'"{text}"' if b"\0" in data or len(data) >= _meta.IFNAMSIZ else f'"{text}*"'


def _interface(data: bytes, links: Links) -> str:
    index = int.from_bytes(data, sys.byteorder)
    return f'"{links[index].name}"' if index in links else str(index)


def _mac(data: bytes, _links: Links) -> str:
    return mac_text(data)


def _one_of(names: t.Mapping[int, str] | t.Sequence[str], host: bool = False) -> Format:
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


def _hour(data: bytes, _links: Links) -> str:
    seconds = int.from_bytes(data, sys.byteorder)
    return f'"{seconds // 3600:02}:{seconds // 60 % 60:02}" UTC'


dscp = _one_of(_DSCP)
tcp_flags = bits(_FLAGS)
protocol = _one_of(BY_NUMBER)
addrtype = _one_of(TYPES, host=True)
presence: Format = lambda data, _links: "exists" if any(data) else "missing"  # noqa: E731

icmp_type = _one_of({
    0: "echo-reply", 3: "destination-unreachable", 4: "source-quench", 5: "redirect", 8: "echo-request", 9: "router-advertisement",
    10: "router-solicitation", 11: "time-exceeded", 12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply",
})  # fmt: skip
icmp6_type = _one_of({
    1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem", 128: "echo-request", 129: "echo-reply",
    130: "mld-listener-query", 131: "mld-listener-report", 132: "mld-listener-done", 133: "nd-router-solicit", 134: "nd-router-advert",
    135: "nd-neighbor-solicit", 136: "nd-neighbor-advert", 137: "nd-redirect", 143: "mld2-listener-report",
})  # fmt: skip

_IP4 = {
    (2, 2): ("length", number), (4, 2): ("id", number), (6, 2): ("frag-off", number), (8, 1): ("ttl", number),
    (9, 1): ("protocol", protocol), (12, 4): ("saddr", address), (16, 4): ("daddr", address),
}  # fmt: skip
_IP6 = {
    (4, 2): ("length", number), (6, 1): ("nexthdr", protocol), (7, 1): ("hoplimit", number), (8, 16): ("saddr", address),
    (24, 16): ("daddr", address),
}  # fmt: skip
_TH = {
    (0, 2): ("sport", number), (2, 2): ("dport", number), (4, 4): ("sequence", number), (8, 4): ("ackseq", number),
    (13, 1): ("flags", tcp_flags), (14, 2): ("window", number), (16, 2): ("checksum", number), (18, 2): ("urgptr", number),
}  # fmt: skip
# What other protocols have in the places of TCP's fields.
_OF_PROTOCOLS: dict[str, dict[tuple[int, int], tuple[str, Format]]] = {
    "udp": {(4, 2): ("length", number), (6, 2): ("checksum", number)},
    "icmp": {(0, 1): ("type", icmp_type), (1, 1): ("code", number)},
    "icmpv6": {(0, 1): ("type", icmp6_type), (1, 1): ("code", number)},
}
_ETHER = {(0, 6): ("daddr", _mac), (6, 6): ("saddr", _mac), (12, 2): ("type", _one_of(_ETHERTYPES))}
_BASES = ("ll", "nh", "th", "ih")

_META: dict[int, tuple[str, Format, int]] = {
    _meta.LEN: ("meta length", host_number, 4), _meta.PROTOCOL: ("meta protocol", _one_of(_ETHERTYPES), 2),
    _meta.PRIORITY: ("meta priority", mark, 4), _meta.MARK: ("meta mark", mark, 4), _meta.IIF: ("iif", _interface, 4),
    _meta.OIF: ("oif", _interface, 4), _meta.IIFNAME: ("iifname", string, 16), _meta.OIFNAME: ("oifname", string, 16),
    _meta.IIFTYPE: ("iiftype", host_number, 2), _meta.OIFTYPE: ("oiftype", host_number, 2), _meta.SKUID: ("meta skuid", host_number, 4),
    _meta.SKGID: ("meta skgid", host_number, 4), _meta.RTCLASSID: ("meta rtclassid", host_number, 4),
    _meta.NFPROTO_KEY: ("meta nfproto", _one_of(_FAMILIES), 1), _meta.L4PROTO: ("meta l4proto", protocol, 1),
    _meta.BRI_IIFNAME: ("ibrname", string, 16), _meta.BRI_OIFNAME: ("obrname", string, 16),
    _meta.PKTTYPE: ("meta pkttype", _one_of(_meta.PKTTYPES), 1), _meta.CPU: ("meta cpu", host_number, 4),
    _meta.IIFGROUP: ("iifgroup", host_number, 4), _meta.OIFGROUP: ("oifgroup", host_number, 4),
    _meta.CGROUP: ("meta cgroup", host_number, 4),
    _meta.PRANDOM: ("meta random", number, 4), _meta.SECPATH: ("meta ipsec", presence, 1), _meta.IIFKIND: ("meta iifkind", string, 16),
    _meta.OIFKIND: ("meta oifkind", string, 16), _meta.TIME_NS: ("meta time", host_number, 8),
    _meta.TIME_DAY: ("meta day", _one_of(_DAYS), 1), _meta.TIME_HOUR: ("meta hour", _hour, 4), _meta.SDIF: ("meta sdif", _interface, 4),
    _meta.SDIFNAME: ("meta sdifname", string, 16),
}  # fmt: skip
_CT: dict[int, tuple[str, Format, int]] = {
    ct.STATE: ("state", bits(ct.STATES, True), 4), ct.DIRECTION: ("direction", _one_of(("original", "reply")), 1),
    ct.STATUS: ("status", bits(_STATUS, True), 4), ct.MARK: ("mark", mark, 4), ct.EXPIRATION: ("expiration", host_number, 4),
    ct.HELPER: ("helper", string, 16), ct.L3PROTOCOL: ("l3proto", _one_of(_FAMILIES), 1), ct.SRC: ("saddr", address, 16),
    ct.DST: ("daddr", address, 16), ct.PROTOCOL: ("protocol", protocol, 1), ct.PROTO_SRC: ("proto-src", number, 2),
    ct.PROTO_DST: ("proto-dst", number, 2), ct.LABELS: ("label", hexadecimal, 16), ct.PKTS: ("packets", host_number, 8),
    ct.BYTES: ("bytes", host_number, 8), ct.AVGPKT: ("avgpkt", host_number, 8), ct.ZONE: ("zone", host_number, 2),
    ct.SRC_IP: ("ip saddr", address, 4), ct.DST_IP: ("ip daddr", address, 4), ct.SRC_IP6: ("ip6 saddr", address, 16),
    ct.DST_IP6: ("ip6 daddr", address, 16), ct.ID: ("id", host_number, 4),
}  # fmt: skip


def payload(base: int, offset: int, length: int, network: str | None, transport: str | None) -> Field:
    """`network` and `transport`: the protocols that the rule has made sure of."""
    raw = Field(f"@{_BASES[base]},{offset * 8},{length * 8}", hexadecimal, length)
    table: t.Mapping[tuple[int, int], tuple[str, Format]] = {}
    header = ""
    if base == LINK:
        table, header = _ETHER, "ether"
    elif base == TRANSPORT:
        table, header = ({**_TH, **_OF_PROTOCOLS[transport]} if transport in _OF_PROTOCOLS else _TH), transport or "th"
    elif base == NETWORK:
        header = network or ("ip" if (offset, length) in _IP4 else "ip6")
        table = _IP4 if header == "ip" else _IP6
        for at, size in ((12, 4), (16, 4)) if header == "ip" else ((8, 16), (24, 16)):
            if offset == at and length < size:
                return Field(f"{header} {table[at, size][0]}", prefix(size), length)
    pieces = _pieces(table, header, offset, length)
    if not pieces or (len(pieces) > 1 and base == TRANSPORT and transport is None):
        return raw
    if len(pieces) == 1:
        return pieces[0]

    def form(data: bytes, links: Links) -> str:
        return " . ".join(piece.form(part, links) for piece, part in joined.each(data))

    joined = Field(" . ".join(piece.name for piece in pieces), form, length, tuple(pieces))
    return joined


def _pieces(table: t.Mapping[tuple[int, int], tuple[str, Format]], header: str, offset: int, length: int) -> list[Field]:
    """The fields of which a load consists, as nft joins tests of neighbouring ones; none where it is not made of whole fields."""
    found: list[Field] = []
    end = offset + length
    while offset < end:
        size = next((size for at, size in sorted(table, reverse=True) if at == offset and size <= end - offset), None)
        if size is None:
            return []
        name, form = table[offset, size]
        found.append(Field(f"{header} {name}", form, size))
        offset += size
    return found


def meta(key: int) -> Field:
    return Field(*_META.get(key, (f"meta key {key}", hexadecimal, 4)))


def connection(key: int, direction: int) -> Field:
    name, form, length = _CT.get(key, (f"key {key}", hexadecimal, 4))
    way = ("original ", "reply ")[direction] if direction in (0, 1) else ""
    return Field(f"ct {way}{name}", form, length)


def written(fields: t.Sequence[Field], data: bytes, links: Links) -> str:
    """The value of one field or of several that are joined."""
    words, at = [], 0
    for field in fields:
        if len(fields) == 1:
            return field.form(data, links)
        words.append(field.form(data[at : at + field.length], links))
        at += (field.length + 3) & ~3
    return " . ".join(words)
