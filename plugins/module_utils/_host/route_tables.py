# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The routes in a host's tables (a dump of RTM_GETROUTE, linux/rtnetlink.h): what the kernel's answer about one packet does not say."""

from __future__ import annotations

import struct
import typing as t

from .._wire.netlink import NETLINK_ROUTE, NLM_F_DUMP, Netlink, attributes, unpack
from .links import address_bytes, address_text

RTM_GETROUTE = 26
RTA_DST, RTA_SRC, RTA_GATEWAY, RTA_TABLE, RTA_VIA, RTA_NH_ID = 1, 2, 5, 15, 18, 30
ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
NUMBER = struct.Struct("=I")
_HOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, hops, interface
TYPES = ("unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit", "throw")
ORIGINS = {  # who made a route
    2: "kernel",
    3: "boot",
    4: "static",
    9: "ra",
    11: "zebra",
    12: "bird",
    16: "dhcp",
    186: "bgp",
    187: "isis",
    188: "ospf",
    189: "rip",
}
_ENCAPS = ("none", "mpls", "ip", "ila", "ip6", "seg6", "bpf", "seg6local", "rpl", "ioam6", "xfrm")  # linux/lwtunnel.h
MOST_ROUTES = 10_000  # that are searched: some 60 ms
MOST_SOURCES = 8

Hop = t.Dict[str, t.Any]


class Entry(t.NamedTuple):
    """A route of a table. ``source``: the only sources that it is for, as a network; None: it is for all. ``nexthop``: the number of its
    next hop object (ip-nexthop(8)), if it has one."""

    table: int
    length: int
    prefix: str
    type: str
    origin: str | None
    source: str | None
    nexthop: int | None


def dump(family: int) -> list[bytes] | None:
    """The messages of all routes of all tables; None where there are too many."""
    found: list[bytes] = []
    with Netlink(NETLINK_ROUTE) as own:  # its own socket, so that nobody reads the rest of a dump that is given up
        for body in own.stream(RTM_GETROUTE, NLM_F_DUMP, ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
            if len(found) >= MOST_ROUTES:
                return None
            found.append(body)
    return found


def most_specific(destination: str) -> dict[int, Entry]:
    """Of each table the most specific route to an address, of those for all sources; empty where the tables are too large."""
    best: dict[int, Entry] = {}
    for each in _covering(destination):
        beaten = each.table in best and best[each.table].length >= each.length  # the first of equals has the lowest metric
        if each.source is None and not beaten:
            best[each.table] = each
    return best


def only_from(remote: str) -> list[str]:
    """The sources for which there is a way to an address, by routes for certain sources alone (`ip -6 route add ... from`).

    For any other source, the kernel passes over these routes as if there were none. Empty where the tables are too large.
    """
    sources = [each.source for each in _covering(remote) if each.source and each.type == "unicast"]
    return list(dict.fromkeys(sources))[:MOST_SOURCES]


def number_of(raw: bytes | None) -> int:
    """The value of an attribute that is a number, such as that of an interface or a table."""
    return int(unpack(NUMBER, raw, "a number")[0]) if raw else 0


def encap_of(raw: bytes | None) -> str | None:
    """The kind of packets into which a route puts those that take it, from RTA_ENCAP_TYPE; None: into none."""
    kind = unpack(struct.Struct("=H"), raw, "a type of encapsulation")[0] if raw else 0
    return None if not kind else _ENCAPS[kind] if kind < len(_ENCAPS) else str(kind)


def multipath(family: int, data: bytes, names: t.Mapping[int, str]) -> t.Iterator[Hop]:
    while data:
        size, _flags, weight, index = unpack(_HOP, data, "a next hop")
        about = attributes(data[_HOP.size : max(size, _HOP.size)])
        yield {"interface": names.get(index), "gateway": gateway_of(family, about), "weight": weight + 1}
        data = data[max((size + 3) & ~3, _HOP.size) :]


def hop_order(hop: Hop) -> tuple[bytes, str]:
    """Next hops by gateway, as numbers and IPv4 first, then by interface; those without a gateway come first."""
    family, raw = address_bytes(hop["gateway"]) if hop["gateway"] else (0, b"")
    return bytes([family]) + raw, hop["interface"] or ""


def gateway_of(family: int, about: t.Mapping[int, bytes]) -> str | None:
    if RTA_VIA in about:  # the gateway is of the other family (RFC 5549)
        via = about[RTA_VIA]
        return address_text(unpack(struct.Struct("=H"), via, "a gateway")[0], via[2:])
    return address_text(family, about[RTA_GATEWAY]) if RTA_GATEWAY in about else None


def _covering(destination: str) -> t.Iterator[Entry]:
    family, raw = address_bytes(destination)
    target, bits = int.from_bytes(raw, "big"), 8 * len(raw)
    for body in dump(family) or ():
        _family, length, source_length, _tos, table, protocol, _scope, kind, _flags = unpack(ROUTE, body, "a route")
        about = attributes(body[ROUTE.size :])
        network = about.get(RTA_DST, bytes(len(raw)))
        if (int.from_bytes(network, "big") ^ target) >> (bits - length) or kind >= len(TYPES):
            continue
        source = f"{address_text(family, about.get(RTA_SRC, bytes(len(raw))))}/{source_length}" if source_length else None
        prefix = f"{address_text(family, network)}/{length}"
        nexthop = number_of(about.get(RTA_NH_ID)) or None
        yield Entry(
            table=number_of(about.get(RTA_TABLE)) or table,
            length=length,
            prefix=prefix,
            type=TYPES[kind],
            origin=ORIGINS.get(protocol),
            source=source,
            nexthop=nexthop,
        )
