# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Filters of traffic control that send packets to another interface (linux/tc_act/tc_mirred.h), and how many they have sent."""

from __future__ import annotations

import struct
import typing as t

from .._wire.netlink import attribute_list, attributes, unpack

TCA_KIND, TCA_OPTIONS = 1, 2
TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_ACT_STATS, TCA_STATS_BASIC, TCA_MIRRED_PARMS = 1, 2, 4, 1, 2
_ACTIONS = {"u32": 7, "flower": 3, "matchall": 2, "bpf": 1, "basic": 3, "fw": 4, "flow": 9, "route": 6, "cgroup": 1}
"""Which attribute of a filter's options has its actions, by its kind (linux/pkt_cls.h)."""
_DOES = {1: (False, "egress"), 2: (True, "egress"), 3: (False, "ingress"), 4: (True, "ingress")}  # TCA_EGRESS_REDIR ...
_MIRRED = struct.Struct("=20xiI")  # struct tc_mirred: what it does, the interface
_BASIC = struct.Struct("=8xI")  # struct gnet_stats_basic: packets


def of(filters: t.Sequence[t.Mapping[int, bytes]], names: t.Mapping[int, str]) -> list[dict[str, t.Any]]:
    """Where these filters send packets, or copies of them. `filters`: their attributes; `names`: links by index.

    Of clsact, the kernel lists filters of kind u32 that have the same priority for both directions (tc_u_common_ptr()).
    """
    found = []
    for about in filters:
        kind = about.get(TCA_KIND, b"").rstrip(b"\0").decode("ascii", "replace")
        actions = attributes(about.get(TCA_OPTIONS, b"")).get(_ACTIONS.get(kind, -1), b"")
        for _number, raw in attribute_list(actions):
            action = attributes(raw)
            parms = attributes(action.get(TCA_ACT_OPTIONS, b"")).get(TCA_MIRRED_PARMS)
            if action.get(TCA_ACT_KIND, b"").rstrip(b"\0") != b"mirred" or parms is None:
                continue
            does, index = unpack(_MIRRED, parms, "a redirection")
            basic = attributes(action.get(TCA_ACT_STATS, b"")).get(TCA_STATS_BASIC)
            copies, towards = _DOES.get(does, (True, "egress"))
            packets = unpack(_BASIC, basic, "the counters of a redirection")[0] if basic else 0
            found.append({"to": names.get(index, str(index)), "copies": copies, "towards": towards, "packets": packets})
    return found
