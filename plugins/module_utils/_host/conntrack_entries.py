# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Ask the kernel's connection tracking about single connections (linux/netfilter/nfnetlink_conntrack.h), which it looks up."""

from __future__ import annotations

import errno
import socket
import struct
import typing as t

from .._wire.netlink import NETLINK_NETFILTER, Netlink, NetlinkError, attribute

IPCTNL_MSG_CT_GET = 1 << 8 | 1  # NFNL_SUBSYS_CTNETLINK
MOST = 64
_NFGENMSG = struct.Struct("=BBH")
_NESTED = 1 << 15
_TUPLE_ORIG, _TUPLE_IP, _TUPLE_PROTO = 1 | _NESTED, 1 | _NESTED, 2 | _NESTED
_IP_SOURCE = {socket.AF_INET: 1, socket.AF_INET6: 3}
_PROTO_NUM, _PROTO_SRC_PORT, _PROTO_DST_PORT = 1, 2, 3

Record = t.Dict[str, t.Any]


def look_up(connections: t.Sequence[Record]) -> list[Record]:
    """Each with `known`: whether the host tracks it, as its client calls it, in the default zone. NetlinkError."""
    found = []
    with Netlink(NETLINK_NETFILTER) as kernel:
        for each in connections[:MOST]:
            try:
                known = bool(kernel.request(IPCTNL_MSG_CT_GET, payload=_question(each)))
            except NetlinkError as error:
                if error.errno != errno.ENOENT:
                    raise
                known = False
            found.append({**each, "known": known})
    return found


def _question(each: Record) -> bytes:
    family = socket.AF_INET6 if ":" in each["local"] else socket.AF_INET
    ends = [socket.inet_pton(family, each[name]) for name in ("local", "remote")]
    ip = b"".join(attribute(_IP_SOURCE[family] + number, end) for number, end in enumerate(ends))
    ports = attribute(_PROTO_SRC_PORT, struct.pack("!H", each["local_port"])) + attribute(
        _PROTO_DST_PORT, struct.pack("!H", each["remote_port"])
    )
    protocol = attribute(_PROTO_NUM, bytes([socket.IPPROTO_TCP])) + ports
    return _NFGENMSG.pack(family, 0, 0) + attribute(_TUPLE_ORIG, attribute(_TUPLE_IP, ip) + attribute(_TUPLE_PROTO, protocol))
