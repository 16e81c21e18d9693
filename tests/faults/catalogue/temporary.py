# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults where nothing listens, diagnosed with temporary listeners."""

from __future__ import annotations

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.lab._machines import Machines

WANTED = {"diagnose_temporary_listener": True}


@fault(
    "temporary_listener/open-way",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("nothing listens", "took 3 handshakes: the way is open"),
    options=WANTED,
    packed="temporary",
)
def nothing_listens(fleet: Machines) -> None:
    pass


@fault(
    "temporary_listener/open-way-ipv6",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("took 3 handshakes: the way is open",),
    flow=Flow(DB1_V6),
    options=WANTED,
    packed="temporary",
)
def nothing_listens_for_ipv6(fleet: Machines) -> None:
    pass


@fault(
    "temporary_listener/other-address",
    "ECONNREFUSED",
    code="listener_other_address",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("the way is open", "127.0.0.1"),
    options=WANTED,
    packed="temporary",
)
def it_listens_elsewhere(fleet: Machines) -> None:
    fleet.listen("db1", "127.0.0.1", fleet.port)


@fault(
    "temporary_listener/dropped",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn",
    segment="server.firewall",
    also=("no_listener",),
    options=WANTED,
    packed="temporary",
)
def a_rule_stops_it_before(fleet: Machines) -> None:
    fleet.nft("db1", chain("input", "tcp dport $port counter drop"))


@fault(
    "temporary_listener/must-not",
    "ECONNREFUSED",
    code="unexpectedly_open",
    host="db1",
    segment="server.firewall",
    says=("a temporary listener took the handshakes",),
    flow=Flow(expect="blocked"),
    options=WANTED,
    packed="temporary",
)
def only_for_want_of_a_listener(fleet: Machines) -> None:
    """Refused today, and open as soon as somebody listens: no rule blocks it."""


@fault("temporary_listener/blocked", "timeout", status="ok", flow=Flow(expect="blocked"), options=WANTED, packed="temporary")
def a_rule_blocks_it(fleet: Machines) -> None:
    fleet.nft("db1", chain("input", "tcp dport $port counter drop"))


@twin("temporary_listener", options=WANTED, packed="temporary")
def somebody_listens(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
