# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that are led astray, damaged or counted out within hosts and on the way, as people reported it."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF, SERVER
from tests.faults.catalogue.reported import FORWARD, SHORT, shell
from tests.faults.catalogue.reported_tunnels import POD, overlay
from tests.lab._machines import Machines

# -- one handshake on two machines

ANYCAST = "10.9.9.9"
SPLIT: dict[str, Any] = {"code": "handshake_split", "host": "path", "leg": "ack", "segment": "path.forward", **BRIEF}
IN_TURN = """table ip lb {
 chain p { type filter hook prerouting priority -150; ip daddr 10.9.9.9 meta mark set numgen inc mod 2 map { 0 : 1, 1 : 2 }; }
}"""
BY_SOURCE = """table ip lb {
 chain p { type filter hook prerouting priority -150; ip daddr 10.9.9.9 meta mark set jhash tcp sport mod 2 map { 0 : 1, 1 : 2 }; }
}"""


def spread(fleet: Machines, ruleset: str) -> None:
    """db1 and db2 have one address, and r1 chooses between them."""
    for host in ("db1", "db2"):
        fleet.listen(host, "0.0.0.0", 5432)
        shell(fleet, host, f"ip address add {ANYCAST}/32 dev lo")
    fleet.nft("r1", ruleset)
    for number, server in ((1, DB1), (2, "10.0.2.22")):
        shell(fleet, "r1", f"ip rule add fwmark {number} lookup 10{number}; ip route add {ANYCAST} via {server} table 10{number}")


@fault(
    "handshake_split",
    "connected ECONNRESET",
    says=("db2 gets the SYN and answers it, and db1 gets", "choose by connection and not by packet"),
    flow=Flow(ANYCAST, server="db1:db2", timeout=1.0),
    **SPLIT,
)
def packets_are_spread_in_turn(fleet: Machines) -> None:
    """https://github.com/Nordix/xcluster/pull/43: neither a loss on the way nor the work of a middlebox."""
    spread(fleet, IN_TURN)


@fault(
    "handshake_split/unnamed",
    "connected ECONNRESET",
    certainties=("likely",),
    says=("another machine with the address 10.9.9.9 gets the SYN",),
    flow=Flow(ANYCAST, timeout=1.0),
    slow=True,
    **SPLIT,
)
def the_other_machine_is_not_named(fleet: Machines) -> None:
    spread(fleet, IN_TURN)


@twin("handshake_split", flow=Flow(ANYCAST, server="db1:db2", timeout=1.0), **BRIEF)
def connections_are_spread(fleet: Machines) -> None:
    """What is advised."""
    spread(fleet, BY_SOURCE)


# -- filters of traffic control


def redirected(fleet: Machines, host: str, hook: str, how: str, up: bool = True) -> None:
    """A filter that sends what is for the port to a link that leads nowhere, or a copy of it."""
    fleet.listen("db1", "::", 5432)
    link = "ip link add mon type veth peer name far" + ("; ip link set mon up; ip link set far up" if up else "")
    match = "protocol ip prio 1 u32 match ip protocol 6 0xff match ip dport 5432 0xffff"
    shell(fleet, host, f"{link}; tc qdisc add dev eth0 clsact; tc filter add dev eth0 {hook} {match} action mirred egress {how} dev mon")


AWAY: dict[str, Any] = {"kernel": "timeout", "code": "traffic_redirected", "leg": "syn", "flow": SHORT, **BRIEF}


@fault(
    "traffic_redirected",
    host="db1",
    segment="server.ingress",
    says=("on eth0 of db1 (ingress) sends the SYN to mon, from where it does not come back",),
    **AWAY,
)
def what_comes_in_is_sent_to_a_monitor(fleet: Machines) -> None:
    """https://github.com/firehol/firehol/issues/6"""
    redirected(fleet, "db1", "ingress", "redirect")


@fault(
    "traffic_redirected/down",
    host="db1",
    segment="server.ingress",
    certainties=("likely",),
    says=("to mon, which is down",),
    slow=True,
    **AWAY,
)
def what_comes_in_is_sent_to_a_link_that_is_down(fleet: Machines) -> None:
    redirected(fleet, "db1", "ingress", "redirect", up=False)


@fault("traffic_redirected/egress", host="web1", segment="client.egress", says=("on eth0 of web1 (egress)",), slow=True, **AWAY)
def what_leaves_is_sent_to_a_monitor(fleet: Machines) -> None:
    redirected(fleet, "web1", "egress", "redirect")


@twin("traffic_redirected", flow=SHORT, slow=True, **BRIEF)
def a_monitor_gets_copies(fleet: Machines) -> None:
    redirected(fleet, "db1", "ingress", "mirror")


# -- queues

QUEUES = range(4)


def balanced(fleet: Machines, stop: bool) -> None:
    """A rule spreads packets over four queues by their addresses; the reader of one ends, which is web1's or not."""
    fleet.listen("db1", "::", 5432)
    readers = [fleet.reader("db1", number, "accept") for number in QUEUES]
    shell(fleet, "db1", "iptables-nft -A INPUT -p tcp --dport 5432 --syn -j NFQUEUE --queue-balance 0:3")
    fleet.connect("web1", DB1, 5432)
    counted = fleet.run("db1", ["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout.splitlines()
    used = next(int(line.split()[0]) for line in counted if int(line.split()[7]))
    readers[used if stop else (used + 1) % len(QUEUES)].close()


@fault(
    "firewall_queue_unread/balanced",
    "timeout",
    code="firewall_queue_unread",
    certainties=("likely",),
    says=("one of several queues, by its addresses", "no program reads", "read every queue that the rule names"),
    flow=SHORT,
    slow=True,
    **SERVER,
    **BRIEF,
)
def one_of_several_queues_has_no_reader(fleet: Machines) -> None:
    """https://github.com/OISF/suricata/pull/3540"""
    balanced(fleet, stop=True)


@twin("firewall_queue_unread/balanced", flow=SHORT, slow=True, **BRIEF)
def the_queue_of_others_has_no_reader(fleet: Machines) -> None:
    balanced(fleet, stop=False)


# -- quotas


def counted_out(fleet: Machines, quota: str) -> None:
    fleet.listen("db1", "::", 5432)
    rule = f"tcp dport 5432 quota over {quota} counter drop"
    fleet.nft("db1", f"table inet q {{ chain in {{ type filter hook input priority 0; {rule}; }}\n}}")
    for _attempt in range(3):
        fleet.connect("web1", DB1, 5432, 0.5)


@fault(
    "firewall_drop/quota",
    "timeout",
    code="firewall_drop",
    certainties=("likely", "proven"),
    says=("its quota is used up", "reset the quota of rule"),
    flow=SHORT,
    slow=True,
    **SERVER,
    **BRIEF,
)
def the_quota_is_used_up(fleet: Machines) -> None:
    """https://github.com/ldx/python-iptables/issues/188: a rule that accepts the client would take it out of the account."""
    counted_out(fleet, "100 bytes")


@twin("firewall_drop/quota", flow=SHORT, slow=True, **BRIEF)
def there_is_quota_left(fleet: Machines) -> None:
    counted_out(fleet, "100 mbytes")


# -- tunnels

WITHOUT_OFFLOAD = """
import array, fcntl, socket, struct
value = array.array("B", struct.pack("II", 0x17, 0))  # ETHTOOL_STXCSUM
fcntl.ioctl(socket.socket(), 0x8946, struct.pack("16sP", b"eth0", value.buffer_info()[0]))
"""


@fault(
    "tunnel_drop/checksum",
    "timeout",
    code="tunnel_drop",
    host="db1",
    certainties=("likely",),
    says=("for a wrong checksum", "ethtool -K flannel.1 tx-checksum-ip-generic off"),
    flow=Flow(POD, timeout=1.0),
    slow=True,
    **FORWARD,
)
def what_carries_them_has_wrong_checksums(fleet: Machines) -> None:
    """https://github.com/flannel-io/flannel/issues/1279"""
    overlay(fleet)
    for host in ("web1", "r1"):
        fleet.run(host, [fleet.python, "-c", WITHOUT_OFFLOAD])
    rule = "ip saddr 10.0.1.11 udp dport 8472 udp checksum set 0x1234"
    fleet.nft("r1", f"table ip damage {{ chain fw {{ type filter hook forward priority 0; {rule}; }}\n}}")
