# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the server's (and the client's) addresses, routes, reverse-path filters and neighbours."""

from __future__ import annotations

import json

from tests.faults._fault import DB1, Flow, fault, twin
from tests.lab._machines import Machines
from tests.lab.topologies import Topology, at, default


def service(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)


def two_legs() -> Topology:
    """The default topology with a second wire between web1 and r1."""
    topology = default()
    topology["hosts"]["web1"]["interfaces"]["eth1"] = at("side", 4, 11)
    topology["hosts"]["r1"]["interfaces"]["eth2"] = at("side", 4, 1)
    return topology


def second_way(fleet: Machines, host: str, network: str) -> None:
    """The host's route to a network leaves by an interface that leads nowhere."""
    fleet.run(host, ["ip", "link", "add", "spare0", "type", "veth", "peer", "name", "spare1"])
    for name in ("spare0", "spare1"):
        fleet.run(host, ["ip", "link", "set", name, "up"])
    fleet.run(host, ["ip", "route", "add", network, "dev", "spare0"])


def strict(fleet: Machines, host: str) -> None:
    fleet.sysctl(host, "net.ipv4.conf.all.rp_filter", 1)


@fault("rp_filter_drop/server", "timeout", code="rp_filter_drop", host="db1", leg="syn", segment="server.route")
def server_is_strict(fleet: Machines) -> None:
    service(fleet)
    second_way(fleet, "db1", "10.0.1.0/24")
    strict(fleet, "db1")


@fault(
    "rp_filter_drop/client",
    "timeout",
    code="rp_filter_drop",
    host="web1",
    leg="syn_ack",
    segment="client.ingress",
    topology=two_legs,
)
def client_is_strict(fleet: Machines) -> None:
    """The SYN leaves by eth0, the SYN-ACK comes in by eth1."""
    service(fleet)
    fleet.run("r1", ["ip", "route", "add", "10.0.1.11/32", "via", "10.0.4.11"])
    strict(fleet, "web1")


@twin("rp_filter_drop/client", topology=two_legs, slow=True)
def client_is_loose(fleet: Machines) -> None:
    service(fleet)
    fleet.run("r1", ["ip", "route", "add", "10.0.1.11/32", "via", "10.0.4.11"])
    fleet.sysctl("web1", "net.ipv4.conf.all.rp_filter", 2)


@twin("rp_filter_drop")
def strict_but_symmetric(fleet: Machines) -> None:
    service(fleet)
    strict(fleet, "db1")
    strict(fleet, "web1")
    second_way(fleet, "db1", "10.0.77.0/24")


@fault("no_return_route", "timeout", code="no_return_route", host="db1", leg="syn_ack", segment="server.route")
def server_without_default_route(fleet: Machines) -> None:
    service(fleet)
    fleet.run("db1", ["ip", "route", "delete", "default"])


@fault(
    "no_return_route/blackhole",
    "timeout",
    code="no_return_route",
    host="db1",
    leg="syn_ack",
    segment="server.route",
    certainties=("proven", "likely"),
    slow=True,
)
def way_back_blackholed(fleet: Machines) -> None:
    service(fleet)
    fleet.run("db1", ["ip", "route", "add", "blackhole", "10.0.1.11/32"])


@twin("no_return_route", slow=True)
def only_a_host_route_back(fleet: Machines) -> None:
    service(fleet)
    fleet.run("db1", ["ip", "route", "add", "10.0.1.0/24", "via", "10.0.2.1"])
    fleet.run("db1", ["ip", "route", "delete", "default"])


@fault(
    "address_not_local",
    "timeout",
    code="address_not_local",
    host="db1",
    leg="syn",
    segment="server.ingress",
    flow=Flow("10.0.2.50"),
)
def address_moved_away(fleet: Machines) -> None:
    service(fleet)
    link = json.loads(fleet.run("db1", ["ip", "-json", "link", "show", "dev", "eth0"]).stdout)[0]
    fleet.run("r1", ["ip", "neighbour", "replace", "10.0.2.50", "lladdr", link["address"], "dev", "eth1", "nud", "permanent"])


@twin("address_not_local", flow=Flow("10.0.2.50"), slow=True)
def second_address(fleet: Machines) -> None:
    service(fleet)
    fleet.run("db1", ["ip", "address", "add", "10.0.2.50/32", "dev", "lo"])
    fleet.run("r1", ["ip", "route", "add", "10.0.2.50/32", "via", DB1])


@fault("return_neighbour_unresolved", "timeout", code="return_neighbour_unresolved", host="db1", leg="syn_ack", segment="server.egress")
def gateway_of_the_server_gone(fleet: Machines) -> None:
    service(fleet)
    fleet.run("db1", ["ip", "route", "replace", "default", "via", "10.0.2.99"])


@fault(
    "server_link_down",
    "timeout EHOSTUNREACH",
    code="server_link_down",
    host="db1",
    leg="syn",
    segment="server.ingress",
)
def interface_of_the_server_down(fleet: Machines) -> None:
    service(fleet)
    fleet.run("db1", ["ip", "link", "set", "eth0", "down"])


@fault(
    "address_not_local/gone",
    "timeout EHOSTUNREACH",
    code="address_not_local",
    host="db1",
    leg="syn",
    segment="server.ingress",
    certainties=("likely",),
    slow=True,
)
def address_removed(fleet: Machines) -> None:
    service(fleet)
    fleet.run("db1", ["ip", "address", "delete", f"{DB1}/24", "dev", "eth0"])


@twin("address_not_local/any-ip", flow=Flow("10.0.2.50"), slow=True)
def local_by_route_alone(fleet: Machines) -> None:
    service(fleet)
    fleet.run("db1", ["ip", "route", "add", "local", "10.0.2.50/32", "dev", "lo"])
    fleet.run("r1", ["ip", "route", "add", "10.0.2.50/32", "via", DB1])
