# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies of IPsec that demand ESP where the client sends plain TCP. Without the kernel's reasons, counters of the host speak."""

from __future__ import annotations

from tests.faults._fault import DB1, WEB1, Flow, fault, twin
from tests.lab._machines import Machines


def guarded(fleet: Machines, client: str) -> None:
    policy = f"src {client} dst {DB1} dir in priority 100 tmpl src {client} dst {DB1} proto esp mode transport level required"
    fleet.run("db1", ["ip", "xfrm", "policy", "add", *policy.split()])


@fault(
    "ipsec_policy",
    "timeout",
    code="ipsec_policy",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("likely",),
    says=("XfrmInTmplMismatch", "src 10.0.1.11/32 dst 10.0.2.21/32 dir in priority 100 tmpl proto esp mode transport"),
    flow=Flow(timeout=1.0),
)
def plain_where_esp_is_required(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    guarded(fleet, WEB1)


@twin("ipsec_policy", slow=True)
def required_of_others(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    guarded(fleet, "10.0.1.12")
