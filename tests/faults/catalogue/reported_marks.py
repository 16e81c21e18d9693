# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that lead packets to where the kernel has no way for them, or other rules refuse them, as people reported them."""

from __future__ import annotations

from functools import partial

from tests.faults import _fault
from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import BY_R1, FORWARD, SHORT, shell
from tests.faults.catalogue.reported_containers import in_container, published
from tests.faults.catalogue.systemd import firewalld
from tests.lab._machines import Machines
from tests.lab.systemd_fleet import SystemdFleet

systemd = partial(_fault.fault, systemd=True)
MARKED = (
    "iptables-nft -t mangle -N VPN; iptables-nft -t mangle -A PREROUTING -j VPN; "
    "iptables-nft -t mangle -A VPN -i eth0 -j MARK --set-mark 9; iptables-nft -t mangle -A VPN -j CONNMARK --save-mark"
)
BY_MARK = "ip rule add fwmark 9 lookup 101 priority 99; ip route add %s table 101"


def split(fleet: Machines, route: str) -> None:
    """r1 sends what comes from the front by a table of its own."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", f"{MARKED}; {BY_MARK % route}")


@fault(
    "router_route/marked",
    "timeout",
    code="router_route",
    host="r1",
    certainties=("likely",),
    says=("-i eth0 -j MARK", "marks the SYN with 0x9", "99: from all fwmark 0x9 lookup 101", "bring up what table 101 of r1 leads to"),
    flow=BY_R1,
    slow=True,
    **FORWARD,
)
def the_tunnel_of_marked_packets_is_down(fleet: Machines) -> None:
    """https://github.com/peacey/split-vpn/issues/33: a blackhole route remains, so that nothing leaves beside the tunnel."""
    split(fleet, "blackhole default")


@fault(
    "router_route/marked/refused",
    "EHOSTUNREACH",
    code="router_route",
    host="r1",
    certainties=("likely",),
    says=("-i eth0 -j MARK", "marks the SYN with 0x9"),
    flow=BY_R1,
    slow=True,
    **FORWARD,
)
def the_tunnel_of_marked_packets_says_that_it_is_down(fleet: Machines) -> None:
    split(fleet, "unreachable default")


@twin("router_route/marked", flow=BY_R1, slow=True)
def marked_packets_have_a_way(fleet: Machines) -> None:
    split(fleet, "10.0.2.0/24 dev eth1")


def forwarded_to(fleet: Machines, more: str) -> None:
    """firewalld forwards the port."""
    assert isinstance(fleet, SystemdFleet)
    fleet.service("db1", "orders", 8080)
    script = "systemctl start firewalld; until firewall-cmd --state; do sleep 0.1; done; firewall-cmd --zone=public --change-interface=eth0"
    fleet.run("db1", ["sh", "-ec", f"{script}; firewall-cmd --zone=public --add-forward-port=port=5432:proto=tcp:toport=8080{more}"])


@systemd(
    "systemd/nat_wrong_target/loopback",
    "timeout",
    code="nat_wrong_target",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("likely",),
    says=("to 127.0.0.1:8080", "takes nothing from eth0 for a loopback address", "a forward-port without toaddr"),
    flow=Flow(timeout=1.0),
    slow=True,
    **BRIEF,
)
def forwarded_to_the_loopback_address(fleet: Machines) -> None:
    """https://github.com/firewalld/firewalld/issues/1298"""
    forwarded_to(fleet, ":toaddr=127.0.0.1")


@systemd("systemd/nat_wrong_target/loopback/twin", "connected", status="ok", flow=Flow(timeout=1.0), slow=True)
def forwarded_to_another_port(fleet: Machines) -> None:
    """What is advised."""
    forwarded_to(fleet, "")


SIDECAR = """
ip netns exec web iptables-nft -t nat -N ISTIO_IN_REDIRECT
ip netns exec web iptables-nft -t nat -A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
ip netns exec web iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j ISTIO_IN_REDIRECT
"""


def with_sidecar(fleet: Machines) -> None:
    published(fleet)
    shell(fleet, "db1", SIDECAR)


@fault(
    "nat_wrong_target/sidecar",
    "ECONNREFUSED",
    code="nat_wrong_target",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("likely",),
    says=("172.17.0.2:80", "although python listens there", "sidecar", "nft list ruleset"),
    flow=SHORT,
    slow=True,
)
def the_sidecar_does_not_run(fleet: Machines) -> None:
    """https://github.com/istio/istio/issues/11838: in the container's own namespace, its port leads to a proxy that is not there."""
    with_sidecar(fleet)


@twin("nat_wrong_target/sidecar", flow=SHORT, slow=True)
def the_sidecar_runs(fleet: Machines) -> None:
    with_sidecar(fleet)
    in_container(fleet, "web", "15006")


INSIDE_R1 = """
ip link add podman0 type bridge; ip address add 10.88.0.1/16 dev podman0; ip link set podman0 up
ip netns add web; ip link add veth0 type veth peer name eth0 netns web; ip link set veth0 up master podman0
ip -n web link set eth0 up; ip -n web address add 10.88.0.2/16 dev eth0; ip -n web route add default via 10.88.0.1
"""


def published_at_r1(fleet: Machines, where: str) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", INSIDE_R1)
    fleet.nft(
        "r1", f"table inet n {{ chain c {{ type nat hook prerouting priority -90; {where} tcp dport 5432 dnat ip to 10.88.0.2:5432; }}; }}"
    )
    server = [fleet.python, "-B", str(fleet.tools / "serve.py"), "0.0.0.0", "5432"]
    fleet.popen("r1", ["ip", "netns", "exec", "web", *server]).await_answer()


@fault(
    "nat_wrong_target/passing",
    "connected",
    code="nat_wrong_target",
    status="degraded",
    host="r1",
    leg="syn",
    segment="path.forward",
    says=("10.88.0.2, which is not db1", "have it ask for an address of r1"),
    flow=BY_R1,
    slow=True,
)
def what_only_passes_is_translated(fleet: Machines) -> None:
    """https://github.com/containers/netavark/issues/904: r1's container answers for every server behind r1."""
    published_at_r1(fleet, "meta nfproto ipv4")


@twin("nat_wrong_target/passing", flow=BY_R1, slow=True)
def what_is_for_the_router_itself_is_translated(fleet: Machines) -> None:
    published_at_r1(fleet, "fib daddr type local")


@systemd(
    "systemd/firewall_reject/other-zone",
    "EHOSTUNREACH",
    code="firewall_reject",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("proven", "likely"),
    says=("zone external", "belongs into zone internal, which has port 5432/tcp", "--change-interface=eth0"),
    flow=Flow(timeout=1.0),
    slow=True,
)
def the_interface_is_in_another_zone(fleet: Machines) -> None:
    """https://github.com/firewalld/firewalld/issues/788"""
    firewalld("external", fleet)
    fleet.run(
        "db1",
        ["sh", "-ec", "firewall-cmd --permanent --zone=internal --add-port=5432/tcp; firewall-cmd --zone=internal --add-port=5432/tcp"],
    )
