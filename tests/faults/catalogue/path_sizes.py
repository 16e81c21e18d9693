# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways on which handshakes pass and full segments do not."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.lab._machines import Machines

DEEP: dict[str, Any] = {"options": {"diagnose_depth": "full"}}
HOLE: dict[str, Any] = {"status": "degraded", "code": "path_mtu_blackhole", "segment": "path.forward", **DEEP}
KEPT_BACK = """
table inet mute {
  chain o { type filter hook output priority 0; icmp type destination-unreachable drop; icmpv6 type packet-too-big drop; }
}
"""
TYPED = (
    "nft 'add table inet handshake_mss; add chain inet handshake_mss forward { type filter hook forward priority -150; }; "
    "add rule inet handshake_mss forward tcp flags syn tcp option maxseg size set rt mtu'"
)


def narrow(fleet: Machines, interface: str = "eth1", rules: str = KEPT_BACK) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.run("r1", ["ip", "link", "set", interface, "mtu", "1400"])
    fleet.nft("r1", rules)


@fault("path_mtu_blackhole", "connected", host="path", says=("packets of 1400 bytes pass", "those of 1420 do not", "mtu 1400"), **HOLE)
def a_tunnel_whose_errors_are_dropped(fleet: Machines) -> None:
    narrow(fleet)


@fault("path_mtu_blackhole/ipv6", "connected", host="path", flow=Flow(DB1_V6), says=("ICMPv6 packet too big",), slow=True, **HOLE)
def packet_too_big_is_dropped(fleet: Machines) -> None:
    narrow(fleet)


@fault(
    "path_mtu_blackhole/return",
    "connected",
    host="r1",
    flow=Flow(via=("r1",)),
    says=("whose eth0 has an MTU of 1400", "nft 'add table inet handshake_mss"),
    **{**HOLE, "segment": "path.return"},
)
def the_way_back_is_narrow(fleet: Machines) -> None:
    """What is asked for comes through, and the answers, which are larger, do not."""
    narrow(fleet, "eth0")


def talking(fleet: Machines, text: str, end: str) -> None:
    """A connection of before on which the client says something."""
    code = f"import socket, time; c = socket.create_connection(('{end}', {fleet.port})); c.send({text}); time.sleep(2.5); "
    fleet.popen("web1", [fleet.python, "-c", code + "print(1, flush=True); time.sleep(600)"]).await_answer()


@fault(
    "path_mtu_blackhole/suspected",
    "connected",
    host="path",
    certainties=("possible",),
    says=("sent again", "diagnose_depth=full"),
    **{**HOLE, "options": {}},
)
def a_connection_hangs(fleet: Machines) -> None:
    narrow(fleet)
    talking(fleet, "bytes(20000)", DB1)


@twin("path_mtu_blackhole/suspected")
def a_connection_is_idle(fleet: Machines) -> None:
    narrow(fleet)
    talking(fleet, "bytes(200)", DB1)


@twin("path_mtu_blackhole", **DEEP)
def the_router_says_so(fleet: Machines) -> None:
    narrow(fleet, rules="")


@twin("path_mtu_blackhole/return", flow=Flow(via=("r1",)), **DEEP)
def the_advice_for_the_router_is_typed(fleet: Machines) -> None:
    narrow(fleet, "eth0")
    fleet.run("r1", ["sh", "-ec", TYPED])


@twin("path_mtu_blackhole/route", slow=True, **DEEP)
def the_advice_for_the_client_is_typed(fleet: Machines) -> None:
    narrow(fleet)
    fleet.run("web1", ["sh", "-ec", "ip route replace 10.0.2.21/32 via 10.0.1.1 dev eth0 mtu 1400"])


@twin("path_mtu_blackhole/slow", **DEEP)
def a_slow_line_drops_what_comes_last(fleet: Machines) -> None:
    """Which is not what is large: the queue is too short for all that is sent at once to measure the sizes."""
    fleet.listen("db1", "::", fleet.port)
    fleet.run("r1", ["tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "200kbit", "burst", "1600", "limit", "26000"])
