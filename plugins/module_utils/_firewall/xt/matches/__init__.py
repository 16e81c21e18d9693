# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The matches of xtables, by name. A file of matches is imported when a rule first uses one of its matches."""

from __future__ import annotations

from ..condition import Builder

_TRANSPORT = ("tcp", "multiport", "tcpmss")
_HEADER = ("ttl", "hl", "tos", "dscp", "ecn", "length", "ipv6header")
_CONNECTION = ("conntrack", "state", "connmark", "connlabel", "helper", "connbytes", "connlimit")
_PACKET = ("mark", "iprange", "mac", "pkttype", "devgroup", "physdev")
_HOST = ("addrtype", "owner", "rpfilter", "cgroup", "socket", "policy", "cpu")
_PAYLOAD = ("u32", "string")
_RATE = ("limit", "hashlimit", "recent", "statistic", "quota")
# Headers that a TCP segment without extension headers does not have: their matches fail before they look at `!`.
_NEVER = ("udp", "udplite", "icmp", "icmp6", "icmpv6", "esp", "ah", "sctp", "dccp", "ipcomp", "frag", "rt", "hbh", "dst", "mh")


def builder(name: str) -> Builder | None:
    """What makes conditions of the match's options; None when we do not model that match."""
    from .. import condition

    if name in _NEVER:
        return condition.never
    if name == "comment":
        return lambda clause, place: []
    if name in _TRANSPORT:
        from . import transport

        return transport.BUILDERS[name]
    if name in _HEADER:
        from . import header

        return header.BUILDERS[name]
    if name in _CONNECTION:
        from . import connection

        return connection.BUILDERS[name]
    if name in _PACKET:
        from . import packet

        return packet.BUILDERS[name]
    if name in _HOST:
        from . import host

        return host.BUILDERS[name]
    if name in _PAYLOAD:
        from . import payload

        return payload.BUILDERS[name]
    if name in _RATE:
        from . import rate

        return rate.BUILDERS[name]
    if name == "time":
        from . import time

        return time.build
    if name == "set":
        from . import set

        return set.build
    return None
