# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the listener's queues."""

from __future__ import annotations

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.lab._machines import Machines

BACKLOG = {"host": "db1", "leg": "syn", "segment": "server.backlog"}


@fault("accept_queue_full", "timeout", code="accept_queue_full", **BACKLOG)
def nobody_accepts(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, backlog=3, behaviour="silent")
    fleet.hold("web2", DB1, 5432, 4)


@fault("accept_queue_full/stopped", "timeout", code="accept_queue_full", slow=True, **BACKLOG)
def process_stopped(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432, backlog=2).stop()
    fleet.hold("web2", DB1, 5432, 3)


@twin("accept_queue_full")
def small_but_emptied(fleet: Machines) -> None:
    """ListenOverflows is high from an earlier time; the queue has room now."""
    listener = fleet.listen("db1", "0.0.0.0", 5432, backlog=1)
    listener.stop()
    fleet.connects("web2", DB1, 5432, 6, 1.5)
    listener.resume()


@fault(
    "accept_queue_near_limit",
    "connected",
    status="degraded",
    code="accept_queue_near_limit",
    host="db1",
    segment="server.backlog",
    certainties=("likely",),
    packed="sockets",
)
def nearly_full(fleet: Machines) -> None:
    """It has room for 61, and some of it for what tries it."""
    fleet.listen("db1", "0.0.0.0", fleet.port, backlog=60, behaviour="silent")
    fleet.hold("web2", DB1, fleet.port, 55)


@fault(
    "application_silent/unaccepted",
    "connected",
    status="degraded",
    code="application_silent",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("nobody accepts", "more than before in its accept queue"),
    packed="sockets",
)
def half_full(fleet: Machines) -> None:
    """Its queue is far from its limit, and nobody is served."""
    fleet.listen("db1", "0.0.0.0", fleet.port, backlog=60, behaviour="silent")
    fleet.hold("web2", DB1, fleet.port, 30)


@fault("syn_queue_full", "timeout", code="syn_queue_full", clock="the timer by which the kernel forgets half-open connections", **BACKLOG)
def one_client_leaves_them_half_open(fleet: Machines) -> None:
    fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 0)
    flooded(fleet, backlog=16)


ONE, MANY, MANY_V6 = "198.51.100.7/32", "198.51.100.0/24", "2001:db8:ff::/64"


def flooded(fleet: Machines, backlog: int, sources: str = ONE, address: str = DB1) -> None:
    """The kernel forgets half-open connections early when the queue is more than half full: they must keep coming."""
    fleet.run("r1", ["ip", "route", "add", "blackhole", sources])
    fleet.listen("db1", "::", 5432, backlog=backlog)
    fleet.flood("r1", address, 5432, count=60, sources=sources)
    fleet.flood("r1", address, 5432, count=30_000, rate=200, sources=sources, wait=False)  # for longer than a diagnosis of several takes


FLOODED = {
    "code": "syn_flood",
    "says": ("addresses", "tcp_syncookies"),
    "clock": "the timer by which the kernel forgets half-open connections",
}


@fault("syn_flood", "timeout", **FLOODED, **BACKLOG)
def many_leave_them_half_open(fleet: Machines) -> None:
    fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 0)
    flooded(fleet, 16, MANY)


@fault("syn_flood/ipv6", "timeout", flow=Flow(DB1_V6), slow=True, **FLOODED, **BACKLOG)
def many_leave_them_half_open_over_ipv6(fleet: Machines) -> None:
    fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 0)
    flooded(fleet, 16, MANY_V6, DB1_V6)


@twin("syn_flood")
def cookies_help_against_many(fleet: Machines) -> None:
    flooded(fleet, 16, MANY)


@twin("syn_queue_full", slow=True)
def cookies_help(fleet: Machines) -> None:
    flooded(fleet, backlog=16)


@fault("syn_backlog_reserved", "timeout", code="syn_backlog_reserved", **BACKLOG)
def rest_kept_for_known_peers(fleet: Machines) -> None:
    fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 0)
    fleet.sysctl("db1", "net.ipv4.tcp_max_syn_backlog", 32)
    flooded(fleet, backlog=128)


FAR = Flow(timeout=6.0)
ONCE = """table inet test {
  set seen { type inet_service; flags timeout; timeout 1m;
  }
  chain forward { type filter hook forward priority 0;
    tcp flags & (syn|ack) == syn tcp sport @seen drop
    tcp flags & (syn|ack) == syn add @seen { tcp sport }
  }
}
"""


@fault(
    "synack_retries_too_low",
    "connected",
    code="synack_retries_too_low",
    host="db1",
    leg="ack",
    segment="server.backlog",
    flow=FAR,
    says=("tcp_synack_retries",),
)
def given_up_too_soon(fleet: Machines) -> None:
    """A repeated SYN would come at the very moment at which the server gives up, and may have it wait again."""
    fleet.nft("r1", ONCE)
    fleet.sysctl("db1", "net.ipv4.tcp_synack_retries", 0)
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.relay("web1", "eth0", outbound={"delay": 0.8}, inbound={"delay": 0.8})


@twin("synack_retries_too_low", slow=True)
def soon_enough_for_a_short_way(fleet: Machines) -> None:
    fleet.sysctl("db1", "net.ipv4.tcp_synack_retries", 0)
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.relay("web1", "eth0", outbound={"delay": 0.1})


@fault(
    "defer_accept",
    "connected",
    code="defer_accept",
    host="db1",
    leg="ack",
    segment="server.backlog",
    packed="path",
)
def silence_is_no_connection(fleet: Machines) -> None:
    """The client's FIN, which ends the waiting as data do, does not come through."""
    fleet.listen("db1", "0.0.0.0", fleet.port, defer_accept=60)
    fleet.nft("r1", chain("forward", "tcp dport $port tcp flags & fin == fin drop"))
