# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of nodes of a cluster, as people reported them: they have addresses of services themselves."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import fault, twin
from tests.faults.catalogue.reported import SHORT, shell
from tests.lab._machines import Machines

TWICE: dict[str, Any] = {
    **{"code": "taken_for_own", "host": "web1", "leg": "syn", "segment": "client.route", "flow": SHORT, "slow": True},
    "says": ("web1 has 10.0.2.21 itself, on kube-ipvs0", "db1 has it on eth0", "ip address delete 10.0.2.21/32 dev kube-ipvs0"),
}


def on_both(fleet: Machines) -> None:
    """kube-proxy has put the address of a service on web1, too."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip link add kube-ipvs0 type bridge; ip address add 10.0.2.21/32 dev kube-ipvs0")


@fault("taken_for_own/on-both", "ECONNREFUSED", **TWICE)
def a_node_has_the_address_itself(fleet: Machines) -> None:
    """https://github.com/kubernetes/kubernetes/issues/66966, https://github.com/openelb/openelb/issues/188"""
    on_both(fleet)


@fault("taken_for_own/on-both/silent", "timeout", **TWICE)
def a_node_has_the_address_and_drops(fleet: Machines) -> None:
    on_both(fleet)
    fleet.nft("web1", "table inet f { chain p { type filter hook input priority 0; iif lo tcp dport 5432 drop; }\n}")


@fault("taken_for_own/on-both/served", "connected", **{**TWICE, "status": "degraded"})
def a_node_has_the_address_and_serves(fleet: Machines) -> None:
    """Another service than the one that is meant answers."""
    on_both(fleet)
    fleet.listen("web1", "::", 5432)


@twin("taken_for_own/on-both", flow=SHORT, slow=True)
def a_node_has_the_address_of_another_service(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip link add kube-ipvs0 type bridge; ip address add 10.0.2.99/32 dev kube-ipvs0")
