# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapers that hold what they are given, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import SHORT, shell
from tests.lab._machines import Machines

HELD: dict[str, Any] = {"code": "queueing_held", "certainties": ("likely",), "flow": SHORT, **BRIEF}


def shaped(fleet: Machines, host: str, rate: str, busy_with: str) -> None:
    """A class for everything, which others have used already beyond its burst."""
    fleet.listen("db1", "0.0.0.0", 5432)
    mac = fleet.link_address("db1")
    shell(fleet, "r1", f"ip neigh replace {DB1} lladdr {mac} dev eth1 nud permanent")  # what is asked for waits as well
    fleet.connect(host, busy_with, 9)
    shell(fleet, host, "tc qdisc add dev eth0 root handle 1: htb default 10")
    shell(fleet, host, f"tc class add dev eth0 parent 1: classid 1:10 htb rate {rate} burst 1600 cburst 1600")
    fleet.connects(host, busy_with, 9, 60, 0.3)


@fault(
    "queueing_held",
    "timeout",
    host="web1",
    leg="syn",
    segment="client.egress",
    says=("the queueing discipline htb of eth0 on web1 holds what the host sends", "tc -s class show dev eth0"),
    **HELD,
)
def a_rate_in_the_wrong_unit(fleet: Machines) -> None:
    """https://github.com/facebookarchive/augmented-traffic-control/issues/247, tc(8): what has no unit is in bits a second."""
    shaped(fleet, "web1", "64", "10.0.2.22")


@fault("queueing_held/server", "timeout", host="db1", leg="syn_ack", segment="server.egress", slow=True, **HELD)
def a_rate_of_the_server_in_the_wrong_unit(fleet: Machines) -> None:
    shaped(fleet, "db1", "64", "10.0.1.12")


@twin("queueing_held", flow=SHORT, **BRIEF)
def a_rate_in_the_right_unit(fleet: Machines) -> None:
    shaped(fleet, "web1", "64mbit", "10.0.2.22")
