# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Fields of headers, by their place in the header, in nft's syntax."""

from __future__ import annotations

import typing as t

from ..._host.links import mac_text
from . import fields
from .fields import Field, Format, Links

_NFT_NAMES = {"link": "ll", "network": "nh", "transport": "th", "inner": "ih"}
_DETERMINES = {"ether type": "network", "ip protocol": "transport", "ip6 nexthdr": "transport"}


def _mac(data: bytes, _links: Links) -> str:
    return mac_text(data)


_icmp_type = fields.one_of({
    0: "echo-reply", 3: "destination-unreachable", 4: "source-quench", 5: "redirect", 8: "echo-request", 9: "router-advertisement",
    10: "router-solicitation", 11: "time-exceeded", 12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply",
})  # fmt: skip
_icmp6_type = fields.one_of({
    1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem", 128: "echo-request", 129: "echo-reply",
    130: "mld-listener-query", 131: "mld-listener-report", 132: "mld-listener-done", 133: "nd-router-solicit", 134: "nd-router-advert",
    135: "nd-neighbor-solicit", 136: "nd-neighbor-advert", 137: "nd-redirect", 143: "mld2-listener-report",
})  # fmt: skip

_IP4 = {
    (2, 2): ("length", fields.number), (4, 2): ("id", fields.number), (6, 2): ("frag-off", fields.number), (8, 1): ("ttl", fields.number),
    (9, 1): ("protocol", fields.protocol), (12, 4): ("saddr", fields.address), (16, 4): ("daddr", fields.address),
}  # fmt: skip
_IP6 = {
    (4, 2): ("length", fields.number), (6, 1): ("nexthdr", fields.protocol), (7, 1): ("hoplimit", fields.number),
    (8, 16): ("saddr", fields.address), (24, 16): ("daddr", fields.address),
}  # fmt: skip
_TH = {
    (0, 2): ("sport", fields.number), (2, 2): ("dport", fields.number), (4, 4): ("sequence", fields.number),
    (8, 4): ("ackseq", fields.number), (13, 1): ("flags", fields.tcp_flags), (14, 2): ("window", fields.number),
    (16, 2): ("checksum", fields.number), (18, 2): ("urgptr", fields.number),
}  # fmt: skip
# What other protocols have in the places of TCP's fields.
_OF_PROTOCOLS: dict[str, dict[tuple[int, int], tuple[str, Format]]] = {
    "udp": {(4, 2): ("length", fields.number), (6, 2): ("checksum", fields.number)},
    "icmp": {(0, 1): ("type", _icmp_type), (1, 1): ("code", fields.number)},
    "icmpv6": {(0, 1): ("type", _icmp6_type), (1, 1): ("code", fields.number)},
}
_ETHER = {(0, 6): ("daddr", _mac), (6, 6): ("saddr", _mac), (12, 2): ("type", fields.ethertype)}


def header_field(header: str, offset: int, length: int, network: str | None, transport: str | None) -> Field:
    """What lies so far after the beginning of a header (link, network, transport, or what is inner: behind all of them).

    `network` and `transport`: the protocols that the rule has made sure of.
    """
    raw = Field(f"@{_NFT_NAMES[header]},{offset * 8},{length * 8}", fields.hexadecimal, length)
    table: t.Mapping[tuple[int, int], tuple[str, Format]] = {}
    name = ""
    if header == "link":
        table, name = _ETHER, "ether"
    elif header == "transport":
        table, name = ({**_TH, **_OF_PROTOCOLS[transport]} if transport in _OF_PROTOCOLS else _TH), transport or "th"
    elif header == "network":
        name = network or ("ip" if (offset, length) in _IP4 else "ip6")
        table = _IP4 if name == "ip" else _IP6
        for at, size in ((12, 4), (16, 4)) if name == "ip" else ((8, 16), (24, 16)):
            if offset == at and length < size:
                return Field(f"{name} {table[at, size][0]}", fields.prefix(size), length)
    pieces = _pieces(table, name, offset, length)
    if not pieces or (len(pieces) > 1 and header == "transport" and transport is None):
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
        whole = f"{header} {name}"
        found.append(Field(whole, form, size, bits=form is fields.tcp_flags, determines=_DETERMINES.get(whole)))
        offset += size
    return found
