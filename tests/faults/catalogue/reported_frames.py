# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that come in frames for a group of machines, as people reported them to public places."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.faults.catalogue.reported import BY_R1, SHORT, shell
from tests.lab._machines import Machines
from tests.lab.topologies import Topology, at, host

COMES: dict[str, Any] = {"code": "group_frame", "leg": "syn", "segment": "server.ingress"}
BRIEF: dict[str, Any] = {"options": {"diagnose_patience": 0.5}}


def pinned(fleet: Machines, mac: str, **listener: Any) -> None:
    """r1 has a static entry for db1."""
    fleet.listen("db1", "0.0.0.0", 5432, **listener)
    shell(fleet, "r1", f"ip neigh replace {DB1} lladdr {mac} dev eth1 nud permanent")


@fault(
    "group_frame",
    "timeout",
    host="r1",
    flow=BY_R1,
    says=("in broadcast frames", "r1 has the link address ff:ff:ff:ff:ff:ff for 10.0.2.21", "ip neigh delete 10.0.2.21 dev eth1"),
    **COMES,
    **BRIEF,
)
def a_router_is_to_wake_the_server(fleet: Machines) -> None:
    """https://cmikavac.net/2010/01/24/thomson-speedtouch-780wl-port-forwarding-to-broadcast-address/: a static entry for Wake-on-LAN."""
    pinned(fleet, "ff:ff:ff:ff:ff:ff")


@fault(
    "group_frame/last-hop",
    "timeout",
    host="path",
    flow=SHORT,
    says=("the last hop (link address", "a static entry of its neighbour table"),
    slow=True,
    **COMES,
    **BRIEF,
)
def some_router_is_to_wake_the_server(fleet: Machines) -> None:
    pinned(fleet, "ff:ff:ff:ff:ff:ff")


@fault("group_frame/multicast", "timeout", host="r1", flow=BY_R1, says=("in multicast frames",), slow=True, **COMES, **BRIEF)
def the_link_address_is_that_of_a_cluster(fleet: Machines) -> None:
    """As of Microsoft's Network Load Balancing in multicast mode, from which a member has been taken."""
    pinned(fleet, "03:bf:0a:00:02:15")
    shell(fleet, "db1", "ip link set eth0 allmulticast on promisc on")


@twin("group_frame", flow=BY_R1, **BRIEF)
def a_router_has_the_link_address_of_the_server(fleet: Machines) -> None:
    pinned(fleet, fleet.link_address("db1"))


TAKEN = "table inet t { chain pre { type filter hook prerouting priority raw; meta pkttype set host; }; }"


@fault(
    "accept_queue_full/group-frames",
    "timeout",
    code="accept_queue_full",
    host="db1",
    leg="syn",
    segment="server.backlog",
    flow=BY_R1,
    also=("group_frame",),
    slow=True,
    **BRIEF,
)
def the_server_takes_frames_to_all(fleet: Machines) -> None:
    """As nodes of a cluster do that share a link address: a rule calls the frames its own, and they end at the listener's queue."""
    pinned(fleet, "ff:ff:ff:ff:ff:ff", backlog=1, behaviour="silent")
    fleet.nft("db1", TAKEN)
    fleet.hold("web2", DB1, 5432, 3)


@twin("accept_queue_full/group-frames", flow=BY_R1, slow=True, **BRIEF)
def the_server_serves_what_comes_in_frames_to_all(fleet: Machines) -> None:
    pinned(fleet, "ff:ff:ff:ff:ff:ff")
    fleet.nft("db1", TAKEN)


def halved(client: str) -> Topology:
    """db1 has half of the network by its own prefix."""
    ends = {name: at("lan", 1, 12) for name in ("web1", "db1")}
    ends["web1"]["addresses"], ends["db1"]["addresses"] = [f"{client}/24"], ["10.0.1.12/25"]
    return {"hosts": {name: host([], [], eth0=end) for name, end in ends.items()}}


HALVED: dict[str, Any] = {"flow": Flow("10.0.1.12", timeout=1.0), **BRIEF}


@fault(
    "group_frame/mask",
    "timeout",
    code="group_frame",
    host="db1",
    leg="syn_ack",
    segment="client.ingress",
    topology=lambda: halved("10.0.1.127"),
    says=("db1 takes 10.0.1.127 for a broadcast address, by its address 10.0.1.12/25 on eth0", "to /24, which web1 has"),
    **HALVED,
)
def the_client_has_the_last_address_of_the_servers_network(fleet: Machines) -> None:
    """https://biecuoliao.com/pa/Mow7LQM.html: two hosts whose masks differ."""
    fleet.listen("db1", "0.0.0.0", 5432)


@twin("group_frame/mask", topology=lambda: halved("10.0.1.126"), slow=True, **HALVED)
def the_client_has_the_address_before_it(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432)
