# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of firewalls that do more than say yes or no: connection tracking, limits, queues, and routers in between."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.faults.catalogue.firewall import LIKELY, SYN_ACK, chain, forget_soon, sure
from tests.faults.catalogue.firewall_rules import BRIEF, SERVER, TABLES, V4, load
from tests.lab._machines import Machines
from tests.lab.topologies import asymmetric

VIA = Flow(via=("r1",), timeout=1.0)
ROUTER: dict[str, Any] = {"host": "r1", "leg": "syn", "segment": "path.forward"}


def serve(fleet: Machines, host: str, ruleset: str) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.nft(host, ruleset)


# -- connection tracking

UNTRACKED_SYN = "chain raw { type filter hook prerouting priority raw; tcp dport $port notrack; }"
UNTRACKED_ANSWER = "chain rawout { type filter hook output priority raw; tcp sport $port notrack; }"
STRICT = "chain output { type filter hook output priority 0; ct state invalid counter drop; }"
INVALID: dict[str, Any] = {"code": "conntrack_invalid", "host": "db1", "leg": "syn_ack", "segment": "server.firewall"}


@fault("conntrack_invalid/notrack", "timeout", flow=V4, says=("ct state invalid",), **INVALID, **BRIEF)
def only_one_direction_is_untracked(fleet: Machines) -> None:
    serve(fleet, "db1", f"table inet test$port {{ {UNTRACKED_SYN}\n {STRICT}\n}}")


@twin("conntrack_invalid/notrack", flow=V4, slow=True)
def both_directions_are_untracked(fleet: Machines) -> None:
    serve(fleet, "db1", f"table inet test$port {{ {UNTRACKED_SYN}\n {UNTRACKED_ANSWER}\n {STRICT}\n}}")


@fault(
    "conntrack_invalid/asymmetric",
    "timeout",
    code="conntrack_invalid",
    host="r2",
    leg="syn_ack",
    segment="path.return",
    topology=asymmetric,
    flow=Flow(via=("r1", "r2"), timeout=1.0),
    says=("one direction only",),
    **BRIEF,
)
def the_router_back_never_saw_the_syn(fleet: Machines) -> None:
    forget_soon(fleet)
    serve(fleet, "r2", chain("forward", "ct state established accept; ct state invalid counter drop"))


@twin("conntrack_invalid/asymmetric", topology=asymmetric, flow=Flow(via=("r1", "r2"), timeout=1.0), slow=True)
def the_router_back_does_not_mind(fleet: Machines) -> None:
    serve(fleet, "r2", chain("forward", "ct state established accept; ct state invalid counter accept"))


@fault("firewall_drop/untracked", "timeout", code="firewall_drop", flow=V4, says=("untracked",), slow=True, **SERVER, **BRIEF)
def untracked_is_dropped(fleet: Machines) -> None:
    serve(
        fleet,
        "db1",
        f"table inet test$port {{ {UNTRACKED_SYN}\n chain in {{ type filter hook input priority 0; ct state untracked counter drop; }}\n}}",
    )


@twin("synproxy", clock="how soon SYNPROXY has shaken hands with the server, too")
def answered_by_netfilter_first(fleet: Machines) -> None:
    fleet.sysctl("db1", "net.netfilter.nf_conntrack_tcp_loose", 0)
    raw = "chain raw { type filter hook prerouting priority raw; tcp dport $port tcp flags syn notrack; }"
    proxy = "ct state invalid,untracked counter synproxy mss 1460 wscale 7 timestamp sack-perm; ct state invalid counter drop"
    serve(fleet, "db1", f"table inet test$port {{ {raw}\n chain in {{ type filter hook input priority 0; tcp dport $port {proxy}; }}\n}}")


# -- limits

LIMITED: dict[str, Any] = {"code": "firewall_rate_limited", "certainties": LIKELY, "packed": "rules"}
ONCE = "ct state established accept; tcp dport $port limit rate 1/hour burst 1 packets accept; tcp dport $port counter drop"


@fault("firewall_rate_limited", "timeout", flow=V4, says=("limit rate 1/hour",), **LIMITED, **SERVER, **BRIEF)
def a_limit_that_is_used_up(fleet: Machines) -> None:
    serve(fleet, "db1", chain("input", ONCE))
    fleet.connect("web2", DB1, fleet.port)


@twin("firewall_rate_limited", packed="rules")
def a_limit_with_room(fleet: Machines) -> None:
    serve(fleet, "db1", chain("input", ONCE.replace("1/hour burst 1", "1000/second burst 1000")))


@fault("firewall_rate_limited/random", "", status="degraded", flow=V4, **LIMITED, **SERVER)
def lost_by_chance(fleet: Machines) -> None:
    serve(fleet, "db1", chain("input", "tcp dport $port tcp flags syn numgen inc mod 2 0 counter drop"))


@fault("firewall_rate_limited/connlimit", "timeout", flow=V4, says=("connlimit",), **LIMITED, **SERVER, **BRIEF)
def too_many_connections(fleet: Machines) -> None:
    load(fleet, "db1", "iptables-nft", ["-A INPUT -p tcp --syn --dport $port -m connlimit --connlimit-above 2 --connlimit-mask 0 -j DROP"])
    fleet.hold("web2", DB1, fleet.port, 2)


# -- queues


for tool in TABLES:

    @fault(
        f"firewall_queue_unread/{tool}",
        "timeout",
        code="firewall_queue_unread",
        flow=V4,
        says=("queue 3",),
        packed="rules",
        **SERVER,
        **BRIEF,
    )
    def nobody_reads_the_queue(fleet: Machines, tool: str = tool) -> None:
        load(fleet, "db1", tool, ["-A INPUT -p tcp --dport $port -j NFQUEUE --queue-num 3"])

    @twin(f"firewall_queue_unread/{tool}", packed="rules", slow="legacy" in tool)
    def bypassed_where_nobody_reads(fleet: Machines, tool: str = tool) -> None:
        load(fleet, "db1", tool, ["-A INPUT -p tcp --dport $port -j NFQUEUE --queue-num 3 --queue-bypass"])


QUEUED = ["-A INPUT -p tcp --dport $port -j NFQUEUE --queue-num 3"]
READER: dict[str, Any] = {"code": "firewall_queue_drops", "certainties": ("likely",), "slow": True, "flow": V4, **BRIEF}


def judged_by_a_program(fleet: Machines, verdict: str) -> None:
    """A program reads queue 3, and says the same on each packet."""
    fleet.reader("db1", 3, verdict)
    load(fleet, "db1", "iptables-nft", QUEUED)


@fault("firewall_queue_drops", "timeout", says=("queue 3, which python", "does not let it pass"), **READER, **SERVER)
def the_program_drops(fleet: Machines) -> None:
    judged_by_a_program(fleet, "drop")


@fault(
    "firewall_queue_drops/traced",
    "timeout",
    says=("queue 3, which python", "does not let it pass"),
    systemd=True,
    **{**READER, "certainties": ("proven",)},
    **SERVER,
)
def the_kernel_says_whose_word_it_is(fleet: Machines) -> None:
    judged_by_a_program(fleet, "drop")


@twin("firewall_queue_drops", slow=True)
def the_program_lets_on(fleet: Machines) -> None:
    judged_by_a_program(fleet, "accept")


@fault(
    "no_return_route/behind-a-queue",
    "timeout",
    code="no_return_route",
    host="db1",
    leg="syn_ack",
    segment="server.route",
    slow=True,
    flow=V4,
    **BRIEF,
)
def no_way_back_behind_the_queue(fleet: Machines) -> None:
    """The SYN came to TCP: the program let it on."""
    judged_by_a_program(fleet, "accept")
    fleet.run("db1", ["ip", "route", "add", "blackhole", "10.0.1.11/32"])


@fault(
    "firewall_drop/behind-a-queue",
    "timeout",
    code="firewall_drop",
    certainties=("likely",),
    says=("udp",),
    slow=True,
    flow=V4,
    **SERVER,
    **BRIEF,
)
def a_rule_behind_the_queue_drops(fleet: Machines) -> None:
    """Counters of rules behind a queue are read only once it is known that its program lets the packets on."""
    judged_by_a_program(fleet, "accept")
    fleet.nft(
        "db1", "table inet late { chain i { type filter hook input priority 10; meta l4proto != udp tcp dport $port counter drop; }; }"
    )


# -- a router that is managed


def on_router(name: str, rule: str, leg: str, segment: str, code: str = "firewall_drop", kernel: str = "timeout") -> None:
    certainties = ("proven", "likely") if leg == "ack" else sure(rule)  # ACKs of the kernel's own connection go on for long
    more: dict[str, Any] = {"code": code, "certainties": certainties, "flow": VIA, "packed": "" if leg == "syn_ack" else "rules", **BRIEF}
    more["slow"] = leg == "syn_ack" and "counter" not in rule

    @fault(f"{code}/router-{name}", kernel, host="r1", leg=leg, segment=segment, says=("table inet test",), **more)
    def make(fleet: Machines) -> None:
        if leg == "syn_ack":
            forget_soon(fleet)
        serve(fleet, "r1", chain("forward", rule))


on_router("syn", "tcp dport $port counter drop", "syn", "path.forward")
on_router("syn-ack", f"tcp sport $port {SYN_ACK} counter drop", "syn_ack", "path.return")
on_router("ack", "tcp dport $port tcp flags & (syn|ack) == ack counter drop", "ack", "path.forward", kernel="connected")
on_router("reset", "tcp dport $port counter reject with tcp reset", "syn", "path.forward", "firewall_reject", "ECONNREFUSED")
on_router("icmp", "tcp dport $port counter reject with icmpx admin-prohibited", "syn", "path.forward", "firewall_reject", "EHOSTUNREACH")


on_router("syn/uncounted", "tcp dport $port drop", "syn", "path.forward")
on_router("syn-ack/uncounted", f"tcp sport $port {SYN_ACK} drop", "syn_ack", "path.return")
on_router("reset/uncounted", "tcp dport $port reject with tcp reset", "syn", "path.forward", "firewall_reject", "ECONNREFUSED")


@fault("firewall_drop/router-forwarding-by-interface", "timeout", code="firewall_drop", flow=VIA, slow=True, **ROUTER, **BRIEF)
def forwarding_off_but_for_the_interfaces(fleet: Machines) -> None:
    """ip_forward=0 looks guilty, but the interfaces forward: it is the filter."""
    serve(fleet, "r1", chain("forward", "tcp dport $port counter drop"))
    fleet.sysctl("r1", "net.ipv4.ip_forward", 0)
    for interface in ("eth0", "eth1"):
        fleet.sysctl("r1", f"net.ipv4.conf.{interface}.forwarding", 1)


@fault("firewall_drop/router-iptables", "timeout", code="firewall_drop", certainties=LIKELY, flow=VIA, slow=True, **ROUTER, **BRIEF)
def router_with_a_policy(fleet: Machines) -> None:
    load(fleet, "r1", "iptables-nft", ["-P FORWARD DROP", "-A FORWARD -p icmp -j ACCEPT"])


@twin("firewall_drop/router", flow=VIA, slow=True)
def router_that_lets_it_pass(fleet: Machines) -> None:
    serve(fleet, "r1", chain("forward", "ct state established accept; tcp dport $port ct state new accept; counter drop"))


# -- rulesets that look worse than they are

SCARY = """
table inet scary {
  set bad { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.0/24 }
  }
  chain services { tcp dport $port ct state new accept; tcp dport { 1-5431, 5433-65535 } drop; }
  chain input {
    type filter hook input priority 0; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "lo" accept
    ip saddr @bad drop
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    tcp flags & (fin|syn) == fin|syn drop
    tcp dport $port limit rate over 1000/second burst 1000 packets drop
    jump services
  }
  chain output { type filter hook output priority 0; policy accept; tcp dport 25 drop; ct state invalid drop; }
}
"""


@twin("scary", slow=True)
def a_server_that_distrusts_everybody(fleet: Machines) -> None:
    serve(fleet, "db1", SCARY)


@twin("scary/both-ends", flow=VIA)
def everybody_distrusts_everybody(fleet: Machines) -> None:
    serve(fleet, "db1", SCARY)
    fleet.nft("web1", SCARY)
    fleet.nft("r1", chain("forward", "ct state established accept; ip saddr 10.0.1.0/24 tcp dport $port accept; drop"))
    load_scary = [
        "-N LOGDROP",
        "-A LOGDROP -j DROP",
        "-A INPUT -p tcp --tcp-flags ALL NONE -j LOGDROP",
        "-A INPUT -s 192.0.2.0/24 -j LOGDROP",
    ]
    for command in load_scary:
        fleet.run("db1", ["iptables-legacy", *command.split()])
