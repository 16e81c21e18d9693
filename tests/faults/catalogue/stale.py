# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of what outlived its other end: connections of a client that lost its memory, translations that rules do not make any more."""

from __future__ import annotations

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.lab._machines import Machines

STALE = {"code": "stale_connection", "host": "db1", "leg": "syn", "segment": "server.socket"}
ATTEMPTS = {"diagnose_attempts": 4}
RST = "tcp flags & rst == rst drop"
FIRST_RST = """table inet test {
  set seen { type inet_service; flags timeout; timeout 1m;
  }
  chain forward { type filter hook forward priority 0;
    tcp flags & rst == rst tcp sport @seen accept
    tcp flags & rst == rst add @seen { tcp sport } drop
  }
}
"""


def crash(fleet: Machines, address: str = DB1, ports: tuple[int, int] = (40000, 40009)) -> None:
    """web1 loses its connections with db1 without a word, as in a loss of power, and dials from the same few ports again."""
    fleet.listen("db1", "::", 5432)
    fleet.sysctl("web1", "net.ipv4.ip_local_port_range", f"{ports[0]} {ports[1]}")
    held = fleet.hold("web1", address, 5432, ports[1] - ports[0] + 1)
    fleet.nft("web1", chain("output", "tcp dport 5432 drop"))
    fleet.run("web1", ["ss", "-K", "-tn", "dst", f"[{address}]:5432"])
    held.close()
    fleet.nft("web1", "flush ruleset")


@fault("stale_connection", "timeout", says=("ss -K", "does not reach db1"), **STALE)
def resets_are_dropped_on_the_way(fleet: Machines) -> None:
    crash(fleet)
    fleet.nft("r1", chain("forward", RST))


@fault("stale_connection/ipv6", "timeout", flow=Flow(DB1_V6), options=ATTEMPTS, slow=True, **STALE)
def resets_are_dropped_on_the_way_ipv6(fleet: Machines) -> None:
    crash(fleet, DB1_V6, (40000, 40003))
    fleet.nft("r1", chain("forward", RST))


@fault("stale_connection/recovered", "connected", status="degraded", says=("RST ended it", "later SYN was accepted"), slow=True, **STALE)
def first_resets_are_dropped_on_the_way(fleet: Machines) -> None:
    crash(fleet)
    fleet.nft("r1", FIRST_RST)


@twin("stale_connection/reset", slow=True)
def resets_end_them_at_once(fleet: Machines) -> None:
    crash(fleet)


@twin("stale_connection", slow=True)
def other_ports_are_stale(fleet: Machines) -> None:
    crash(fleet)
    fleet.sysctl("web1", "net.ipv4.ip_local_port_range", "41000 41009")
    fleet.nft("r1", chain("forward", RST))


TO_DB1 = "table ip nat { chain pre { type nat hook prerouting priority -100; ip daddr 10.0.2.200 tcp dport 5432 counter dnat to %s; }\n}"
BY_ADDRESS = Flow("10.0.2.200", dial="10.0.2.200", via=("r1",), timeout=1.0)


def moved(fleet: Machines, ports: str) -> None:
    """A service moves from db2, which answers no more, to db1; the router remembers the connections of before."""
    fleet.listen("db1", "::", 5432)
    fleet.nft("db2", chain("input", "tcp dport 5432 drop"))
    fleet.nft("r1", TO_DB1 % "10.0.2.22")
    fleet.sysctl("web1", "net.ipv4.ip_local_port_range", "40000 40003")
    fleet.connects("web1", "10.0.2.200", 5432, 4, 0.5)
    fleet.sysctl("web1", "net.ipv4.ip_local_port_range", ports)
    fleet.nft("r1", "flush chain ip nat pre")
    fleet.nft("r1", f"add rule ip nat pre ip daddr 10.0.2.200 tcp dport 5432 counter dnat to {DB1}")


@fault(
    "stale_translation",
    "timeout",
    code="stale_translation",
    host="r1",
    leg="syn",
    segment="path.forward",
    flow=BY_ADDRESS,
    says=("10.0.2.22", "conntrack -D"),
    options=ATTEMPTS,
)
def the_router_remembers_the_old_place(fleet: Machines) -> None:
    moved(fleet, "40000 40003")


@twin("stale_translation", flow=BY_ADDRESS, slow=True)
def nothing_is_remembered_of_these_ports(fleet: Machines) -> None:
    moved(fleet, "41000 41009")


# -- connections that the server closed, of another client behind the same address

# The kernel tries all ports of a range of at most 128.
NAT = "table ip nat { chain post { type nat hook postrouting priority 100; tcp dport 5432 snat to 10.0.2.1:40000-40063; }\n}"
CLOSED_FIRST_BY_THE_SERVER = """
import socket, sys, time
address, port, count, ahead = sys.argv[1], *map(int, sys.argv[2:])
connections = [socket.create_connection((address, port), timeout=5) for _ in range(count)]
for connection in connections:
    assert connection.recv(1) == b"", "the server closes first"
time.sleep(0.3)  # an ACK of its FIN that our FIN overtakes would come with an earlier timestamp, and end what is in TIME-WAIT
for connection in connections:
    if ahead:
        connection.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR, in which TCP_TIMESTAMP (24) may be set
        connection.setsockopt(socket.IPPROTO_TCP, 24, connection.getsockopt(socket.IPPROTO_TCP, 24) + ahead)
        connection.setsockopt(socket.IPPROTO_TCP, 19, -1)  # without a window probe
    connection.close()
"""
PORTS = 64
HOURS_AHEAD = 1 << 28  # ms, a sixteenth of what timestamps can count


def closed_by_the_server(fleet: Machines, ahead: int) -> None:
    """db1 has closed connections of web2 from all ports that the router, which remembers none of them, has for its clients."""
    for client in ("web1", "web2"):
        fleet.sysctl(client, "net.ipv4.tcp_timestamps", 2)  # one clock: without the offset that each connection has of its own
    fleet.nft("r1", NAT)
    with fleet.listen("db1", "0.0.0.0", 5432, backlog=128, behaviour="closing"):
        fleet.run("web2", [fleet.interpreter("web2"), "-c", CLOSED_FIRST_BY_THE_SERVER, DB1, "5432", str(PORTS), str(ahead)])
        fleet.run("db1", ["sh", "-c", f"until [ $(ss -Htan state time-wait | wc -l) -ge {PORTS} ]; do sleep 0.1; done"])
    fleet.run("r1", ["conntrack", "-F"])
    fleet.listen("db1", "0.0.0.0", 5432)


@fault(
    "stale_connection/other-client",
    "connected timeout",
    status="degraded",
    says=("PAWSTimewait", "TIME-WAIT", "RST ended it"),
    options=ATTEMPTS,
    apart=True,  # TIME-WAIT lasts 60 s, which the making of other faults may take where the machine is loaded
    **STALE,
)
def another_client_has_later_timestamps(fleet: Machines) -> None:
    closed_by_the_server(fleet, HOURS_AHEAD)


@twin("stale_connection/other-client", options=ATTEMPTS, slow=True)
def another_client_has_earlier_timestamps(fleet: Machines) -> None:
    closed_by_the_server(fleet, 0)
