# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Link addresses that moved, or are two hosts', as people reported them to public trackers, rebuilt; each fault names its report."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.misdelivered import VIP
from tests.faults.catalogue.reported import FORWARD, shell
from tests.lab._machines import FABRIC, Machines

CLONED: dict[str, Any] = {"code": "mac_conflict", "host": "db2", "certainties": ("likely",), "says": ("the same link address", "clone")}


def believes(fleet: Machines, address: str, lladdr: str) -> None:
    """r1 has learned it, and keeps it for long."""
    fleet.sysctl("r1", "net.ipv4.neigh.eth1.base_reachable_time_ms", 3600000)
    fleet.run("r1", ["ip", "neigh", "replace", address, "lladdr", lladdr, "dev", "eth1", "nud", "reachable"])


def moved(fleet: Machines, host: str) -> None:
    """db2 has the virtual address, and the router has this host's link address for it."""
    for each in ("db1", "db2"):
        fleet.listen(each, "::", 5432)
    fleet.run("db2", ["ip", "address", "add", f"{VIP}/24", "dev", "eth0"])
    believes(fleet, VIP, fleet.link_address(host))


MOVED = Flow(VIP, server="db2", via=("r1",), timeout=1.0)


@fault(
    "neighbour_wrong/learned-at-router",
    "timeout",
    code="neighbour_wrong",
    host="r1",
    certainties=("likely",),
    says=("r1 sends to", "db2 has"),
    flow=MOVED,
    **FORWARD,
)
def the_router_was_not_told(fleet: Machines) -> None:
    """https://github.com/cybertec-postgresql/vip-manager/issues/12: the last hop that answers is the router itself."""
    moved(fleet, "db1")


@twin("neighbour_wrong/learned-at-router", flow=MOVED, slow=True, **BRIEF)
def the_router_was_told(fleet: Machines) -> None:
    moved(fleet, "db2")


CHATTER = """
import socket, time
beacon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
beacon.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for number in range(60000):
    beacon.sendto(b"", ("10.0.2.255", 9))
    if number == 10:
        print(1, flush=True)
    time.sleep(0.005)
"""


def cloned(fleet: Machines, lladdr: str | None = None) -> None:
    """db2 speaks all the time, with db1's link address or another one."""
    fleet.listen("db1", "::", 5432)
    fleet.run("db2", ["ip", "link", "set", "eth0", "address", lladdr or fleet.link_address("db1")])
    believes(fleet, DB1, fleet.link_address("db1"))
    fleet.popen("db2", [fleet.python, "-c", CHATTER]).await_answer()


@fault("mac_conflict", "", flow=Flow(server="db1:db2", timeout=1.0), **CLONED, **FORWARD)
def the_clone_gets_the_frames(fleet: Machines) -> None:
    """https://github.com/utmapp/UTM/issues/7035: nobody's neighbour entry is wrong."""
    cloned(fleet)


@twin("mac_conflict", flow=Flow(server="db1:db2", timeout=1.0), slow=True, **BRIEF)
def each_has_its_own(fleet: Machines) -> None:
    cloned(fleet, "02:00:00:00:00:77")


@fault(
    "ip_conflict/dad-failed",
    "ECONNREFUSED",
    code="ip_conflict",
    host="db1",
    says=("dadfailed", "does not use its address"),
    flow=Flow("2001:db8:2::77", timeout=1.0),
    **FORWARD,
)
def the_address_was_taken(fleet: Machines) -> None:
    """https://github.com/metallb/metallb/issues/1592"""
    fleet.listen("db1", "::", 5432)
    fleet.run("db2", ["ip", "address", "add", "2001:db8:2::77/64", "dev", "eth0", "nodad"])
    for name in ("accept_dad", "dad_transmits"):
        fleet.sysctl("db1", f"net.ipv6.conf.eth0.{name}", 1)
    fleet.run("db1", ["ip", "address", "add", "2001:db8:2::77/64", "dev", "eth0"])
    shell(fleet, "db1", "until ip -6 address show dev eth0 | grep -q dadfailed; do sleep 0.05; done")


@fault(
    "path_icmp_unreachable/unheard",
    "timeout EHOSTUNREACH",
    code="path_icmp_unreachable",
    host="path",
    certainties=("proven", "likely"),
    says=("although db1 answers who asks for 10.0.2.100", "allowed address pairs"),
    flow=Flow(VIP, timeout=5.0),
    slow=True,
    **FORWARD,
)
def replies_for_a_second_address_are_dropped(fleet: Machines) -> None:
    """https://github.com/acassen/keepalived/issues/2349"""
    fleet.listen("db1", "::", 5432)
    fleet.run("db1", ["ip", "address", "add", f"{VIP}/24", "dev", "eth0"])
    fleet.nft(FABRIC, f"table bridge guard {{ chain f {{ type filter hook forward priority 0; arp saddr ip {VIP} drop; }}\n}}")
    fleet.run("r1", ["ip", "neigh", "flush", "dev", "eth1"])
