# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read how full the neighbour tables are (rtnetlink, linux/neighbour.h): those of the whole kernel, shown in each network namespace."""

from __future__ import annotations

import socket
import struct

from .._wire.netlink import NETLINK_ROUTE, NLM_F_DUMP, Netlink, attributes, unpack

RTM_GETNEIGHTBL = 66
NDTA_THRESH3, NDTA_CONFIG, NDTA_STATS = 4, 5, 7
_MESSAGE = struct.Struct("=BxH")  # struct ndtmsg: family
_NUMBER = struct.Struct("=I")
_CONFIG = struct.Struct("=HHI")  # struct ndt_config, as far as entries
_STATS = struct.Struct("=11Q")  # struct ndt_stats
_TABLE_FULLS = 10
GROUPS = {socket.AF_INET: "Arp", socket.AF_INET6: "Ndisc"}


def read() -> dict[str, dict[str, int]]:
    """By table: its entries, its limit, and how often it had no room for one; NetlinkError, DecodeError."""
    found = {}
    with Netlink(NETLINK_ROUTE) as netlink:
        bodies = netlink.request(RTM_GETNEIGHTBL, NLM_F_DUMP, _MESSAGE.pack(socket.AF_UNSPEC, 0))
    for body in bodies:
        family = unpack(_MESSAGE, body, "a neighbour table")[0]
        values = attributes(body[_MESSAGE.size :])
        if family not in GROUPS or NDTA_STATS not in values:  # the parameters of one interface
            continue
        stats = unpack(_STATS, values[NDTA_STATS], "the statistics of a neighbour table")
        found[GROUPS[family]] = {
            "entries": unpack(_CONFIG, values[NDTA_CONFIG], "the configuration of a neighbour table")[2],
            "limit": unpack(_NUMBER, values[NDTA_THRESH3], "the limit of a neighbour table")[0],
            "table_fulls": stats[_TABLE_FULLS],
        }
    return found
