# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of which the kernel's log speaks. All fleets of a machine share it, and only the machine's root lets them use it."""

from __future__ import annotations

from tests.faults._fault import Flow, fault
from tests.faults.catalogue.firewall import firewalled
from tests.lab._machines import Machines
from tests.lab.fleet import Fleet

PREFIX = "handshake denied: "


def one_log_for_all(fleet: Machines) -> None:
    """Rules in network namespaces log, and hosts, whose root is not the machine's, may read it."""
    assert isinstance(fleet, Fleet)
    fleet.limit_machine("net.netfilter.nf_log_all_netns", 1)
    fleet.limit_machine("kernel.dmesg_restrict", 0)


@fault(
    "firewall_drop/logged",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn",
    segment="server.firewall",
    alone=True,
    flow=Flow(timeout=1.0),
    says=(PREFIX, "kmsg"),
)
def logged_and_dropped(fleet: Machines) -> None:
    """The rule has no counter."""
    one_log_for_all(fleet)
    firewalled("db1", "input", f'tcp dport $port log prefix "{PREFIX}" drop', fleet)
