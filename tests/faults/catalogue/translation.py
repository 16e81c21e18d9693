# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of address translation: at the server, on the way, by the client."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.faults.catalogue.firewall_rules import BRIEF, SERVER, V4, load
from tests.faults.catalogue.firewall_states import ROUTER, VIA, serve
from tests.lab._machines import Machines

AT_CLIENT: dict[str, Any] = {"code": "nat_wrong_target", "host": "web1", "leg": "syn", "segment": "client.firewall"}


def nat(rule: str, hook: str = "prerouting") -> str:
    return f"table ip test$port {{ chain {hook} {{ type nat hook {hook} priority -100; {rule}; }}\n}}"


@fault(
    "nat_wrong_target/dead-port",
    "ECONNREFUSED",
    code="nat_wrong_target",
    says=("5999", "handle", "nft delete rule ip test"),
    packed="rules",
    **SERVER,
)
def to_a_dead_port(fleet: Machines) -> None:
    serve(fleet, "db1", nat("tcp dport $port counter redirect to :5999"))


JUMP = """
table inet jump$port {
  chain after-dnat { counter accept; }
  chain input { type filter hook input priority 0; tcp dport 5999 counter jump after-dnat; }
}
"""


@fault(
    "nat_wrong_target/dead-port-jump",
    "ECONNREFUSED",
    code="nat_wrong_target",
    says=("redirect to :5999",),
    packed="rules",
    slow=True,
    **SERVER,
)
def to_a_dead_port_that_a_jump_meets(fleet: Machines) -> None:
    """What the chain is called that takes the packet behind the translation does not make it the translation."""
    to_a_dead_port(fleet)
    fleet.nft("db1", JUMP)


@fault("nat_wrong_target/dead-port-iptables", "ECONNREFUSED", code="nat_wrong_target", says=("5999",), packed="rules", slow=True, **SERVER)
def to_a_dead_port_by_iptables(fleet: Machines) -> None:
    load(fleet, "db1", "iptables-nft", [f"-t nat -A PREROUTING -p tcp --dport $port -j DNAT --to-destination {DB1}:5999"])


@twin("nat_wrong_target/dead-port", slow=True)
def to_a_port_that_lives(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5999)
    fleet.nft("db1", nat("tcp dport $port counter redirect to :5999"))


@fault(
    "nat_wrong_target/router-dead-port",
    "ECONNREFUSED",
    code="nat_wrong_target",
    flow=VIA,
    says=("5999", "handle"),
    packed="rules",
    **ROUTER,
)
def to_a_dead_port_by_the_router(fleet: Machines) -> None:
    serve(fleet, "r1", nat(f"ip daddr {DB1} tcp dport $port counter dnat to {DB1}:5999"))


@twin("nat_wrong_target/router", flow=VIA, slow=True)
def translated_to_where_it_lives(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5999)
    fleet.nft("r1", nat(f"ip daddr {DB1} tcp dport $port counter dnat to {DB1}:5999"))


@fault("nat_wrong_target/client-dead-port", "ECONNREFUSED", says=("3128", "nft delete rule ip test"), packed="rules", **AT_CLIENT)
def to_a_dead_port_by_the_client(fleet: Machines) -> None:
    serve(fleet, "web1", nat("tcp dport $port counter redirect to :3128", "output"))


@fault("nat_wrong_target/client-elsewhere", "connected", status="degraded", says=("10.0.2.22", "handle"), packed="rules", **AT_CLIENT)
def to_another_server_by_the_client(fleet: Machines) -> None:
    fleet.listen("db2", "::", fleet.port)
    serve(fleet, "web1", nat("tcp dport $port counter dnat to 10.0.2.22", "output"))


@fault("nat_wrong_target/router-elsewhere", "connected", status="degraded", code="nat_wrong_target", flow=VIA, packed="rules", **ROUTER)
def to_another_server_by_the_router(fleet: Machines) -> None:
    fleet.listen("db2", "::", fleet.port)
    serve(fleet, "r1", nat(f"ip daddr {DB1} tcp dport $port counter dnat to 10.0.2.22"))


@fault("nat_wrong_target/router-nobody", "timeout EHOSTUNREACH", code="nat_wrong_target", flow=VIA, packed="rules", **ROUTER, **BRIEF)
def to_nobody_by_the_router(fleet: Machines) -> None:
    serve(fleet, "r1", nat(f"ip daddr {DB1} tcp dport $port counter dnat to 10.0.2.99"))


@fault(
    "nat_wrong_source",
    "timeout",
    code="nat_wrong_source",
    host="r1",
    leg="syn_ack",
    segment="path.return",
    flow=VIA,
    says=("10.0.2.77", "handle"),
    packed="rules",
    **BRIEF,
)
def from_nobody_by_the_router(fleet: Machines) -> None:
    serve(
        fleet,
        "r1",
        "table ip test$port { chain post { type nat hook postrouting priority 100; tcp dport $port counter snat to 10.0.2.77; }\n}",
    )


@fault(
    "router_not_forwarding/translated",
    "timeout",
    code="router_not_forwarding",
    flow=V4,
    says=("10.0.2.22",),
    slow=True,
    **{**SERVER, "segment": "server.route"},
    **BRIEF,
)
def translated_by_a_host_that_does_not_forward(fleet: Machines) -> None:
    """There is no way on from here, so that no verdict is reached; where the rules send it is known all the same."""
    serve(fleet, "db1", nat("tcp dport $port counter dnat to 10.0.2.22"))


@fault("firewall_drop/translated", "timeout", code="firewall_drop", says=("10.0.2.22",), flow=V4, **SERVER, **BRIEF)
def translated_and_not_forwarded(fleet: Machines) -> None:
    """As with a published port of a container: the rule sees the translated packet, and hops' SYNs end before it."""
    fleet.sysctl("db1", "net.ipv4.ip_forward", 1)
    fleet.nft("db1", nat("tcp dport $port counter dnat to 10.0.2.22"))
    serve(fleet, "db1", chain("forward", "tcp dport $port counter drop"))


@twin("nat_wrong_target/masquerade", flow=VIA, slow=True)
def masqueraded_by_the_router(fleet: Machines) -> None:
    serve(fleet, "r1", "table ip test$port { chain post { type nat hook postrouting priority 100; oifname eth1 counter masquerade; }\n}")


@fault(
    "redirected_to_proxy/counter",
    "connected",
    status="degraded",
    code="redirected_to_proxy",
    host="web1",
    leg="syn",
    segment="client.firewall",
    says=("3128", "handle", "tcp dport 5432 accept"),
    slow=True,
)
def redirected_with_a_counter(fleet: Machines) -> None:
    fleet.listen("web1", "127.0.0.1", 3128)
    fleet.nft("web1", nat("tcp dport $port counter redirect to :3128", "output"))
