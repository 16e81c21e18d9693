# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translations that never run, because rules ahead of them take the packet."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import shell
from tests.faults.catalogue.reported_hosts import REFUSED
from tests.lab._machines import Machines

SERVICE: dict[str, Any] = {"flow": Flow("10.0.9.9", via=("r1",), timeout=1.0), **BRIEF}
ON_R1: dict[str, Any] = {"code": "nat_hidden", "host": "r1", "leg": "syn", "segment": "path.forward", **SERVICE}
OWN = Flow("10.0.1.1", via=("r1",), timeout=1.0)
DNAT = "iptables-nft -t nat -A {} -d 10.0.9.9 -p tcp --dport 5432 -j DNAT --to-destination 10.0.2.21"


@fault(
    "nat_hidden/return",
    "EHOSTUNREACH ENETUNREACH",
    says=(
        "return",
        "takes the SYN ahead of rule '-A PREROUTING -d 10.0.9.9/32",
        "which would translate it to 10.0.2.21:5432",
        "iptables-nft -t nat -I PREROUTING 1",
    ),
    **ON_R1,
)
def returned_ahead_of_the_translation(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", f"iptables-nft -t nat -A PREROUTING -s 10.0.0.0/16 -j RETURN; {DNAT.format('PREROUTING')}")


@twin("nat_hidden/return", **SERVICE)
def others_are_returned_ahead_of_it(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", f"iptables-nft -t nat -A PREROUTING -s 10.0.7.0/24 -j RETURN; {DNAT.format('PREROUTING')}")


@fault("nat_hidden/jump", "EHOSTUNREACH ENETUNREACH", says=("ip saddr 10.0.0.0/16 counter", "chain exempt"), slow=True, **ON_R1)
def accepted_in_a_chain_that_is_jumped_to(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.nft(
        "r1",
        """table inet lead {
            chain exempt { ip saddr 10.0.0.0/16 counter accept; }
            chain pre { type nat hook prerouting priority -100; jump exempt; ip daddr 10.0.9.9 tcp dport 5432 dnat ip to 10.0.2.21; }
        }""",
    )


@fault(
    "nat_hidden/notrack",
    "EHOSTUNREACH ENETUNREACH",
    certainties=("likely", "proven"),
    says=("NOTRACK", "which would translate it to 10.0.2.21:5432"),
    slow=True,
    **ON_R1,
)
def not_tracked(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", f"iptables-nft -t raw -A PREROUTING -p tcp --dport 5432 -j NOTRACK; {DNAT.format('PREROUTING')}")


@fault(
    "nat_hidden/client",
    "EHOSTUNREACH ENETUNREACH",
    says=("counter return", "chain OUTPUT", "on web1 it keeps the destination 10.0.9.9:5432"),
    slow=True,
    **{**ON_R1, "host": "web1", "segment": "client.firewall"},
)
def by_the_clients_own_rules(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", f"iptables-nft -t nat -A OUTPUT -o eth0 -j RETURN; {DNAT.format('OUTPUT')}")


@fault(
    "no_listener/hidden-translation",
    "ECONNREFUSED",
    code="no_listener",
    host="r1",
    certainties=("likely",),
    says=("iifname", "counter accept", "takes the SYN ahead of rule", "which would translate it to 10.0.2.21:5432"),
    flow=OWN,
    **REFUSED,
)
def accepted_ahead_of_the_translation(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    rule = f"-p tcp -d 10.0.1.1 --dport {fleet.port} -j DNAT --to-destination 10.0.2.21:5432"
    shell(fleet, "r1", f"iptables-nft -t nat -A PREROUTING -i eth0 -j ACCEPT; iptables-nft -t nat -A PREROUTING {rule}")


@fault(
    "firewall_drop/hidden-translation",
    "timeout",
    code="firewall_drop",
    host="r1",
    certainties=("likely",),
    says=("policy drop", "takes the SYN ahead of rule", "which would translate it to 10.0.2.21:5432"),
    leg="syn",
    segment="server.firewall",
    flow=OWN,
    slow=True,
    **BRIEF,
)
def dropped_because_it_is_not_translated(fleet: Machines) -> None:
    accepted_ahead_of_the_translation(fleet)
    shell(fleet, "r1", "iptables-nft -P INPUT DROP")
