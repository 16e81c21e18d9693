# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the client: names, sockets, routes, neighbours."""

from __future__ import annotations

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.lab._machines import Machines

BY_NAME = Flow(dial="db.example.org")


def service(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)


@twin("healthy")
def healthy(fleet: Machines) -> None:
    service(fleet)


@twin("healthy-ipv6", flow=Flow(DB1_V6), slow=True)
def healthy_ipv6(fleet: Machines) -> None:
    service(fleet)


@fault("name_resolution_failed", "", code="name_resolution_failed", host="web1", segment="client.resolve", flow=BY_NAME)
def name_unknown(fleet: Machines) -> None:
    service(fleet)


@twin("name_resolution_failed", flow=BY_NAME, slow=True)
def name_known(fleet: Machines) -> None:
    service(fleet)
    fleet.write("web1", "/etc/hosts", f"127.0.0.1 localhost\n{DB1} db.example.org\n")


@fault(
    "name_resolves_elsewhere",
    "",
    code="name_resolves_elsewhere",
    host="web1",
    leg="syn",
    segment="client.resolve",
    certainties=("likely",),
    flow=BY_NAME,
)
def name_of_another_host(fleet: Machines) -> None:
    service(fleet)
    fleet.write("web1", "/etc/hosts", "127.0.0.1 localhost\n10.0.2.22 db.example.org\n")


@fault(
    "dead_address_family",
    "",
    status="degraded",
    code="dead_address_family",
    host="web1",
    leg="syn",
    segment="client.resolve",
    flow=BY_NAME,
)
def ipv6_not_served(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.write("web1", "/etc/hosts", f"127.0.0.1 localhost\n{DB1} db.example.org\n{DB1_V6} db.example.org\n")


@fault(
    "source_address_unavailable",
    "EADDRNOTAVAIL",
    code="source_address_unavailable",
    host="web1",
    segment="client.socket",
    flow=Flow(source="10.0.1.99"),
)
def source_of_another_host(fleet: Machines) -> None:
    service(fleet)


@twin("source_address_unavailable", flow=Flow(source="10.0.1.99"), slow=True)
def second_address(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "address", "add", "10.0.1.99/24", "dev", "eth0"])


@fault("ephemeral_ports_exhausted", "EADDRNOTAVAIL", code="ephemeral_ports_exhausted", host="web1", segment="client.socket")
def ports_used_up(fleet: Machines) -> None:
    service(fleet)
    fleet.sysctl("web1", "net.ipv4.ip_local_port_range", "40000 40009")
    fleet.hold("web1", DB1, 5432, 10)


@fault(
    "ephemeral_ports_exhausted/listeners",
    "EADDRNOTAVAIL",
    code="ephemeral_ports_exhausted",
    host="web1",
    segment="client.socket",
    says=("7 of 10 are in use, and 3 others have listeners",),
    slow=True,
)
def ports_used_up_but_for_those_of_listeners(fleet: Machines) -> None:
    """As services in the range of a client's own ports: connect() passes over what somebody has bound."""
    service(fleet)
    for port in (40001, 40004, 40006):
        fleet.listen("web1", "127.0.0.1", port)
    fleet.sysctl("web1", "net.ipv4.ip_local_port_range", "40000 40009")
    fleet.hold("web1", DB1, 5432, 10)


@twin("ephemeral_ports_exhausted", slow=True)
def few_ports_left(fleet: Machines) -> None:
    service(fleet)
    fleet.sysctl("web1", "net.ipv4.ip_local_port_range", "40000 40029")
    fleet.hold("web1", DB1, 5432, 10)


@fault("no_route", "ENETUNREACH", code="no_route", host="web1", leg="syn", segment="client.route")
def default_route_gone(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "route", "delete", "default"])


@fault("no_route/ipv6", "ENETUNREACH", code="no_route", host="web1", leg="syn", segment="client.route", flow=Flow(DB1_V6), slow=True)
def default_route_gone_ipv6(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "-6", "route", "delete", "default"])


@twin("no_route", slow=True)
def default_route_of_other_family_gone(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "-6", "route", "delete", "default"])


def refuse(kind: str, errno: str) -> None:
    @fault(f"route_{kind}", errno, code=f"route_{kind}", host="web1", leg="syn", segment="client.route")
    def refusing_route(fleet: Machines) -> None:
        service(fleet)
        fleet.run("web1", ["ip", "route", "add", kind, "10.0.2.0/24"])


refuse("unreachable", "EHOSTUNREACH")
refuse("blackhole", "EINVAL")
refuse("prohibit", "EACCES")


@fault(
    "route_unreachable/ipv6",
    "EHOSTUNREACH",
    code="route_unreachable",
    host="web1",
    leg="syn",
    segment="client.route",
    flow=Flow(DB1_V6),
    slow=True,
)
def refusing_route_ipv6(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "-6", "route", "add", "unreachable", "2001:db8:2::/64"])


@twin("route_blackhole", slow=True)
def blackhole_for_others(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "route", "add", "blackhole", "10.0.2.0/28"])
    fleet.run("web1", ["ip", "route", "add", "blackhole", "0.0.0.0/0", "metric", "999"])


@fault(
    "neighbour_unresolved",
    "timeout EHOSTUNREACH",
    code="neighbour_unresolved",
    host="web1",
    leg="syn",
    segment="client.neighbour",
)
def gateway_gone(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "route", "replace", "default", "via", "10.0.1.99"])


@fault(
    "neighbour_unresolved/ipv6",
    "timeout EHOSTUNREACH",
    code="neighbour_unresolved",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    flow=Flow(DB1_V6),
    slow=True,
)
def gateway_gone_ipv6(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "-6", "route", "replace", "default", "via", "2001:db8:1::99"])


@twin("neighbour_unresolved", slow=True)
def other_neighbour_failed(fleet: Machines) -> None:
    service(fleet)
    fleet.connect("web1", "10.0.1.99", 5432, 0.5)


@fault(
    "neighbour_wrong",
    "timeout",
    code="neighbour_wrong",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    flow=Flow(via=("r1",)),
)
def stale_neighbour(fleet: Machines) -> None:
    service(fleet)
    fleet.run("web1", ["ip", "neighbour", "replace", "10.0.1.1", "lladdr", "02:00:5e:00:53:01", "dev", "eth0", "nud", "permanent"])


@fault(
    "connect_timeout_too_short",
    "timeout",
    code="connect_timeout_too_short",
    host="web1",
    leg="syn_ack",
    segment="client.socket",
    flow=Flow(timeout=0.5),
)
def slow_way(fleet: Machines) -> None:
    service(fleet)
    fleet.relay("web1", "eth0", outbound={"delay": 0.8})


@twin("connect_timeout_too_short", slow=True)
def somewhat_slow_way(fleet: Machines) -> None:
    service(fleet)
    fleet.relay("web1", "eth0", outbound={"delay": 0.1})


@twin("loopback", flow=Flow(client="db1"), slow=True)
def itself(fleet: Machines) -> None:
    service(fleet)


@fault("no_listener/loopback", "ECONNREFUSED", code="no_listener", host="db1", leg="syn", segment="server.socket", flow=Flow(client="db1"))
def itself_without_service(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5433)


@fault("no_listener/via", "ECONNREFUSED", code="no_listener", host="db1", leg="syn", segment="server.socket", flow=Flow(via=("r1",)))
def refused_behind_a_router_that_translates_nothing(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5433)


def service_address(fleet: Machines) -> None:
    """As kube-proxy does it: an address that exists nowhere is translated on the client's own way out."""
    rule = f"ip daddr 10.96.0.1 dnat to {DB1}"
    fleet.nft("web1", f"table ip nat {{ chain output {{ type nat hook output priority -100; {rule}; }}\n}}")


@twin("client-translates", flow=Flow("10.96.0.1"), slow=True)
def translated_by_the_client(fleet: Machines) -> None:
    service(fleet)
    service_address(fleet)


@fault(
    "no_listener/client-translates",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    flow=Flow("10.96.0.1"),
    slow=True,
)
def translated_and_refused(fleet: Machines) -> None:
    service_address(fleet)


@fault("ttl_too_low", "EHOSTUNREACH", code="ttl_too_low", host="web1", leg="syn", segment="client.egress")
def ttl_of_one(fleet: Machines) -> None:
    service(fleet)
    fleet.sysctl("web1", "net.ipv4.ip_default_ttl", 1)


@fault(
    "ttl_too_low/named",
    "EHOSTUNREACH",
    code="ttl_too_low",
    host="web1",
    leg="syn",
    segment="client.egress",
    flow=Flow(via=("r1",)),
    slow=True,
)
def ttl_of_one_at_a_managed_router(fleet: Machines) -> None:
    """Which counts the packets that it does not forward."""
    ttl_of_one(fleet)


@twin("ttl_too_low", slow=True)
def ttl_of_two(fleet: Machines) -> None:
    service(fleet)
    fleet.sysctl("web1", "net.ipv4.ip_default_ttl", 2)
