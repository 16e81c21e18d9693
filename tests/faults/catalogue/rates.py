# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices on the way that let few SYNs through at a time."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.lab._machines import Machines

HOW: dict[str, Any] = {"options": {"diagnose_depth": "full", "diagnose_attempts": 12, "diagnose_interval": 0.0}}
LIMITED: dict[str, Any] = {"status": "degraded", "code": "path_rate_limited", "host": "path", "leg": "syn", "segment": "path.forward"}
SYNS = "tcp dport $port tcp flags & (syn | ack) == syn"


def limited(fleet: Machines, rule: str) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("r1", chain("forward", rule))


@fault("path_rate_limited", "connected", says=("at once", "limits their rate"), slow=True, **LIMITED, **HOW)
def a_policer_of_syns(fleet: Machines) -> None:
    limited(fleet, f"{SYNS} limit rate over 4/second burst 4 packets drop")


@fault("path_rate_limited/ipv6", "connected", flow=Flow(DB1_V6), slow=True, **LIMITED, **HOW)
def a_policer_of_syns_ipv6(fleet: Machines) -> None:
    limited(fleet, f"{SYNS} limit rate over 4/second burst 4 packets drop")


@fault("path_loss/deep", "", status="degraded", code="path_loss", host="path", leg="syn", segment="path.forward", slow=True, **HOW)
def losses_at_any_rate(fleet: Machines) -> None:
    """Every third SYN, however slowly they come."""
    limited(fleet, f"{SYNS} numgen inc mod 3 == 0 drop")


@twin("path_rate_limited", slow=True, **HOW)
def a_policer_with_room(fleet: Machines) -> None:
    limited(fleet, f"{SYNS} limit rate over 100/second burst 100 packets drop")
