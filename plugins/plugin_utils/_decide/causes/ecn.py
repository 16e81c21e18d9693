# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""SYNs that ask for ECN, which some devices and small TCP stacks drop or refuse, and what has a client ask."""

from __future__ import annotations

from ..._model.host import Host
from ..case import Case
from ..finding import Evidence

_ECN = 0xC0  # ECE and CWR
_ASKING = (1, 3, 4)  # of net.ipv4.tcp_ecn; the others take part only where the other side asks (ip-sysctl.rst)


def all_ask(case: Case) -> bool:
    """Whether all SYNs of the attempts under examination asked for ECN as they left the client."""
    syns = [seen.packet.tcp for row in case.rows("syn") if (seen := row.at(case.client.name, "out"))]
    return bool(syns) and all(tcp and tcp.flags & _ECN == _ECN for tcp in syns)


def by_another_way(client: Host) -> bool:
    """Whether it is not the client's sysctl that has it ask, but a route or a congestion control."""
    value = client.sysctl("net.ipv4.tcp_ecn")
    return value is not None and value not in _ASKING


def shown(case: Case) -> tuple[Evidence, ...]:
    """The setting, where the SYNs ask for ECN in spite of it."""
    if not by_another_way(case.client):
        return ()
    value = case.client.sysctl("net.ipv4.tcp_ecn")
    said = f"{value}, by which it does not ask: a route with features ecn, or a congestion control that needs ECN, such as dctcp, does"
    return (case.saw(case.client, "sysctl net.ipv4.tcp_ecn", said),)


def one_without(case: Case) -> str:
    """Which further attempt would decide."""
    how = "by a route without features ecn" if by_another_way(case.client) else "net.ipv4.tcp_ecn=2 on the client"
    return f"an attempt without ECN ({how}) would show whether that is what is refused"
