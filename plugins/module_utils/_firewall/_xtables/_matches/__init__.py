# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The matches of xtables, by name. A file of matches is read when a rule first uses one of its matches."""

from __future__ import annotations

from .._condition import Builder

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
    from .. import _condition

    if name in _NEVER:
        return _condition.never
    if name == "comment":
        return lambda clause, place: []
    if name in _TRANSPORT:
        from . import _transport

        return _transport.BUILDERS[name]
    if name in _HEADER:
        from . import _header

        return _header.BUILDERS[name]
    if name in _CONNECTION:
        from . import _connection

        return _connection.BUILDERS[name]
    if name in _PACKET:
        from . import _packet

        return _packet.BUILDERS[name]
    if name in _HOST:
        from . import _host

        return _host.BUILDERS[name]
    if name in _PAYLOAD:
        from . import _payload

        return _payload.BUILDERS[name]
    if name in _RATE:
        from . import _rate

        return _rate.BUILDERS[name]
    if name == "time":
        from . import _time

        return _time.build
    if name == "set":
        from . import _set

        return _set.build
    return None
