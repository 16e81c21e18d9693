# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flows that must be closed, and are not; their twins are closed."""

from __future__ import annotations

from tests.faults._fault import Flow, fault
from tests.faults.catalogue.firewall import chain, firewalled
from tests.lab._machines import Machines

CLOSED = Flow(expect="blocked")


@fault(
    "unexpectedly_open",
    "connected",
    code="unexpectedly_open",
    host="db1",
    segment="server.firewall",
    says=("must not", "lets the SYN in"),
    flow=CLOSED,
    packed="rules",
)
def a_rule_lets_it_in(fleet: Machines) -> None:
    firewalled("db1", "input", "tcp dport $port counter accept", fleet)


@fault(
    "unexpectedly_open/no-rule",
    "connected",
    code="unexpectedly_open",
    host="db1",
    segment="server.firewall",
    says=("LISTEN",),
    flow=CLOSED,
    slow=True,
)
def no_rule_stops_it(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)


@fault("unexpectedly_open/twin", "timeout", status="ok", flow=CLOSED, packed="rules")
def a_rule_stops_it(fleet: Machines) -> None:
    firewalled("db1", "input", "tcp dport $port counter drop", fleet)


@fault("unexpectedly_open/refused", "ECONNREFUSED", status="ok", flow=CLOSED, slow=True)
def nothing_listens(fleet: Machines) -> None:
    fleet.nft("db1", chain("input", "tcp dport $port counter"))


@fault("unexpectedly_open/no-way", "ENETUNREACH", status="ok", flow=CLOSED, slow=True)
def the_client_has_no_way(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.run("web1", ["ip", "route", "del", "default"])
