# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of what a host has run out of."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.lab._machines import Machines

VIA = Flow(via=("r1",), timeout=1.0)
NAT: dict[str, Any] = {"code": "nat_ports_exhausted", "leg": "syn", "says": ("insert_failed", "masquerade")}


def masqueraded(fleet: Machines, host: str, interface: str, ports: str) -> None:
    rule = f'oifname "{interface}" meta l4proto tcp counter masquerade to :{ports}'
    fleet.listen("db1", "::", 5432)
    fleet.nft(host, f"table ip masquerading {{ chain post {{ type nat hook postrouting priority 100; {rule}; }}\n}}")


@fault("nat_ports_exhausted", "timeout", host="r1", segment="path.forward", flow=VIA, **NAT, **BRIEF)
def one_port_for_all(fleet: Machines) -> None:
    masqueraded(fleet, "r1", "eth1", "40000-40000")
    fleet.hold("web2", DB1, 5432, 1)


@fault("nat_ports_exhausted/client", "timeout", host="web1", segment="client.firewall", **NAT, **BRIEF)
def one_port_for_the_client(fleet: Machines) -> None:
    masqueraded(fleet, "web1", "eth0", "40000-40000")
    fleet.hold("web1", DB1, 5432, 1)


@twin("nat_ports_exhausted", flow=VIA, slow=True)
def ports_for_all(fleet: Machines) -> None:
    masqueraded(fleet, "r1", "eth1", "40000-40099")
    fleet.hold("web2", DB1, 5432, 1)
