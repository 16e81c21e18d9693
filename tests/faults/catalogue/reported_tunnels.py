# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels that people reported to public trackers, rebuilt; each fault names its report."""

from __future__ import annotations

from tests.faults._fault import DB1, WEB1, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import FORWARD, SHORT, shell
from tests.lab._machines import Machines

POD = "10.0.42.1"


def overlay(fleet: Machines, at_web1: str = "id 1 dstport 8472") -> None:
    """VXLAN between web1 and db1, as flannel makes it."""
    fleet.listen("db1", "::", 5432)
    ends = {"web1": at_web1, "db1": "id 1 dstport 8472"}
    for host, own, other, number in (("web1", WEB1, DB1, 1), ("db1", DB1, WEB1, 0)):
        shell(
            fleet,
            host,
            f"""
            ip link add flannel.1 address 02:42:00:00:00:1{number} type vxlan {ends[host]} local {own} dev eth0 nolearning
            ip address add 10.0.{42 + number}.1/32 dev flannel.1; ip link set flannel.1 up
            ip neigh replace 10.0.{43 - number}.1 lladdr 02:42:00:00:00:1{1 - number} dev flannel.1 nud permanent
            ip route add 10.0.{43 - number}.0/24 via 10.0.{43 - number}.1 dev flannel.1 onlink
            bridge fdb append 02:42:00:00:00:1{1 - number} dev flannel.1 dst {other}
            """,
        )


@fault(
    "tunnel_drop",
    "timeout",
    code="tunnel_drop",
    host="path",
    certainties=("likely",),
    says=("flannel.1 (vxlan, UDP port 8472, VNI 1) of web1", "firewalls of web1 and db1"),
    flow=Flow(POD, timeout=1.0),
    **FORWARD,
)
def the_outer_packets_are_not_let_in(fleet: Machines) -> None:
    """https://github.com/k3s-io/k3s/issues/2935: neither end sees it, and it is dropped inside one of them."""
    overlay(fleet)
    fleet.nft("db1", chain("input", "udp dport 8472 drop"))


@fault(
    "tunnel_drop/way-back",
    "timeout",
    code="tunnel_drop",
    host="path",
    leg="syn_ack",
    segment="path.return",
    certainties=("likely",),
    says=("flannel.1 (vxlan, UDP port 8472, VNI 1) of db1",),
    flow=Flow(POD, timeout=1.0),
    slow=True,
    **BRIEF,
)
def the_outer_packets_back_are_lost(fleet: Machines) -> None:
    overlay(fleet)
    fleet.nft("r1", chain("forward", f"ip saddr {DB1} udp dport 8472 drop"))


@fault(
    "tunnel_drop/ports",
    "timeout",
    code="tunnel_drop",
    host="path",
    certainties=("likely",),
    says=("its end there, flannel.1, has other numbers (vxlan, UDP port 8472, VNI 1)", "the same UDP port (dstport)"),
    flow=Flow(POD, timeout=1.0),
    slow=True,
    **FORWARD,
)
def the_ends_use_different_ports(fleet: Machines) -> None:
    """https://github.com/projectcalico/calico/issues/10692: one node has the port of its environment, and one that of its configuration."""
    overlay(fleet, "id 1 dstport 4789")


@fault(
    "requests_lost/tunnel",
    "timeout EHOSTUNREACH",
    code="requests_lost",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    certainties=("likely",),
    says=("the tunnel between them (vxlan, UDP port 4789, VNI 5)", "let pass what carries it"),
    flow=Flow("10.77.0.2", timeout=1.0),
    slow=True,
    **BRIEF,
)
def requests_are_lost_in_a_tunnel(fleet: Machines) -> None:
    """No switch is between its ends."""
    fleet.listen("db1", "0.0.0.0", 5432)
    for host, other, number in (("web1", DB1, 1), ("db1", WEB1, 2)):
        make = f"ip link add vx0 type vxlan id 5 dstport 4789 remote {other} dev eth0; ip addr add 10.77.0.{number}/24 dev vx0"
        shell(fleet, host, f"{make}; ip link set vx0 up")
    fleet.nft("r1", chain("forward", "udp dport 4789 drop"))


@fault(
    "tunnel_drop/networks",
    "timeout",
    code="tunnel_drop",
    host="path",
    certainties=("likely",),
    says=("its end there, flannel.1, has other numbers (vxlan, UDP port 8472, VNI 1)", "the same number of the network (VNI)"),
    flow=Flow(POD, timeout=1.0),
    slow=True,
    **FORWARD,
)
def the_ends_are_of_different_networks(fleet: Machines) -> None:
    overlay(fleet, "id 2 dstport 8472")


@twin("tunnel_drop", flow=Flow(POD, timeout=1.0), **BRIEF)
def the_tunnel_is_open(fleet: Machines) -> None:
    overlay(fleet)


TUN = """
import fcntl, os, struct
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH", b"tailscale0", 0x1001))
print(1, flush=True)
while True:
    os.read(tun, 2000)
"""


@fault(
    "tunnel_drop/policy-route",
    "timeout",
    code="tunnel_drop",
    host="path",
    certainties=("likely",),
    says=("tailscale0 (tun) of web1, as 10.0.2.0/24 dev tailscale0 (table 52, by policy rule 5270)",),
    flow=SHORT,
    slow=True,
    **FORWARD,
)
def a_vpn_has_the_servers_network(fleet: Machines) -> None:
    """https://github.com/tailscale/tailscale/issues/6231"""
    fleet.listen("db1", "::", 5432)
    fleet.popen("web1", [fleet.python, "-c", TUN]).await_answer()
    shell(fleet, "web1", "ip address add 100.80.115.142/32 dev tailscale0; ip link set tailscale0 up")
    shell(fleet, "web1", "ip rule add pref 5270 lookup 52; ip route add 10.0.2.0/24 dev tailscale0 table 52")


@fault(
    "tunnel_drop/forwarding-entry",
    "timeout",
    code="tunnel_drop",
    host="web1",
    certainties=("likely",),
    says=("flannel.1 itself drops it", "bridge fdb show dev flannel.1"),
    flow=Flow(POD, timeout=1.0),
    **FORWARD,
)
def the_overlay_forgets_where_its_peer_is(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/52661: the neighbour's entry is there, and the forwarding entry of its link address is not."""
    overlay(fleet)
    shell(fleet, "web1", f"bridge fdb del 02:42:00:00:00:10 dev flannel.1 dst {DB1}")


SWALLOWS = """
import fcntl, os, struct
tunnel = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tunnel, 0x400454CA, struct.pack("16sH", b"tun0", 0x1001))
print("[]", flush=True)
while os.read(tunnel, 2000): pass
"""


@fault(
    "asymmetric_route/tunnel",
    "timeout",
    code="asymmetric_route",
    host="db1",
    leg="syn_ack",
    segment="path.return",
    certainties=("likely",),
    says=("leaves by tun0", "by 0.0.0.0/1"),
    flow=Flow(timeout=1.0),
    slow=True,
    **BRIEF,
)
def a_tunnel_for_everything_takes_the_answers(fleet: Machines) -> None:
    """https://cr0x.net/en/wireguard-allowedips-routing-confusion"""
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.popen("db1", [fleet.python, "-c", SWALLOWS]).await_answer()
    shell(fleet, "db1", "ip addr add 10.8.0.2/24 dev tun0; ip link set tun0 up; ip route add 0.0.0.0/1 via 10.8.0.1")
