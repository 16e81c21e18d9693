# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reported faults of sets that rules fill themselves: one that has no more room, and one that lists who connects often."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF, SERVER
from tests.faults.catalogue.reported import SHORT
from tests.lab._machines import Machines

DROPPED: dict[str, Any] = {"code": "firewall_drop", "flow": SHORT, "slow": True, **SERVER, **BRIEF}
COUNTED = """
table inet guard {
  set seen { type ipv4_addr; flags dynamic,timeout; timeout 1h; size %d; }
  chain i {
    type filter hook input priority 0;
    ct state established,related accept
    tcp dport 5432 ct state new update @seen { ip saddr limit rate 100/second burst 100 packets } accept
    tcp dport 5432 counter drop
  }
}
"""


def counted(fleet: Machines, size: int) -> None:
    """Whoever is not counted is not let in."""
    fleet.listen("db1", "::", 5432)
    fleet.nft("db1", COUNTED % size)
    fleet.connect("web2", DB1, 5432, 1.0)


@fault(
    "firewall_drop/full-set",
    "timeout",
    says=("since set seen is full", "give set seen of rule"),
    **DROPPED,
)
def the_set_of_a_limit_is_full(fleet: Machines) -> None:
    """https://github.com/Linuxfabrik/firewallfabrik/issues/164: connection tracking has nothing to do with it."""
    counted(fleet, 1)


@twin("firewall_drop/full-set", flow=SHORT, slow=True, **BRIEF)
def the_set_of_a_limit_has_room(fleet: Machines) -> None:
    counted(fleet, 2)


LISTED = """
table inet guard {
  set banned { type ipv4_addr; flags dynamic,timeout; timeout 10m; size 65535; }
  set rates { type ipv4_addr; flags dynamic,timeout; timeout 10m; size 65535; }
  chain i {
    type filter hook input priority 0;
    ct state established,related accept
    ip saddr @banned counter drop
    tcp dport 5432 ct state new add @rates { ip saddr limit rate over 60/minute burst 3 packets } add @banned { ip saddr } counter drop
  }
}
"""


def listed(fleet: Machines, client: str) -> None:
    """A rule lists who connects too often, and another one drops what comes from there."""
    fleet.listen("db1", "::", 5432)
    fleet.nft("db1", LISTED)
    fleet.connects(client, DB1, 5432, 8, 1.0)


@fault(
    "firewall_drop/listed-by-limit",
    "timeout",
    says=(
        "set banned (table inet guard) has 10.0.1.11",
        "nft delete element inet guard banned '{ 10.0.1.11 }'",
        "puts such addresses there",
    ),
    **DROPPED,
)
def a_limit_has_listed_the_client(fleet: Machines) -> None:
    """As guards against scans have it: without the element, it depends on the limit what comes of the SYN."""
    listed(fleet, "web1")


@twin("firewall_drop/listed-by-limit", flow=SHORT, slow=True, options={"diagnose_patience": 0.5, "diagnose_attempts": 1})
def a_limit_has_listed_another_client(fleet: Machines) -> None:
    listed(fleet, "web2")
