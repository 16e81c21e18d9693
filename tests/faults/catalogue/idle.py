# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that were idle for longer than somebody on the way remembers them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.lab._machines import Machines

STATEFUL = """
table inet stateful {
  chain f { type filter hook forward priority 0; policy drop; ct state established,related accept
    tcp dport $port ct state new tcp flags & (syn|ack) == syn accept
    meta l4proto ipv6-icmp accept
  }
}
"""
COUNTING = """
table inet counting {
  chain f { type filter hook forward priority 0; ct state new counter; tcp dport 23 drop; }
}
"""
DROPPING = """
table inet dropping {
  chain i { type filter hook input priority 0; ct state invalid drop; }
}
"""
LOOSE, TIMEOUT = "net.netfilter.nf_conntrack_tcp_loose", "net.netfilter.nf_conntrack_tcp_timeout_established"
TALKS = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
time.sleep(float(sys.argv[3]))
connection.send(b"still there?")
time.sleep(float(sys.argv[4]))
print(1, flush=True)
time.sleep(600)
"""
IDLE: dict[str, Any] = {"status": "degraded", "code": "stale_nat_idle", "segment": "path.forward"}


def idle(fleet: Machines, address: str = DB1, keeps: int = 1, **rules: str) -> None:
    """A connection that says something after three seconds, a few more before it is looked at."""
    fleet.listen("db1", "::", fleet.port)
    for host, text in {"r1": STATEFUL, **rules}.items():
        fleet.nft(host, fleet.with_port(text))
        fleet.sysctl(host, TIMEOUT, keeps)
        fleet.sysctl(host, LOOSE, 0)
    fleet.popen("web1", [fleet.python, "-c", TALKS, address, str(fleet.port), "3", "2"]).await_answer()


@fault("stale_nat_idle", "connected", host="r1", flow=Flow(via=("r1",)), says=("no entry", TIMEOUT, "432000"), **IDLE)
def the_router_forgets(fleet: Machines) -> None:
    idle(fleet)


@fault("stale_nat_idle/ipv6", "connected", host="r1", flow=Flow(DB1_V6, via=("r1",)), slow=True, **IDLE)
def the_router_forgets_ipv6(fleet: Machines) -> None:
    idle(fleet, DB1_V6)


@twin("stale_nat_idle", flow=Flow(via=("r1",)))
def the_router_remembers(fleet: Machines) -> None:
    """As where the advice was typed."""
    idle(fleet, keeps=432000)


@twin("stale_nat_idle/server", flow=Flow(via=("r1",)))
def the_router_lets_pass_what_it_has_forgotten(fleet: Machines) -> None:
    """The server's own firewall has forgotten it, too, and drops it: there is nothing to mend at the router."""
    idle(fleet, r1=COUNTING, db1=DROPPING)
