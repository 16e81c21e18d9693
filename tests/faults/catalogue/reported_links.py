# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further faults as people reported them, of bridges and neighbours; each names its report."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, WEB1, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import FORWARD, shell
from tests.faults.catalogue.reported_moved import believes
from tests.lab._machines import FABRIC, Machines
from tests.lab.topologies import Topology, at, one_segment, three_hosts, with_hosts


def two() -> Topology:
    """web1 and db1 on one switch."""
    return one_segment("web1", "db1")


NEIGHBOUR = Flow("10.0.1.12", timeout=4.0)


def between(*statements: str) -> str:
    """A filter of the switches."""
    return f"table bridge f {{ chain f {{ type filter hook forward priority 0; {'; '.join(statements)}; }}\n}}"


# -- bridges of the hosts themselves

BRIDGED = Flow("10.0.9.9", client="db1", server="db1", via=("r1",), timeout=1.0)


def bridged(fleet: Machines) -> None:
    """r1 has its servers behind a port of a bridge, and shows what is bridged to iptables, as a node with pods does."""
    fleet.listen("db1", "0.0.0.0", 5432)
    # The switch is to be a wire: it would learn from what comes back that db1 is behind r1.
    fleet.run(FABRIC, ["bridge", "link", "set", "dev", "r1.eth1", "learning", "off"])
    shell(
        fleet,
        "r1",
        f"""
        ip link add br0 type bridge; ip link set br0 up; ip address flush dev eth1; ip link set eth1 master br0
        ip address add 10.0.2.1/24 dev br0; echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
        iptables-nft -t nat -A PREROUTING -d 10.0.9.9 -p tcp --dport 5432 -j DNAT --to-destination {DB1}
        iptables-nft -t nat -A POSTROUTING -s {DB1} -d {DB1} -j MASQUERADE
        """,
    )


@fault(
    "bridge_port",
    "timeout",
    code="bridge_port",
    host="r1",
    certainties=("likely",),
    says=("the port eth1 of br0 that it came by", "bridge link set dev eth1 hairpin on"),
    flow=BRIDGED,
    **FORWARD,
)
def a_pod_reaches_itself_by_its_service(fleet: Machines) -> None:
    """https://github.com/kubernetes/kubernetes/issues/20475"""
    bridged(fleet)


@fault(
    "bridge_port/asked",
    "timeout",
    code="bridge_port",
    host="r1",
    certainties=("likely",),
    says=("the port eth1 of br0 that it came by",),
    flow=BRIDGED,
    slow=True,
    **FORWARD,
)
def a_pod_that_the_node_must_ask_for(fleet: Machines) -> None:
    """As above, where the node has forgotten the pod's link address: the frame goes out by the bridge then, and by no port."""
    bridged(fleet)
    fleet.run("r1", ["ip", "neigh", "replace", DB1, "lladdr", fleet.link_address("db1"), "dev", "br0", "nud", "stale"])


@twin("bridge_port", flow=BRIDGED, slow=True, **BRIEF)
def a_pod_may_reach_itself_by_its_service(fleet: Machines) -> None:
    """What is advised."""
    bridged(fleet)
    fleet.run("r1", ["bridge", "link", "set", "dev", "eth1", "hairpin", "on"])


LISTENS: dict[str, Any] = {
    "host": "db1",
    "leg": "syn",
    "segment": "server.ingress",
    "says": ("port of br0, whose spanning tree", "listening"),
}


def listening(fleet: Machines) -> None:
    """db1's bridge has just got its port, and listens for others for half a minute."""
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(
        fleet,
        "db1",
        f"""
        ip link add br0 type bridge stp_state 1 forward_delay 3000; ip address flush dev eth0; ip link set br0 up
        ip link set br0 address $(cat /sys/class/net/eth0/address); ip link set eth0 master br0
        ip address add {DB1}/24 dev br0; ip route add default via 10.0.2.1
        """,
    )


@fault(
    "neighbour_silent/spanning-tree",
    "EHOSTUNREACH",
    code="neighbour_silent",
    flow=Flow(timeout=4.0),
    slow=True,
    apart=True,
    clock="a bridge listens for half a minute before it learns",
    **LISTENS,
    **BRIEF,
)
def a_bridge_does_not_answer_yet(fleet: Machines) -> None:
    """https://github.com/OpenNebula/one-deploy/pull/290"""
    listening(fleet)
    fleet.run("r1", ["ip", "neigh", "flush", "dev", "eth1"])


@fault(
    "bridge_port/disabled",
    "timeout",
    code="bridge_port",
    flow=Flow(timeout=1.0),
    slow=True,
    **{**LISTENS, "says": ("eth0: it is a port of br0, which is in state disabled", "bridge link set dev eth0 state 3")},
    **BRIEF,
)
def somebody_has_disabled_the_port(fleet: Machines) -> None:
    """By hand, without any spanning tree: that stays so."""
    fleet.listen("db1", "0.0.0.0", 5432)
    believes(fleet, DB1, fleet.link_address("db1"))
    shell(
        fleet,
        "db1",
        f"""
        ip link add br0 type bridge; ip address flush dev eth0; ip link set br0 address {fleet.link_address("db1")} up
        ip link set eth0 master br0; ip address add {DB1}/24 dev br0; ip route add default via 10.0.2.1; sleep 0.2
        bridge link set dev eth0 state 0
        """,
    )


@fault("bridge_port/spanning-tree", "timeout", code="bridge_port", flow=Flow(timeout=1.0), **LISTENS, **BRIEF)
def a_bridge_does_not_forward_yet(fleet: Machines) -> None:
    """As above, where the router knows the server from before."""
    believes(fleet, DB1, fleet.link_address("db1"))
    listening(fleet)


@fault(
    "link_down/spanning-tree",
    "timeout",
    code="link_down",
    host="web1",
    leg="syn",
    segment="client.egress",
    says=("without carrier: none of its ports forwards (eth0 is in state listening)", "wait until eth0"),
    flow=Flow(timeout=1.0),
    slow=True,
    **BRIEF,
)
def a_bridge_does_not_send_yet(fleet: Machines) -> None:
    """As above, at the client, which knows its router from before."""
    fleet.listen("db1", "0.0.0.0", 5432)
    router = fleet.link_address("r1")
    shell(
        fleet,
        "web1",
        f"""
        ip link add br0 type bridge stp_state 1 forward_delay 3000; ip address flush dev eth0; ip link set br0 up
        ip link set eth0 master br0; ip address add {WEB1}/24 dev br0
        ip route add default via 10.0.1.1; ip neigh replace 10.0.1.1 lladdr {router} dev br0 nud permanent
        """,
    )


@fault(
    "path_drop/bridge",
    "timeout",
    code="path_drop",
    host="db1",
    leg="syn_ack",
    segment="path.return",
    says=("the SYN-ACK is dropped inside db1",),
    certainties=("proven", "likely"),
    flow=Flow(timeout=1.0),
    slow=True,
    **BRIEF,
)
def a_filter_keeps_what_a_bridge_sends(fleet: Machines) -> None:
    """A policer or a filter of the port's own, ahead of the wire."""
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(
        fleet,
        "db1",
        f"""
        ip link add br0 type bridge; ip address flush dev eth0; ip link set br0 up
        ip link set br0 address {fleet.link_address("db1")}; ip link set eth0 master br0
        ip address add {DB1}/24 dev br0; ip route add default via 10.0.2.1
        """,
    )
    fleet.nft("db1", between('oifname "eth0" tcp sport 5432 drop').replace("hook forward", "hook postrouting"))


# -- two interfaces on one network


def beside() -> Topology:
    return with_hosts(three_hosts(), db1={"interfaces": {"eth0": at("back", 2, 21), "eth1": at("back", 2, 77)}})


@fault(
    "rp_filter_drop/beside",
    "timeout",
    code="rp_filter_drop",
    host="db1",
    leg="syn",
    segment="server.route",
    says=("eth1 answers ARP for it as well", "arp_ignore=1"),
    flow=Flow(timeout=1.0),
    topology=beside,
    **BRIEF,
)
def two_interfaces_on_one_network(fleet: Machines) -> None:
    """https://github.com/raspberrypi/linux/issues/3718"""
    fleet.listen("db1", "0.0.0.0", 5432)
    for each in ("all", "eth0", "eth1"):
        fleet.sysctl("db1", f"net.ipv4.conf.{each}.rp_filter", 1)
    believes(fleet, DB1, fleet.link_address("db1", "eth1"))


# -- shapers

SHAPED: dict[str, Any] = {"code": "queueing_drop", "certainties": ("likely",), "slow": True, **BRIEF, "flow": Flow(timeout=1.0)}
TOO_SMALL = ("tbf", "rate", "1mbit", "burst", "60", "limit", "3000")  # an ARP frame fits into the bucket, and no TCP packet does


def shaped(fleet: Machines, host: str, *how: str) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.run(host, ["tc", "qdisc", "add", "dev", "eth0", "root", *how])


@fault("queueing_drop", "timeout", host="db1", leg="syn_ack", segment="server.egress", says=("discipline tbf of eth0", "delete"), **SHAPED)
def the_bucket_of_the_shaper_is_too_small(fleet: Machines) -> None:
    """tc-tbf(8): "if your buffer is too small, packets may be dropped"."""
    shaped(fleet, "db1", *TOO_SMALL)


@fault("queueing_drop/client", "timeout", host="web1", leg="syn", segment="client.egress", says=("discipline tbf of eth0",), **SHAPED)
def the_bucket_of_the_client_s_shaper_is_too_small(fleet: Machines) -> None:
    shaped(fleet, "web1", *TOO_SMALL)


@fault(
    "queueing_drop/traced",
    "timeout",
    host="db1",
    leg="syn_ack",
    segment="server.egress",
    says=("discipline tbf of eth0", "QDISC_"),
    systemd=True,
    **{**SHAPED, "certainties": ("proven",)},
)
def the_kernel_says_that_the_bucket_is_too_small(fleet: Machines) -> None:
    shaped(fleet, "db1", *TOO_SMALL)


@twin("queueing_drop", slow=True)
def the_bucket_of_the_shaper_is_large_enough(fleet: Machines) -> None:
    shaped(fleet, "db1", "tbf", "rate", "1mbit", "burst", "3000", "limit", "30000")
