# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of servers with workers, of servers at their own limits, and of containers behind a published port."""

from __future__ import annotations

import time
from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.lab._machines import Machines

BACKLOG: dict[str, Any] = {"code": "accept_queue_full", "host": "db1", "leg": "syn", "segment": "server.backlog"}
SHORT: dict[str, Any] = {"flow": Flow(timeout=1.0), "options": {"diagnose_patience": 0.5}}
MANY: dict[str, Any] = {
    "flow": Flow(timeout=1.0),
    "options": {"diagnose_attempts": 10, "diagnose_interval": 0.05, "diagnose_patience": 0.5},
}


@fault(
    "accept_queue_full/reuseport",
    "",
    status="degraded",
    says=("one of 2 sockets", "of which 1 has room", "is stopped", "kill -CONT"),
    **BACKLOG,
    **MANY,
)
def one_of_two_workers_is_stopped(fleet: Machines) -> None:
    worker = fleet.prefork("db1", "0.0.0.0", fleet.port, backlog=2).answer[0]
    fleet.run("db1", ["kill", "-STOP", str(worker)])
    fleet.hold("web2", DB1, fleet.port, 16, 1.0)
    time.sleep(1)
    assert set(fleet.connects("web1", DB1, fleet.port, 16, 1.0)) == {"connected", "timeout"}


@twin("accept_queue_full/reuseport", **MANY)
def both_workers_accept(fleet: Machines) -> None:
    fleet.prefork("db1", "0.0.0.0", fleet.port, backlog=2)


@fault("accept_queue_full/prefork", "timeout", slow=True, says=("is stopped", "kill -CONT"), **BACKLOG, **SHORT)
def all_workers_are_stopped(fleet: Machines) -> None:
    """The first process, which only holds the socket, sleeps as ever."""
    for worker in fleet.prefork("db1", "0.0.0.0", 5432, backlog=2, shared=True).answer:
        fleet.run("db1", ["kill", "-STOP", str(worker)])
    fleet.hold("web2", DB1, 5432, 6, 1.0)


HAPROXY = """global
 maxconn 4000
defaults
 mode tcp
 timeout connect 1s
 timeout client 60s
 timeout server 60s
listen orders
 bind 0.0.0.0:%d backlog 2
 maxconn %d
 server web2 10.0.1.12:%d
"""


def proxied(fleet: Machines, limit: int) -> None:
    """haproxy itself decides how many connections it takes at once; web2 has 20, or as many as it gets."""
    fleet.listen("web2", "0.0.0.0", fleet.port)
    fleet.write("db1", "/etc/limit.cfg", HAPROXY % (fleet.port, limit, fleet.port))
    fleet.popen("db1", ["haproxy", "-db", "-q", "-f", "/etc/limit.cfg"])
    fleet.await_listener("db1", fleet.port)
    fleet.hold("web2", DB1, fleet.port, 20, 2.5)  # SYNs that came before it accepted are repeated


@fault(
    "accept_queue_full/own-limit",
    "timeout",
    says=("does not wait for connections", "maxconn", "of 10.0.1.12"),
    **BACKLOG,
    **SHORT,
)
def at_its_own_limit(fleet: Machines) -> None:
    """A longer queue helps nobody."""
    proxied(fleet, 3)


@twin("accept_queue_full/own-limit", **SHORT)
def below_its_own_limit(fleet: Machines) -> None:
    proxied(fleet, 1000)


@fault(
    "accept_queue_full/descriptors",
    "timeout",
    slow=True,
    says=("used up its file descriptors (16 of 16)", "limit of connections and of its open files", "of 10.0.1.12"),
    **BACKLOG,
    **SHORT,
)
def no_descriptor_left(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, backlog=2, descriptors=16)
    for _client in range(6):
        fleet.hold("web2", DB1, 5432, 4, 0.4)


CONTAINER = """
ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up; sysctl -qw net.ipv4.ip_forward=1
ip netns add web; ip link add veth0 type veth peer name eth0 netns web; ip link set veth0 up master docker0
ip -n web link set lo up; ip -n web link set eth0 up; ip -n web addr add 172.17.0.2/16 dev eth0; ip -n web route add default via 172.17.0.1
"""
RULES = (
    "-t nat -N DOCKER",
    "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
    "-t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport $port -j DNAT --to-destination 172.17.0.2:80",
    "-P FORWARD DROP",
    "-N DOCKER",
    "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A FORWARD -o docker0 -j DOCKER",
    "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
)


def published(fleet: Machines, *arguments: str) -> None:
    """Port 5432 leads to port 80 of a container, where a server listens as told, if it does; db1 itself listens on its own port 80."""
    fleet.run("db1", ["sh", "-ec", CONTAINER])
    for rule in RULES:
        fleet.run("db1", ["iptables-nft", *fleet.with_port(rule).split()])
    fleet.listen("db1", "0.0.0.0", 80)
    if arguments:
        server = [fleet.python, "-B", str(fleet.tools / "serve.py"), *arguments]
        fleet.popen("db1", ["ip", "netns", "exec", "web", *server]).await_answer()


@fault(
    "listener_other_address/container",
    "ECONNREFUSED",
    code="listener_other_address",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("127.0.0.1:80", "172.17.0.2:80", "inside its network namespace"),
)
def on_the_containers_loopback(fleet: Machines) -> None:
    published(fleet, "127.0.0.1", "80")


@twin("listener_other_address/container")
def on_all_of_the_containers_addresses(fleet: Machines) -> None:
    published(fleet, "0.0.0.0", "80")


@fault(
    "nat_wrong_target/container",
    "ECONNREFUSED",
    code="nat_wrong_target",
    host="db1",
    leg="syn",
    segment="server.firewall",
    says=("172.17.0.2:80", "where nothing listens"),
)
def on_another_port_of_the_container(fleet: Machines) -> None:
    published(fleet, "0.0.0.0", "8080")


@fault(
    "accept_queue_full/container",
    "timeout",
    slow=True,
    certainties=("likely",),
    says=("172.17.0.2", "network namespace", "3 waiting, limit 2"),
    **BACKLOG,
    **SHORT,
)
def the_container_does_not_accept(fleet: Machines) -> None:
    published(fleet, "0.0.0.0", "80", "--backlog=2", "--behaviour=silent")
    fleet.hold("web2", DB1, 5432, 6, 1.0)
