# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults ahead of the server's recorder: XDP programs, and a receive backlog without room."""

from __future__ import annotations

import sys
from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.lab._machines import HERE, Machines
from tests.lab.fleet import Fleet

LOST: dict[str, Any] = {"host": "db1", "leg": "syn", "segment": "server.ingress", "certainties": ("likely",), "flow": Flow(timeout=1.0)}


def with_xdp(fleet: Machines, port: int) -> None:
    """A program on db1's interface that drops what is for a port."""
    assert isinstance(fleet, Fleet)
    fleet.listen("db1", "::", fleet.port)
    fleet.with_privileges("db1", [sys.executable, "-B", str(HERE / "xdp.py"), "eth0", str(port)])


@fault("xdp_drop", "timeout", code="xdp_drop", root=True, says=("eth0 of db1",), **LOST, **BRIEF)
def program_drops(fleet: Machines) -> None:
    with_xdp(fleet, fleet.port)


@twin("xdp_drop", root=True, slow=True)
def program_drops_others(fleet: Machines) -> None:
    with_xdp(fleet, fleet.port + 1)


BACKLOG = 64


def crowded(fleet: Machines, copies: int) -> None:
    """Whenever r1 forwards a packet of the flow, it sends copies of it ahead of it, all in the same turn of one processor."""
    assert isinstance(fleet, Fleet)
    fleet.listen("db1", "::", fleet.port)
    copy = "tcp dport $port dup to 10.0.2.22 device eth1;"
    fleet.nft("r1", f"table ip crowd {{ chain f {{ type filter hook forward priority 0; {copy * copies} }}\n}}")
    fleet.connect("r1", "10.0.2.22", fleet.port)  # so that its link address is known
    fleet.limit_machine("net.core.netdev_max_backlog", BACKLOG)


@fault("softirq_drop", "timeout", code="softirq_drop", alone=True, **LOST, **BRIEF)
def no_room_left(fleet: Machines) -> None:
    crowded(fleet, 2 * BACKLOG)


@twin("softirq_drop", alone=True)
def room_enough(fleet: Machines) -> None:
    crowded(fleet, BACKLOG // 2)
