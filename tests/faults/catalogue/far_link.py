# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers on the way whose next hop beyond them does not answer."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines

BY_R1: dict[str, Any] = {"flow": Flow(via=("r1",), timeout=1.0), **BRIEF}
QUIET = "table ip quiet { chain o { type filter hook output priority 0; icmp type destination-unreachable drop; }\n}"


def gateway(fleet: Machines, *, quiet: bool, there: bool = False) -> None:
    """A route of before leads by another router to db1, which is next door."""
    fleet.listen("db1", "::", 5432)
    if quiet:
        fleet.nft("r1", QUIET)
    if there:
        fleet.run("db2", ["ip", "address", "add", "10.0.2.99/24", "dev", "eth0"])
        fleet.sysctl("db2", "net.ipv4.ip_forward", 1)
    shell(fleet, "r1", "ip route add 10.0.2.21/32 via 10.0.2.99")


SILENT: dict[str, Any] = {"code": "next_hop_silent", "host": "r1", "leg": "syn", "segment": "path.forward", **BY_R1}
SAYS = ("r1 sends what is for 10.0.2.21 to 10.0.2.99", "which does not answer", "ip route delete 10.0.2.21/32 via 10.0.2.99 dev eth1")


@fault("next_hop_silent", "timeout", says=SAYS, **SILENT)
def nobody_has_the_gateways_address(fleet: Machines) -> None:
    gateway(fleet, quiet=True)


@fault("next_hop_silent/unreachable", "EHOSTUNREACH timeout", says=SAYS, slow=True, **SILENT)
def the_router_says_so(fleet: Machines) -> None:
    gateway(fleet, quiet=False)


@twin("next_hop_silent", **BY_R1, slow=True)
def the_gateway_is_there(fleet: Machines) -> None:
    gateway(fleet, quiet=True, there=True)
