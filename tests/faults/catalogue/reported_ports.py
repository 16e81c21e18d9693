# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further faults as people reported them, of ports that lead to containers, guests and other addresses of the same host."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.fronts import NGINX
from tests.faults.catalogue.reported import shell
from tests.faults.catalogue.reported_containers import in_container
from tests.faults.catalogue.services import CONTAINER
from tests.lab._machines import Machines

SHORT = Flow(timeout=1.0)


# -- a name with two addresses


def to_localhost(fleet: Machines, more: str = "") -> None:
    fleet.listen("db1", "127.0.0.1", 8080)
    fleet.write("db1", "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    fleet.write("db1", "/etc/nginx.conf", (NGINX % ("localhost:8080", "", more)).replace("10.0.2.22", "10.0.2.21"))
    fleet.popen("db1", ["nginx", "-c", "/etc/nginx.conf", "-e", "/run/nginx-error.log"])
    fleet.await_listener("db1", 5432)


@fault(
    "proxy_no_backend/localhost",
    "",
    status="degraded",
    code="proxy_no_backend",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("closes 1 of ", "on [::1]:8080 nobody listens, but on 127.0.0.1:8080", "pass connections on to 127.0.0.1:8080"),
    flow=SHORT,
    slow=True,
    options={"diagnose_attempts": 4, **BRIEF["options"]},
)
def the_proxy_tries_one_address_only(fleet: Machines) -> None:
    """https://github.com/google/CodeCity/issues/416, https://github.com/graphite-project/docker-graphite-statsd/issues/87"""
    to_localhost(fleet, "proxy_next_upstream_tries 1;")


@twin("proxy_no_backend/localhost", flow=SHORT, slow=True, **BRIEF)
def the_proxy_tries_the_next_one(fleet: Machines) -> None:
    to_localhost(fleet)


# -- ports of containers


def podman(fleet: Machines, *rules: str) -> None:
    """A container, and the socket by which its manager keeps the port on the host."""
    shell(fleet, "db1", CONTAINER.replace("docker0", "cni-podman0").replace("172.17.0.", "10.88.0."))
    for rule in rules:
        fleet.run("db1", ["iptables-nft", "-t", "nat", *rule.split()])


KEEPS = """
import ctypes, socket, time
ctypes.CDLL(None).prctl(15, b"conmon")
kept = socket.create_server(("0.0.0.0", 5432), backlog=4096)
print("[]", flush=True)
time.sleep(600)
"""
PUBLISHED = "-A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 5432 -j DNAT --to-destination 10.88.0.2:80"


@fault(
    "application_silent/kept-port",
    "connected",
    status="degraded",
    code="application_silent",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("only keeps the port for a container", "listens on 0.0.0.0:80 in network namespace", "podman network reload"),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def the_rules_of_the_container_are_gone(fleet: Machines) -> None:
    """https://github.com/podman-container-tools/podman/issues/8048"""
    podman(fleet)
    in_container(fleet, "web", "80")
    fleet.popen("db1", [fleet.python, "-c", KEEPS]).await_answer()


@twin("application_silent/kept-port", flow=SHORT, slow=True, **BRIEF)
def the_rules_of_the_container_are_there(fleet: Machines) -> None:
    """Nobody accepts on the socket of the port's keeper then either."""
    podman(fleet, PUBLISHED)
    in_container(fleet, "web", "80")
    fleet.popen("db1", [fleet.python, "-c", KEEPS]).await_answer()


REFUSED: dict[str, Any] = {"kernel": "ECONNREFUSED", "host": "db1", "leg": "syn", "flow": SHORT, "slow": True, **BRIEF}


@fault(
    "nat_wrong_target/range",
    code="nat_wrong_target",
    segment="server.firewall",
    says=("10.88.0.2:82", "where nothing listens, but python", "on 0.0.0.0:83 there"),
    **REFUSED,
)
def a_range_of_ports_leads_beside_the_server(fleet: Machines) -> None:
    """https://github.com/podman-container-tools/podman/pull/8043: which port of the container each one leads to is easily miscounted."""
    podman(fleet, "-A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 5430:5440 -j DNAT --to-destination 10.88.0.2:80-90/5430")
    in_container(fleet, "web", "83")


LIBVIRT = """
nat='iptables-nft -t nat'; f=iptables-nft
$nat -A PREROUTING -i eth0 -p tcp --dport 5432 -j DNAT --to-destination 192.168.122.2:22
for chain in LIBVIRT_FWX LIBVIRT_FWI LIBVIRT_FWO; do $f -N $chain; $f -A FORWARD -j $chain; done
$f -A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT
$f -A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
$f -A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable
$f -A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT; $f -A LIBVIRT_FWO -i virbr0 -j REJECT --reject-with icmp-port-unreachable
"""


@fault(
    "firewall_reject/guest",
    code="firewall_reject",
    segment="server.firewall",
    says=("chain LIBVIRT_FWI", "ahead of libvirt's own", "/etc/libvirt/hooks/qemu"),
    **REFUSED,
)
def a_guest_behind_nat_is_forwarded_to(fleet: Machines) -> None:
    """https://github.com/NixOS/nixpkgs/issues/248346"""
    shell(fleet, "db1", CONTAINER.replace("docker0", "virbr0").replace("172.17.0.", "192.168.122.").replace("/16", "/24"))
    in_container(fleet, "web", "22")
    shell(fleet, "db1", LIBVIRT)


# -- a sysctl of sockets


ALL_ADDRESSES = """
import socket, time
own = socket.socket(socket.AF_INET6)
own.bind(("::", 5432))
own.listen(5)
print("[]", flush=True)
time.sleep(600)
"""


@fault(
    "listener_other_family/bindv6only",
    code="listener_other_family",
    segment="server.socket",
    says=("net.ipv6.bindv6only is 1", "set net.ipv6.bindv6only=0 on db1"),
    **REFUSED,
)
def all_addresses_are_those_of_ipv6(fleet: Machines) -> None:
    """https://github.com/LINBIT/linstor-server/issues/38"""
    fleet.sysctl("db1", "net.ipv6.bindv6only", 1)
    fleet.popen("db1", [fleet.python, "-c", ALL_ADDRESSES]).await_answer()


# -- a service of Kubernetes

NO_ENDPOINT = "-A KUBE-EXTERNAL-SERVICES -p tcp -d 10.0.2.100/32 --dport 5432 -j DROP -m comment --comment"


@fault(
    "firewall_drop/no-local-endpoint",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn",
    segment="server.firewall",
    says=("service default/web has no pod on this node",),
    flow=Flow("10.0.2.100", timeout=1.0),
    slow=True,
    **BRIEF,
)
def no_pod_of_the_service_is_here(fleet: Machines) -> None:
    """https://github.com/metallb/metallb/issues/263"""
    shell(fleet, "db1", "ip addr add 10.0.2.100/32 dev eth0; iptables-nft -N KUBE-EXTERNAL-SERVICES")
    fleet.run("db1", ["iptables-nft", *NO_ENDPOINT.split(), "default/web:http has no local endpoints"])
    shell(fleet, "db1", "iptables-nft -A INPUT -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES")


# -- containers of two networks

TWO_NETWORKS = """
f=iptables-nft; $f -t nat -N DOCKER; $f -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
$f -t nat -A DOCKER ! -i eth1 -p tcp --dport 5432 -j DNAT --to-destination 10.0.2.21:80
$f -P FORWARD DROP; for c in DOCKER DOCKER-USER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2; do $f -N $c; done
$f -A FORWARD -j DOCKER-USER; $f -A FORWARD -j DOCKER-ISOLATION-STAGE-1
for b in eth0 eth1; do
    $f -A FORWARD -o $b -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; $f -A FORWARD -o $b -j DOCKER
    $f -A FORWARD -i $b ! -o $b -j ACCEPT; $f -A FORWARD -i $b -o $b -j ACCEPT
    $f -A DOCKER-ISOLATION-STAGE-1 -i $b ! -o $b -j DOCKER-ISOLATION-STAGE-2; $f -A DOCKER-ISOLATION-STAGE-2 -o $b -j DROP
done
$f -A DOCKER -d 10.0.2.21/32 ! -i eth1 -o eth1 -p tcp --dport 80 -j ACCEPT; $f -A DOCKER-USER -j RETURN
"""


@fault(
    "firewall_drop/isolated-networks",
    "timeout",
    code="firewall_drop",
    host="r1",
    leg="syn",
    segment="server.firewall",
    says=("chain DOCKER-ISOLATION-STAGE-2", "in chain DOCKER-USER"),
    flow=Flow("10.0.1.1", timeout=1.0, via=("r1",)),
    slow=True,
    **BRIEF,
)
def a_container_calls_one_of_another_network(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/38784: web1 and db1 are containers of r1."""
    fleet.listen("db1", "0.0.0.0", 80)
    shell(fleet, "r1", TWO_NETWORKS)
