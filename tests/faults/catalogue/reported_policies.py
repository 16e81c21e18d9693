# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of routes and of the rules that choose between them, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import FORWARD, SHORT, shell
from tests.lab._machines import Machines
from tests.lab.topologies import asymmetric

# web1 has two routers, r1 and r2. A table of its own for what comes from its address leads to r1, which lets nothing through.
TWO_WAYS = "ip route replace default via 10.0.1.1; ip route add 10.0.2.0/24 via 10.0.1.2"
FOR_SOURCE = "ip route add default via 10.0.1.1 dev eth0 table 101; ip rule add from 10.0.1.11 lookup 101 priority 100"
CLOSED = "table ip closed { chain p { type filter hook prerouting priority -300; ip daddr 10.0.2.0/24 drop; }; }"
BY_SOURCE: dict[str, Any] = {"topology": asymmetric, "slow": True, "flow": SHORT}


@fault(
    "path_drop/rule-for-source",
    "timeout",
    code="path_drop",
    host="path",
    says=(
        "gateway 10.0.1.1 (table 101, by policy rule 100); rule 100: from 10.0.1.11 lookup 101",
        "it would be 10.0.2.0/24 via 10.0.1.2 dev eth0",
        "ip rule add to 10.0.2.0/24 table 254 priority 99",
    ),
    **FORWARD,
    **BY_SOURCE,
)
def a_rule_for_the_source_passes_over_a_route(fleet: Machines) -> None:
    """https://github.com/canonical/cloud-init/issues/5249: connect() looks the route up once more for the source that it has chosen."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", f"{TWO_WAYS}; {FOR_SOURCE}")
    fleet.nft("r1", CLOSED)


@twin("path_drop/rule-for-source", **BY_SOURCE)
def no_rule_for_the_source(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", TWO_WAYS)
    fleet.nft("r1", CLOSED)


MARKING = "table inet m {{ chain o {{ type {kind} hook output priority mangle; ip daddr 10.0.2.0/24 tcp dport 5432 meta mark set 9; }}; }}"
FOR_MARK = "ip route add default via 10.0.1.1 dev eth0 table 101; ip rule add fwmark 9 lookup 101 priority 100"
OF_A_MARK = ("gateway 10.0.1.1 (by policy rule 100, 'from all fwmark 0x9 lookup 101', for the mark 0x9 of rule 'ip daddr 10.0.2.0/24",)


@fault("path_drop/rule-for-mark", "timeout", code="path_drop", host="path", says=OF_A_MARK, **FORWARD, **BY_SOURCE)
def a_rule_for_a_mark_leads_elsewhere(fleet: Machines) -> None:
    """What the kernel answers for packets without a mark is not so for those that have it."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", f"{TWO_WAYS}; {FOR_MARK}")
    fleet.nft("web1", MARKING.format(kind="route"))
    fleet.nft("r1", CLOSED)


@twin("path_drop/rule-for-mark", **BY_SOURCE)
def a_chain_of_another_type_sets_the_mark(fleet: Machines) -> None:
    """The kernel looks for no other way then."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", f"{TWO_WAYS}; {FOR_MARK}")
    fleet.nft("web1", MARKING.format(kind="filter"))
    fleet.nft("r1", CLOSED)


@fault(
    "path_drop/rule-for-mark-same-way",
    "timeout",
    code="path_drop",
    host="path",
    leg="syn_ack",
    segment="path.return",
    says=("for the mark 0x9 of the option SO_MARK", "look at filters, routes and security groups"),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def a_rule_for_a_mark_leads_by_the_same_way(fleet: Machines) -> None:
    """To exempt the flow from the rule would change nothing."""
    fleet.listen("db1", "0.0.0.0", 5432, mark=9)
    shell(fleet, "db1", "ip route add default via 10.0.2.1 table 101; ip rule add fwmark 9 lookup 101 priority 100")
    fleet.nft("r1", chain("forward", "tcp sport 5432 drop"))


SWALLOWS = """import fcntl, os, struct
tunnel = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tunnel, 0x400454CA, struct.pack("16sH", b"tun0", 0x1001))
print(1, flush=True)
while True:
    os.read(tunnel.fileno(), 2000)
"""


@fault(
    "asymmetric_route/rule-for-network",
    "timeout",
    code="asymmetric_route",
    host="db1",
    leg="syn_ack",
    segment="path.return",
    certainties=("likely",),
    says=("rule 1000: from 10.0.2.0/24 lookup 100", "ip route add default via 10.0.2.1 dev eth0 table 101"),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def a_rule_for_a_network_catches_the_hosts_own_answers(fleet: Machines) -> None:
    """https://github.com/skycoin/skywire/pull/3551: meant for what is forwarded. The advice must not take the table that is in use."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", "ip tuntap add tun0 mode tun; ip addr add 10.8.0.2/24 dev tun0; ip link set tun0 up")
    shell(fleet, "db1", "ip route add default dev tun0 table 100; ip rule add from 10.0.2.0/24 lookup 100 priority 1000")
    fleet.popen("db1", [fleet.python, "-c", SWALLOWS]).await_answer()


BY_MARK: dict[str, Any] = {
    **{"kernel": "timeout", "code": "asymmetric_route", "host": "db1", "leg": "syn_ack", "segment": "path.return"},
    **{"certainties": ("likely",), "flow": SHORT, "slow": True, **BRIEF},
}


def by_tunnel(fleet: Machines) -> None:
    """What has the mark 9 is led into a tunnel."""
    shell(fleet, "db1", "ip tuntap add tun0 mode tun; ip addr add 10.8.0.2/24 dev tun0; ip link set tun0 up")
    shell(fleet, "db1", "ip route add default dev tun0 table 100; ip rule add fwmark 9 lookup 100 priority 1000")
    fleet.popen("db1", [fleet.python, "-c", SWALLOWS]).await_answer()


@fault("asymmetric_route/marked-answers", says=("rule 1000, 'from all fwmark 0x9 lookup 100'", "of rule '-A OUTPUT"), **BY_MARK)
def a_rule_marks_the_answers(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    by_tunnel(fleet)
    shell(fleet, "db1", "iptables-nft -t mangle -A OUTPUT -p tcp --sport 5432 -j MARK --set-mark 9")


@fault("asymmetric_route/marked-socket", says=("rule 1000, 'from all fwmark 0x9 lookup 100'", "SO_MARK of the listening socket"), **BY_MARK)
def the_listening_socket_has_a_mark(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432, mark=9)
    by_tunnel(fleet)


@twin("asymmetric_route/marked-answers", flow=SHORT, slow=True)
def a_rule_marks_others(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    by_tunnel(fleet)
    shell(fleet, "db1", "iptables-nft -t mangle -A OUTPUT -p tcp --sport 5433 -j MARK --set-mark 9")


@fault(
    "route_blackhole/routing-daemon",
    "EINVAL",
    code="route_blackhole",
    host="web1",
    leg="syn",
    segment="client.route",
    says=("proto bird", "makes it again"),
    flow=Flow("10.96.0.10", timeout=1.0),
    slow=True,
    **BRIEF,
)
def a_routing_daemon_made_it(fleet: Machines) -> None:
    """https://github.com/projectcalico/calico/issues/2457"""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip route add blackhole 10.96.0.0/12 proto bird")
    rule = "-d 10.96.0.10/32 -p tcp --dport 5432 -j DNAT --to-destination 10.0.2.21:5432"
    fleet.run("web1", ["iptables-nft", "-t", "nat", "-A", "OUTPUT", *rule.split()])


@fault(
    "path_no_route/deprecated-address",
    "timeout",
    code="path_no_route",
    host="path",
    leg="syn_ack",
    segment="path.return",
    says=("2001:db8:1::11 for web1, which is deprecated", "have web1 send from 2001:db8:1::11"),
    flow=Flow(DB1_V6, timeout=1.0),
    slow=True,
    **BRIEF,
)
def the_source_is_of_another_interface(fleet: Machines) -> None:
    """https://github.com/ffulm/firmware/issues/5: the advice must name an address of the same family."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip tuntap add tun0 mode tun; ip -6 addr add 2001:db8:9::4/120 dev tun0; ip link set tun0 up")
    shell(fleet, "web1", "ip -6 addr change 2001:db8:1::11/64 dev eth0 valid_lft 7184 preferred_lft 0")
    fleet.popen("web1", [fleet.python, "-c", SWALLOWS]).await_answer()


@fault(
    "conntrack_invalid/answered-past-it",
    "connected",
    code="conntrack_invalid",
    host="r1",
    leg="ack",
    segment="path.forward",
    certainties=("likely",),
    says=("it sees one direction only, since web2 answers straight to 10.0.1.11, as 10.0.1.0/24 is on its link dev eth0", "saw no SYN-ACK"),
    flow=Flow("10.59.0.2", server="web2", via=("r1",), timeout=1.0),
    slow=True,
    **BRIEF,
)
def the_answer_takes_the_short_way(fleet: Machines) -> None:
    """https://github.com/Start9Labs/start-technologies/pull/3996: connect() succeeds, and nothing comes of it."""
    fleet.listen("web2", "::", 5432)
    shell(fleet, "web2", "ip addr add 10.59.0.2/32 dev lo")
    rules = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", "-m conntrack --ctstate INVALID -j DROP", "-p tcp --syn -j ACCEPT"
    for rule in rules:
        fleet.run("r1", ["iptables-nft", "-A", "FORWARD", *rule.split()])
    shell(fleet, "r1", "iptables-nft -P FORWARD DROP; ip route add 10.59.0.2 via 10.0.1.12")
    for name in ("all", "eth0"):
        fleet.sysctl("r1", f"net.ipv4.conf.{name}.send_redirects", 0)
