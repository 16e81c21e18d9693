# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of bridges on the way, whose frames pass the rules of IP, or rules by link addresses."""

from __future__ import annotations

from tests.faults._fault import Flow, fault, twin
from tests.lab._machines import Machines

BRIDGE = """
ip link add br0 type bridge; ip link set br0 up; ip link set eth0 master br0
ip address flush dev eth0; ip address add 10.0.2.21/24 dev br0; ip route replace default via 10.0.2.1
ip netns add vm; ip link add vnet0 type veth peer name eth0 netns vm; ip link set vnet0 master br0 up
ip netns exec vm sh -c 'ip link set lo up; ip address add 10.0.2.50/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.1'
"""
GUEST = Flow("10.0.2.50", server=None, via=("db1",), timeout=1.0)


def guest_on_a_bridge(fleet: Machines) -> None:
    """db1 bridges a guest to its network, and its firewall forwards nothing."""
    fleet.run("db1", ["sh", "-ec", BRIDGE])
    fleet.popen(
        "db1", ["ip", "netns", "exec", "vm", fleet.python, "-B", str(fleet.tools / "serve.py"), "0.0.0.0", str(fleet.port)]
    ).await_answer()
    fleet.run("db1", ["iptables-nft", "-P", "FORWARD", "DROP"])


@fault(
    "firewall_drop/bridged-guest",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn",
    segment="path.forward",
    certainties=("proven", "likely"),
    says=("policy drop", "net.bridge.bridge-nf-call-iptables"),
    flow=GUEST,
)
def bridged_frames_pass_the_forward_chain(fleet: Machines) -> None:
    guest_on_a_bridge(fleet)
    fleet.sysctl("db1", "net.bridge.bridge-nf-call-iptables", 1)


@twin("firewall_drop/bridged-guest", flow=GUEST, slow=True)
def bridged_frames_pass_no_chain(fleet: Machines) -> None:
    guest_on_a_bridge(fleet)
    fleet.sysctl("db1", "net.bridge.bridge-nf-call-iptables", 0)


MACS = """
iptables-nft -P FORWARD ACCEPT; iptables-nft -N vnet0-OUT
iptables-nft -A FORWARD -m physdev --physdev-is-bridged --physdev-in vnet0 -j vnet0-OUT
iptables-nft -A vnet0-OUT -m mac ! --mac-source {} -j DROP
"""


def guest_with_its_link_address(fleet: Machines, lladdr: str) -> None:
    """db1 lets its guest send from one link address only, as hypervisors do."""
    guest_on_a_bridge(fleet)
    fleet.run("db1", ["ip", "netns", "exec", "vm", "ip", "link", "set", "eth0", "address", "52:54:00:00:00:99"])
    fleet.run("db1", ["sh", "-ec", MACS.format(lladdr)])
    fleet.sysctl("db1", "net.bridge.bridge-nf-call-iptables", 1)


@fault(
    "firewall_drop/bridged-link-address",
    "timeout",
    code="firewall_drop",
    host="db1",
    certainties=("proven", "likely"),
    says=("--mac-source 52:54:00:aa:bb:cc", "drops the SYN-ACK"),
    flow=GUEST,
    leg="syn_ack",
    segment="path.return",
)
def the_guest_has_another_link_address(fleet: Machines) -> None:
    """Proxmox VE's option macfilter: the guest, which nobody manages, answers, and its host drops that."""
    guest_with_its_link_address(fleet, "52:54:00:aa:bb:cc")


@twin("firewall_drop/bridged-link-address", flow=GUEST, slow=True)
def the_guest_has_the_link_address_that_is_let_through(fleet: Machines) -> None:
    guest_with_its_link_address(fleet, "52:54:00:00:00:99")
