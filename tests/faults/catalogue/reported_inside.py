# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that their host's rules lead to, and that are cut off from it, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import SHORT, shell
from tests.faults.catalogue.reported_containers import published
from tests.lab._machines import Machines

CUT_OFF: dict[str, Any] = {
    **{"kernel": "timeout", "code": "namespace_cut_off", "host": "db1", "leg": "syn", "segment": "server.route", "flow": SHORT},
    **BRIEF,
}
SLOW: dict[str, Any] = {**CUT_OFF, "slow": True}


@fault(
    "namespace_cut_off", says=("veth0, the other end of its eth0, is no port of docker0", "ip link set veth0 master docker0 up"), **CUT_OFF
)
def its_link_was_taken_out_of_the_bridge(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/26492"""
    published(fleet)
    shell(fleet, "db1", "ip link set veth0 nomaster")


@twin("namespace_cut_off", flow=SHORT, slow=True)
def its_link_is_in_the_bridge(fleet: Machines) -> None:
    published(fleet)


@fault(
    "namespace_cut_off/bridge",
    certainties=("proven", "likely"),
    says=("leads to it via 10.0.2.1, not by docker0", "docker0 has no IPv4 address", "ip address add 172.17.0.1/16 dev docker0"),
    also=("firewall_drop",),
    **SLOW,
)
def the_bridge_has_lost_its_address(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/15674: what would let the SYN through is for the bridge, by which it does not leave."""
    published(fleet)
    shell(fleet, "db1", "ip addr flush dev docker0")


@fault("namespace_cut_off/down", says=("eth0 in there, which has that address, is administratively down",), **SLOW)
def its_link_is_down(fleet: Machines) -> None:
    published(fleet)
    shell(fleet, "db1", "ip -n web link set eth0 down")


@fault("namespace_cut_off/peer-down", says=("veth0, the other end of its eth0, is administratively down", "ip link set veth0 up"), **SLOW)
def the_hosts_end_of_its_link_is_down(fleet: Machines) -> None:
    published(fleet)
    shell(fleet, "db1", "ip link set veth0 down")


@fault(
    "namespace_cut_off/no-way-back",
    says=("there is no route from there back to 10.0.1.11 (ENETUNREACH)", "ip route replace default via 172.17.0.1"),
    **{**SLOW, "leg": "syn_ack"},
)
def it_has_no_default_route(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/40170: a container that has lost what its network gave it."""
    published(fleet)
    shell(fleet, "db1", "ip -n web route del default")


@twin("namespace_cut_off/no-way-back", flow=SHORT, slow=True)
def it_needs_none(fleet: Machines) -> None:
    """The host gives the SYN its own address."""
    published(fleet)
    shell(fleet, "db1", "ip -n web route del default; iptables-nft -t nat -A POSTROUTING -o docker0 -j MASQUERADE")
