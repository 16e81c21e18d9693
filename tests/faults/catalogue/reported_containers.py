# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of containers and their published ports, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import SHORT, shell
from tests.faults.catalogue.services import CONTAINER, RULES
from tests.lab._machines import Machines


def in_container(fleet: Machines, name: str, port: str) -> None:
    server = [fleet.python, "-B", str(fleet.tools / "serve.py"), "0.0.0.0", port]
    fleet.popen("db1", ["ip", "netns", "exec", name, *server]).await_answer()


def published(fleet: Machines, *ahead: str) -> None:
    """A container on db1, and docker's rules for its port."""
    shell(fleet, "db1", CONTAINER)
    for rule in (RULES[0], RULES[1], *ahead, *RULES[2:]):
        fleet.run("db1", ["iptables-nft", *fleet.with_port(rule).split()])
    in_container(fleet, "web", "80")


@fault(
    "router_not_forwarding/published",
    "timeout",
    code="router_not_forwarding",
    host="db1",
    leg="syn",
    segment="server.route",
    says=("net.ipv4.conf.eth0.forwarding=0", "172.17.0.2:80", "set net.ipv4.ip_forward=1"),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def forwarding_is_switched_off_behind_docker(fleet: Machines) -> None:
    """https://github.com/geerlingguy/ansible-role-docker/pull/158, https://github.com/TencentBlueKing/bk-ci/issues/4501"""
    published(fleet)
    fleet.sysctl("db1", "net.ipv4.ip_forward", 0)


TWO_NETWORKS = """
sysctl -qw net.ipv4.ip_forward=1; ip netns add foo; ip -n foo link set lo up
for n in 30 31; do
    ip link add br-net$n type bridge; ip addr add 172.$n.0.1/16 dev br-net$n; ip link set br-net$n up
    ip link add veth$n type veth peer name eth$n netns foo; ip link set veth$n up master br-net$n
    ip -n foo link set eth$n up; ip -n foo addr add 172.$n.0.3/16 dev eth$n
    sysctl -qw net.ipv4.conf.br-net$n.rp_filter=1
done
"""
DIRECT: dict[str, Any] = {"flow": Flow("172.31.0.3", timeout=1.0), "slow": True}


def in_two_networks(fleet: Machines, default: str) -> None:
    shell(fleet, "db1", TWO_NETWORKS)
    shell(fleet, "db1", f"ip -n foo route add default via {default}")
    in_container(fleet, "foo", "5432")
    shell(fleet, "r1", "ip route add 172.31.0.0/16 via 10.0.2.21")


@fault(
    "neighbour_silent/reverse-path",
    "timeout",
    code="neighbour_silent",
    host="db1",
    leg="syn_ack",
    segment="server.ingress",
    says=("its own address 172.30.0.1 on br-net30", "rp_filter is 1 on br-net30, and its way to 172.31.0.3 is br-net31", "several"),
    **DIRECT,
    **BRIEF,
)
def answers_by_its_other_network(fleet: Machines) -> None:
    """https://github.com/chipmk/docker-mac-net-connect/issues/4"""
    in_two_networks(fleet, "172.30.0.1")


@twin("neighbour_silent/reverse-path", **DIRECT)
def answers_by_the_same_network(fleet: Machines) -> None:
    in_two_networks(fleet, "172.31.0.1")


@fault(
    "firewall_drop/direct-to-container",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn",
    segment="server.firewall",
    says=("table ip raw, chain PREROUTING", "publish port 80", "nat-unprotected"),
    flow=Flow("172.17.0.2", port=80, timeout=1.0),
    slow=True,
    **BRIEF,
)
def dialled_at_its_own_address(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/49792"""
    fleet.port = 80
    published(fleet)
    shell(fleet, "db1", "iptables-nft -t raw -A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP")
    shell(fleet, "r1", "ip route add 172.17.0.0/16 via 10.0.2.21")


UNPUBLISHED: dict[str, Any] = {
    **{"kernel": "ECONNREFUSED", "host": "db1", "leg": "syn", "segment": "server.socket", "flow": SHORT, "slow": True},
    **BRIEF,
}


@fault(
    "no_listener/unpublished",
    code="no_listener",
    says=("no rule of db1 leads the port on, and python", "listens on 0.0.0.0:80 in network namespace", "publish port 80 of its"),
    **{**UNPUBLISHED, "slow": False},
)
def the_container_listens_on_another_port(fleet: Machines) -> None:
    """The port was left out when the container was made again."""
    shell(fleet, "db1", CONTAINER)
    in_container(fleet, "web", "80")


@fault(
    "no_listener/unpublished/several",
    code="no_listener",
    says=("listens on 0.0.0.0:80 in network namespace", "listens on 0.0.0.0:81 in network namespace", "start the service that should"),
    **UNPUBLISHED,
)
def nobody_knows_which_one_is_meant(fleet: Machines) -> None:
    shell(fleet, "db1", CONTAINER)
    in_container(fleet, "web", "80")
    in_container(fleet, "web", "81")


@fault(
    "listener_other_namespace/unpublished",
    code="listener_other_namespace",
    certainties=("proven", "likely"),
    says=("listens on 0.0.0.0:5432 in network namespace", "no rule of db1 leads the port there"),
    **UNPUBLISHED,
)
def docker_publishes_another_port(fleet: Machines) -> None:
    published(fleet)
    rule = "-A DOCKER -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"
    shell(fleet, "db1", f"iptables-nft -t nat -F DOCKER; iptables-nft -t nat {rule}")
    in_container(fleet, "web", "5432")


@fault(
    "listener_other_namespace/loopback",
    code="listener_other_namespace",
    says=("listens on 127.0.0.1:5432 in network namespace", "for that namespace alone", "listen on an address of the namespace"),
    **UNPUBLISHED,
)
def for_the_container_itself_only(fleet: Machines) -> None:
    shell(fleet, "db1", CONTAINER)
    server = [fleet.python, "-B", str(fleet.tools / "serve.py"), "127.0.0.1", "5432"]
    fleet.popen("db1", ["ip", "netns", "exec", "web", *server]).await_answer()


@twin("no_listener/unpublished", flow=SHORT, slow=True)
def published_after_all(fleet: Machines) -> None:
    published(fleet)
