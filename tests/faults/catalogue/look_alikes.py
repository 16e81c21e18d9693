# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flows that have what a cause needs, in order, and fail for another reason."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault
from tests.faults.catalogue.reported import SHORT, shell
from tests.faults.catalogue.reported_services import AT_APPLICATION
from tests.faults.catalogue.routing import two_legs
from tests.lab._machines import Machines

LOST: dict[str, Any] = {"kernel": "timeout", "leg": "syn", "topology": two_legs, "slow": True}


def by_the_second_leg(fleet: Machines) -> None:
    """A filter has what leaves web1 by eth0 leave by eth1, which leads to the same router."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", "ip link set eth2 address $(cat /sys/class/net/eth0/address)")
    match = "protocol ip prio 1 u32 match ip protocol 6 0xff match ip dport 5432 0xffff"
    shell(fleet, "web1", f"tc qdisc add dev eth0 clsact; tc filter add dev eth0 egress {match} action mirred egress redirect dev eth1")


def dropped_beyond(fleet: Machines) -> None:
    by_the_second_leg(fleet)
    fleet.nft("r1", "table ip f { chain fw { type filter hook forward priority 0; tcp dport 5432 counter drop; }\n}")


@fault(
    "firewall_drop/redirected-before",
    code="firewall_drop",
    host="r1",
    segment="path.forward",
    certainties=("likely", "proven"),
    flow=Flow(via=("r1",), timeout=1.0),
    **LOST,
)
def what_is_redirected_comes_to_a_router_that_drops_it(fleet: Machines) -> None:
    dropped_beyond(fleet)


@fault(
    "traffic_redirected/beyond",
    code="traffic_redirected",
    host="web1",
    segment="client.egress",
    certainties=("likely",),
    says=("see what is behind eth1",),
    flow=SHORT,
    **LOST,
)
def what_is_redirected_is_lost_where_nobody_looks(fleet: Machines) -> None:
    """The filter may be meant: what it sends to the other leg gets to the same router."""
    dropped_beyond(fleet)


@fault("firewall_drop/redirected-before/twin", "", status="ok", flow=SHORT, slow=True, topology=two_legs)
def what_is_redirected_comes_to_a_router_that_forwards_it(fleet: Machines) -> None:
    by_the_second_leg(fleet)


CONTAINER = """
mac=$(cat /sys/class/net/eth0/address); ip netns add c; ip -n c link set lo up
ip link add v0 type veth peer name eth0 netns c address $mac; ip link set v0 up; ip -n c link set eth0 up
ip -n c address add 10.0.2.21/24 dev eth0; ip -n c route add default via 10.0.2.1
ip -n c neigh add 10.0.2.1 lladdr $(ping -qc1 -W1 10.0.2.1 >/dev/null; ip neigh show 10.0.2.1 | grep -o "..:..:..:..:..:..") dev eth0
tc qdisc add dev eth0 clsact; tc qdisc add dev v0 clsact
match="protocol ip prio 1 u32 match ip protocol 6 0xff"
tc filter add dev eth0 ingress $match match ip dport 5432 0xffff action mirred egress redirect dev v0
tc filter add dev v0 ingress $match match ip sport 5432 0xffff action mirred egress redirect dev eth0
"""


def led_into_a_container(fleet: Machines) -> None:
    """Filters lead what is for the port into a network namespace behind the host, and back, as they do for some containers."""
    shell(fleet, "db1", CONTAINER)
    server = [fleet.python, "-c", SERVES]
    fleet.popen("db1", ["ip", "netns", "exec", "c", *server]).await_answer()


@fault(
    "traffic_redirected/container",
    "timeout",
    code="traffic_redirected",
    host="db1",
    leg="syn",
    segment="server.ingress",
    certainties=("likely",),
    says=("see what is behind v0",),
    flow=SHORT,
    slow=True,
)
def the_container_drops_what_filters_lead_to_it(fleet: Machines) -> None:
    led_into_a_container(fleet)
    shell(fleet, "db1", "ip netns exec c nft 'table ip f { chain in { type filter hook input priority 0; tcp dport 5432 drop; }; }'")


@fault("traffic_redirected/container/twin", "", status="ok", flow=SHORT, slow=True)
def the_container_takes_what_filters_lead_to_it(fleet: Machines) -> None:
    led_into_a_container(fleet)


SERVES = """
import socket, os, time
s = socket.socket(); s.bind(("0.0.0.0", 5432)); s.listen(128)
print(os.getpid(), flush=True)
kept = []
while True: kept.append(s.accept())
"""
BUSY = """
import socket, os, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 5432)); s.listen(128)
print(os.getpid(), flush=True)
while True: os.stat("/")
"""


@fault("application_silent/watched", code="application_silent", certainties=("likely",), flow=SHORT, slow=True, **AT_APPLICATION)
def a_tracer_watches_who_is_busy(fleet: Machines) -> None:
    """People attach strace to what hangs: each system call stops it for a moment."""
    handle = fleet.popen("db1", [fleet.python, "-c", BUSY])
    pid = handle.await_answer()
    fleet.popen("db1", ["strace", "-q", "-o", "/dev/null", "-p", str(pid)])
    shell(fleet, "db1", f"until grep -q '^TracerPid:.[1-9]' /proc/{pid}/status; do sleep 0.1; done")


@fault(
    "firewall_drop/quota-until",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("likely", "proven"),
    says=("misses it by 'quota 100 bytes', which is used up", "reset the quota of rule"),
    flow=SHORT,
    slow=True,
)
def what_a_quota_lets_in_is_used_up(fleet: Machines) -> None:
    """A rule that accepts the client would take it out of the account."""
    fleet.listen("db1", "::", 5432)
    rules = "tcp dport 5432 quota 100 bytes counter accept; tcp dport 5432 counter drop"
    fleet.nft("db1", f"table inet q {{ chain in {{ type filter hook input priority 0; {rules}; }}\n}}")
    for _attempt in range(3):
        fleet.connect("web1", DB1, 5432, 0.5)
