# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further faults as people reported them, of addresses that are taken for others', answers that are not taken, and ways for some only."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines
from tests.lab.topologies import Topology, one_segment, two_routers

# -- addresses that belong to the routers of a network


def two() -> Topology:
    """web1 and db1 on one switch."""
    return one_segment("web1", "db1")


FIRST = Flow("2001:db8:1::", timeout=1.0)
FIRST_BACK = Flow("2001:db8:2::", timeout=1.0, via=("r1",))
TAKEN: dict[str, Any] = {"kernel": "timeout", "code": "taken_for_own", "leg": "syn", "slow": True, **BRIEF}


def first_of(fleet: Machines, network: int) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", f"ip address add 2001:db8:{network}::/64 dev eth0 nodad")


@fault(
    "taken_for_own",
    host="web1",
    segment="client.route",
    says=("as it forwards on eth0", "2001:db8:1::/64", "subnet-router anycast", "net.ipv6.conf.eth0.forwarding=0"),
    flow=FIRST,
    topology=two,
    **TAKEN,
)
def a_client_that_forwards_is_a_router(fleet: Machines) -> None:
    """https://github.com/tonarino/innernet/issues/131"""
    the_client_does_not_forward(fleet)
    fleet.sysctl("web1", "net.ipv6.conf.all.forwarding", 1)


@twin("taken_for_own", flow=FIRST, topology=two, slow=True, **BRIEF)
def the_client_does_not_forward(fleet: Machines) -> None:
    first_of(fleet, 1)


@fault("taken_for_own/router", host="r1", segment="path.forward", says=("as it forwards on eth1", "db1 has it"), flow=FIRST_BACK, **TAKEN)
def the_router_keeps_it(fleet: Machines) -> None:
    first_of(fleet, 2)


@fault(
    "taken_for_own/unseen",
    host="path",
    segment="path.forward",
    certainties=("likely",),
    says=("the first one of 2001:db8:2::/64", "give db1 another address"),
    flow=Flow("2001:db8:2::", timeout=1.0),
    **TAKEN,
)
def some_router_keeps_it(fleet: Machines) -> None:
    first_of(fleet, 2)


@fault(
    "router_route/first-address",
    "timeout",
    code="router_route",
    host="r1",
    leg="syn",
    segment="path.forward",
    flow=Flow("2001:db8:2:1::", timeout=1.0, via=("r1",)),
    slow=True,
    **BRIEF,
)
def a_router_of_another_network_loses_it(fleet: Machines) -> None:
    """The address is the first one of its network, and r1 is none of the routers of that."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", "ip address add 2001:db8:2:1::/64 dev eth0 nodad")
    shell(fleet, "r1", "ip -6 route add blackhole 2001:db8:2:1::/64")


# -- answers that are not taken

IGNORED: dict[str, Any] = {"code": "neighbour_ignored", "slow": True, **BRIEF}
ON_PORT = "on which it has its addresses, is a port of br0"
ENSLAVED = "ip link add br0 type bridge; ip link set br0 up; ip link set {0} master br0; ip neigh flush all; ip -6 neigh flush all; sleep 1"
PATIENT = Flow(timeout=4.0)


@fault(
    "neighbour_ignored",
    "timeout",
    host="db1",
    leg="syn_ack",
    segment="server.egress",
    says=("asks for 10.0.2.1", "eth0, " + ON_PORT, "have 10.0.2.21/24 of db1 on br0"),
    flow=Flow(timeout=1.0),
    **IGNORED,
)
def the_address_stays_on_the_port(fleet: Machines) -> None:
    """https://oneuptime.com/blog/post/2026-03-20-troubleshoot-bridge-networking-linux/view"""
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(fleet, "db1", ENSLAVED.format("eth0"))


@twin("neighbour_ignored", slow=True, **BRIEF)
def the_address_is_on_the_bridge(fleet: Machines) -> None:
    """What is advised."""
    the_address_stays_on_the_port(fleet)
    move = "ip address delete 10.0.2.21/24 dev eth0; ip address add 10.0.2.21/24 dev br0; ip route replace default via 10.0.2.1 dev br0"
    shell(fleet, "db1", move)


@fault(
    "neighbour_ignored/client",
    "EHOSTUNREACH",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    says=("neighbour advertisements", ON_PORT),
    flow=Flow(DB1_V6, timeout=4.0),
    **IGNORED,
)
def the_clients_address_stays_on_the_port(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", ENSLAVED.format("eth0"))


BY_ROUTER: dict[str, Any] = {"kernel": "EHOSTUNREACH", "host": "r1", "leg": "syn", "segment": "path.forward", **IGNORED}


@fault("neighbour_ignored/router", says=("asks for 10.0.2.21 and", ON_PORT), flow=Flow(timeout=4.0, via=("r1",)), **BY_ROUTER)
def the_routers_address_stays_on_the_port(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(fleet, "r1", ENSLAVED.format("eth1"))


CLEAN_TRAFFIC = """
ip link add br0 type bridge; ip link set br0 address $(cat /sys/class/net/eth1/address); ip link set br0 up; ip address flush dev eth1
ip link set eth1 master br0; ip address add 10.0.2.1/24 dev br0
for chain in libvirt-I-eth1 I-eth1-arp-ip; do ebtables-nft -t nat -N $chain; done
ebtables-nft -t nat -A PREROUTING -i eth1 -j libvirt-I-eth1; ebtables-nft -t nat -A libvirt-I-eth1 -p ARP -j I-eth1-arp-ip
ebtables-nft -t nat -A I-eth1-arp-ip -p ARP --arp-ip-src 10.0.2.21 -j RETURN; ebtables-nft -t nat -A I-eth1-arp-ip -j DROP
ip neigh flush dev br0
"""


@fault(
    "neighbour_ignored/rules",
    says=("chain PREROUTING of table bridge nat", "clean-traffic", "add 10.0.2.100"),
    flow=Flow("10.0.2.100", timeout=4.0, via=("r1",)),
    **BY_ROUTER,
)
def a_hypervisor_keeps_its_guest_to_one_address(fleet: Machines) -> None:
    """https://maciej.lasyk.info/2013/Dec/01/kvm-l2-filtering-virsh-nwfilter/"""
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(fleet, "db1", "ip addr add 10.0.2.100/24 dev eth0")
    shell(fleet, "r1", CLEAN_TRAFFIC)


@twin("neighbour_ignored/rules", flow=Flow(timeout=4.0, via=("r1",)), slow=True, **BRIEF)
def the_address_that_the_guest_may_have(fleet: Machines) -> None:
    a_hypervisor_keeps_its_guest_to_one_address(fleet)


@fault(
    "neighbour_ignored/advertisements-dropped",
    "timeout EHOSTUNREACH",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    says=("chain INPUT of table ip6 filter, policy drop", "neighbour solicitations (135)"),
    flow=Flow(DB1_V6, timeout=4.0),
    **IGNORED,
)
def the_clients_firewall_drops_the_answers(fleet: Machines) -> None:
    """As neighbour_silent/solicitations-dropped, at the end that asks."""
    fleet.listen("db1", "::", 5432)
    rules = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; ip6tables-nft -A INPUT -p tcp -j ACCEPT; ip6tables-nft -P INPUT DROP"
    shell(fleet, "web1", f"ip6tables-nft {rules}; ip -6 neigh flush all")


KEEPALIVED = """
vrrp_instance own {
    state MASTER
    interface eth0
    use_vmac vrrp.44
    vmac_xmit_base
    virtual_router_id 44
    priority 200
    advert_int 1
    virtual_ipaddress { 10.0.2.100/%d }
}
"""


def with_link_address_of_vrrp(fleet: Machines, prefix: int) -> None:
    """As its manual has it; DHCP clients give their network a metric."""
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.write("db1", "/etc/keepalived.conf", KEEPALIVED % prefix)
    for name in ("all.arp_ignore", "all.arp_announce", "eth0.arp_filter"):
        fleet.sysctl("db1", f"net.ipv4.conf.{name}", 1)
    shell(fleet, "db1", "ip address delete 10.0.2.21/24 dev eth0; ip address add 10.0.2.21/24 dev eth0 metric 100")
    shell(fleet, "db1", "ip route add default via 10.0.2.1 metric 100")
    fleet.popen("db1", ["keepalived", "--dont-fork", "--vrrp", "-f", "/etc/keepalived.conf", "-p", "/run/k.pid", "-r", "/run/kv.pid"])
    shell(fleet, "db1", "until ip address show dev vrrp.44 2>/dev/null | grep -q 10.0.2.100; do sleep 0.2; done")
    shell(fleet, "r1", "ip neigh flush dev eth1")


@fault(
    "neighbour_silent/arp-filter",
    "EHOSTUNREACH",
    code="neighbour_silent",
    host="db1",
    leg="syn",
    segment="server.ingress",
    says=("arp_filter is on, and its way to 10.0.2.1 is vrrp.44", "give 10.0.2.100 on vrrp.44 of db1 the prefix /32"),
    flow=PATIENT,
    slow=True,
    **BRIEF,
)
def the_virtual_address_has_the_network_as_well(fleet: Machines) -> None:
    """https://github.com/acassen/keepalived/issues/2282, https://github.com/acassen/keepalived/issues/2512"""
    with_link_address_of_vrrp(fleet, 24)


@twin("neighbour_silent/arp-filter", flow=PATIENT, slow=True, **BRIEF)
def the_virtual_address_has_no_network(fleet: Machines) -> None:
    """What is advised."""
    with_link_address_of_vrrp(fleet, 32)


# -- ways for some sources only

FOR_OTHERS = ("its way there is for sources of 2001:db8:99::/56 only", "sourcefilter")
SOURCES = "ip -6 route del {0} via {1}; ip -6 route add default from 2001:db8:99::/56 via {1}"


@fault(
    "path_no_route/for-sources",
    "timeout ENETUNREACH",
    code="path_no_route",
    host="r1",
    leg="syn",
    segment="path.forward",
    says=FOR_OTHERS,
    flow=Flow(DB1_V6, timeout=1.0, via=("r1",)),
    topology=two_routers,
    slow=True,
    **BRIEF,
)
def the_routers_way_is_for_others(fleet: Machines) -> None:
    """https://github.com/openwrt/openwrt/issues/14954"""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", SOURCES.format("2001:db8:2::/64", "2001:db8:3::2"))


@fault(
    "no_route/for-sources",
    "ENETUNREACH",
    code="no_route",
    host="web1",
    leg="syn",
    segment="client.route",
    says=FOR_OTHERS,
    flow=Flow(DB1_V6),
    slow=True,
    **BRIEF,
)
def the_clients_way_is_for_others(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", SOURCES.format("default", "2001:db8:1::1"))
