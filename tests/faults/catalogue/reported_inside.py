# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that their host's rules lead to, and that are cut off from it, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import fault, twin
from tests.faults.catalogue.firewall import chain
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
    certainties=("likely",),
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
    "namespace_cut_off/bridge-down",
    **{**SLOW, "certainties": ("likely",)},
    says=("docker0, which leads there, is administratively down", "ip link set docker0 up"),
    also=("firewall_drop",),
)
def the_bridge_is_down(fleet: Machines) -> None:
    published(fleet)
    shell(fleet, "db1", "ip link set docker0 down")


@fault(
    "namespace_cut_off/no-bridge",
    **{**SLOW, "certainties": ("likely",)},
    says=("restart what runs the container: veth0 of db1", "a port of no bridge"),
    also=("firewall_drop",),
)
def the_bridge_is_gone(fleet: Machines) -> None:
    """An address for its former port would not do: the rules for the bridge do not fit that."""
    published(fleet)
    shell(fleet, "db1", "ip link delete docker0")


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


UNUSED = """
sysctl -qw net.ipv4.ip_forward=1; ip netns add old; ip link add br9 type bridge; ip link set br9 up
ip link add veth9 type veth peer name eth0 netns old; ip link set veth9 up master br9
ip -n old link set eth0 up; ip -n old addr add 10.0.1.12/24 dev eth0
"""
SENT_ON = """table ip on {
    chain pre { type nat hook prerouting priority -100; tcp dport 5432 counter dnat to 10.0.1.12; }
    chain post { type nat hook postrouting priority 100; ip daddr 10.0.1.12 counter masquerade; }
}"""


def sent_on(fleet: Machines) -> None:
    """db1 sends on to web2, whose address a namespace of db1 has, too."""
    shell(fleet, "db1", UNUSED)
    fleet.nft("db1", SENT_ON)
    fleet.listen("web2", "10.0.1.12", 5432)


@fault(
    "namespace_cut_off/of-another",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn_ack",
    segment="server.firewall",
    certainties=("possible",),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def its_address_is_that_of_another_host(fleet: Machines) -> None:
    """Nothing is wrong with the namespace: what web2 does is not known, as it has no part in the flow."""
    sent_on(fleet)
    fleet.nft("web2", chain("input", "tcp dport 5432 counter drop"))


@twin("namespace_cut_off/of-another", flow=SHORT, slow=True)
def another_host_with_its_address_serves(fleet: Machines) -> None:
    sent_on(fleet)
