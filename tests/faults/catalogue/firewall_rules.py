# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults by what rules ask for, each with a healthy twin: sets, maps, interfaces, users, families, both kinds of iptables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall import LIKELY, chain, sure
from tests.lab._machines import Machines

BRIEF: dict[str, Any] = {"options": {"diagnose_patience": 0.5}}
V4, V6 = Flow(timeout=1.0), Flow(DB1_V6, timeout=1.0)
SERVER: dict[str, Any] = {"host": "db1", "leg": "syn", "segment": "server.firewall"}
CLIENT: dict[str, Any] = {"host": "web1", "leg": "syn", "segment": "client.firewall"}
TABLES = ("iptables-nft", "iptables-legacy")


def pair(
    name: str,
    guilty: str,
    harmless: str,
    flow: Flow = V4,
    says: tuple[str, ...] = (),
    packed: str = "rules",
    slow: bool = False,
    **place: Any,
) -> None:
    """nftables commands that drop the flow's packets, and alike ones that do not."""
    place = place or SERVER

    @fault(
        f"firewall_drop/{name}",
        "timeout",
        code="firewall_drop",
        certainties=sure(guilty),
        flow=flow,
        says=says,
        packed=packed,
        slow=slow,
        **place,
        **BRIEF,
    )
    def make(fleet: Machines) -> None:
        fleet.listen("db1", "::", fleet.port)
        fleet.nft(place["host"], guilty)

    @twin(f"firewall_drop/{name}", flow=flow, slow=True)
    def make_twin(fleet: Machines) -> None:
        fleet.listen("db1", "::", fleet.port)
        fleet.nft(place["host"], harmless)


def table(rules: str, sets: str = "", hook: str = "input", chains: str = "") -> str:
    base = f"chain {hook} {{ type filter hook {hook} priority 0; policy accept; {rules}; }}"
    return f"table inet test$port {{\n {sets}\n {chains}\n {base}\n}}"


def blocked(addresses: str) -> str:
    return f"set blocked {{ type ipv4_addr; flags interval; elements = {{ {addresses} }}\n}}"


def allowed(addresses: str) -> str:
    return blocked(addresses).replace("blocked", "allowed", 1)


DROP = "counter drop"
pair(
    "set",
    table(f"ip saddr @blocked tcp dport $port {DROP}", blocked("10.0.1.0/28, 192.0.2.1")),
    table(f"ip saddr @blocked tcp dport $port {DROP}", blocked("10.0.1.16/28, 192.0.2.1")),
    says=("set blocked (table inet test", "has 10.0.1.0/28", "accept TCP from 10.0.1.11 to"),
)


@fault(
    "firewall_drop/set/listed",
    "timeout",
    code="firewall_drop",
    says=("has 10.0.1.11 for 59 min more", "take 10.0.1.11 out of set banned", "/etc/nftables.conf line 2", "scans", "adds to it"),
    flow=V4,
    packed="rules",
    **SERVER,
    **BRIEF,
)
def listed_by_its_own_address(fleet: Machines) -> None:
    """A rule for the client would outlast the ban: it is to be taken off the list."""
    fleet.listen("db1", "::", fleet.port)
    banned = 'set banned { type ipv4_addr; flags timeout; elements = { 10.0.1.11 timeout 1h comment "scans" }\n}'
    rules = table(f"ip saddr @banned tcp dport $port {DROP}; tcp dport 23 add @banned {{ ip saddr }}", banned)
    fleet.write("db1", "/etc/nftables.conf", fleet.with_port(rules))
    fleet.run("db1", ["nft", "-f", "/etc/nftables.conf"])


pair(
    "set/unlisted",
    table(f"ip saddr @allowed tcp dport $port accept; tcp dport $port {DROP}", allowed("10.0.1.12/31, 192.0.2.1")),
    table(f"ip saddr @allowed tcp dport $port accept; tcp dport $port {DROP}", allowed("10.0.1.10/31, 192.0.2.1")),
    says=("has no element for 10.0.1.11: the nearest is 10.0.1.12/31", "nft add element inet test"),
)
pair(
    "anonymous-set",
    table(f"tcp dport {{ 22, 5000-6000 }} {DROP}"),
    table(f"tcp dport {{ 22, 5433-6000 }} {DROP}"),
    packed="",
    slow=True,
)
pair(
    "concatenation",
    table(f"ip saddr . tcp dport {{ 10.0.1.11 . $port, 10.0.1.12 . 80 }} {DROP}"),
    table(f"ip saddr . tcp dport {{ 10.0.1.11 . 80, 10.0.1.12 . $port }} {DROP}"),
    slow=True,
)
pair(
    "vmap",
    table("tcp dport vmap { 22 : accept, $port : jump closed }", chains=f"chain closed {{ {DROP}; }}"),
    table("tcp dport vmap { 22 : jump closed, $port : accept }", chains=f"chain closed {{ {DROP}; }}"),
    says=("chain closed",),
)
pair(
    "vmap/verdict",
    table("tcp dport $port ip saddr vmap { 10.0.1.11 : drop }"),
    table("tcp dport $port ip saddr vmap { 10.0.1.12 : drop }"),
    slow=True,
)
pair(
    "jump-return",
    table("jump checks; tcp dport $port counter drop", chains="chain checks { ip saddr 10.0.1.12 accept; return; }"),
    table("jump checks; tcp dport $port counter drop", chains="chain checks { ip saddr 10.0.1.11 accept; return; }"),
    slow=True,
)
pair("interface", chain("input", f'iifname "eth0" tcp dport $port {DROP}'), chain("input", f'iifname "eth1" tcp dport $port {DROP}'))
pair(
    "interface/wildcard",
    chain("input", f'iifname "eth*" tcp dport $port {DROP}'),
    chain("input", f'iifname "wg*" tcp dport $port {DROP}'),
    slow=True,
)
pair(
    "ipv6-only",
    f"table ip6 test$port {{ chain input {{ type filter hook input priority 0; tcp dport $port {DROP}; }}\n}}",
    f"table ip test$port {{ chain input {{ type filter hook input priority 0; tcp dport $port {DROP}; }}\n}}",
    flow=V6,
    slow=True,
)
pair("user", chain("output", f"meta skuid 0 tcp dport $port {DROP}"), chain("output", f"meta skuid 1234 tcp dport $port {DROP}"), **CLIENT)
pair(
    "ingress",
    f"table netdev test$port {{ chain ingress {{ type filter hook ingress device eth0 priority 0; tcp dport $port {DROP}; }}\n}}",
    f"table netdev test$port {{ chain ingress {{ type filter hook ingress device eth0 priority 0; tcp dport 5433 {DROP}; }}\n}}",
    says=("chain ingress",),
)
pair(
    "egress",
    f"table netdev test$port {{ chain egress {{ type filter hook egress device eth0 priority 0; tcp dport $port {DROP}; }}\n}}",
    f"table netdev test$port {{ chain egress {{ type filter hook egress device eth0 priority 0; tcp dport 5433 {DROP}; }}\n}}",
    **CLIENT,
)
pair(
    "equal-priority",
    chain("input", "tcp dport $port accept") + "\n" + chain("input", f"tcp dport $port {DROP}").replace("inet test", "inet other"),
    chain("input", "tcp dport $port accept") + "\n" + chain("input", "tcp dport $port counter accept").replace("inet test", "inet other"),
    says=("table inet other",),
)
pair(
    "shadowed",
    chain("input", f"ip saddr 10.0.0.0/8 {DROP}; tcp dport $port accept"),
    chain("input", f"tcp dport $port accept; ip saddr 10.0.0.0/8 {DROP}"),
    says=("comes too late",),
    packed="",
    slow=True,
)
pair(
    "policy",
    "table ip test$port { chain input { type filter hook input priority 0; policy drop; tcp dport 22 accept; }\n}",
    "table ip test$port { chain input { type filter hook input priority 0; policy drop; tcp dport $port accept; }\n}",
    says=("policy drop",),
    packed="",
)
pair(
    "new-only",
    chain("input", f"ct state established,related accept; ct state new tcp dport != 22 meta l4proto tcp {DROP}"),
    chain("input", f"ct state established,related accept; ct state new tcp dport 22 {DROP}; ct state invalid drop"),
    packed="",
    slow=True,
)


@fault(
    "firewall_drop/goto",
    "timeout",
    code="firewall_drop",
    certainties=LIKELY,
    says=("comes too late", "before rule 1"),
    slow=True,
    **SERVER,
    **BRIEF,
)
def gone_to_another_chain(fleet: Machines) -> None:
    """Behind goto stands the policy; an accept rule at the end of the chain would not be met, as the one that is there is not."""
    rules = "ip saddr 10.0.0.0/8 goto services; tcp dport $port accept"
    base = f"chain input {{ type filter hook input priority 0; policy drop; {rules}; }}"
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("db1", f"table inet test$port {{ chain services {{ tcp dport 22 accept; }}\n {base}\n}}")


pair("mark", chain("input", f"tcp dport $port meta mark set 7; meta mark 7 {DROP}"), chain("input", f"meta mark 7 {DROP}"), slow=True)
pair(
    "tcp-option",
    chain("input", f"tcp option timestamp exists tcp dport $port {DROP}"),
    chain("input", f"tcp option 34 exists {DROP}"),
    slow=True,
)


@fault("firewall_drop/shared-by-flows", "", code="firewall_drop", flow=Flow(client="web1:web2", timeout=1.0), slow=True, **SERVER, **BRIEF)
def two_clients_hit_one_rule(fleet: Machines) -> None:
    """The counter accounts for both flows of the run together."""
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("db1", chain("input", f"tcp dport $port {DROP}"))


@fault(
    "firewall_drop/shared-with-others", "timeout", code="firewall_drop", certainties=("likely",), flow=V4, packed="rules", **SERVER, **BRIEF
)
def strangers_hit_the_same_rule(fleet: Machines) -> None:
    """A counter that others move proves nothing."""
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("db1", chain("input", f"tcp dport $port {DROP}"))
    again = "import socket, time\nend = time.time() + 60\nwhile time.time() < end:\n s = socket.socket(); s.settimeout(0.2)\n"
    fleet.popen("web2", [fleet.python, "-c", f"{again} s.connect_ex(('10.0.2.21', {fleet.port})); s.close()\n"])


@fault(
    "firewall_drop/reloaded", "timeout", code="firewall_drop", certainties=LIKELY, says=("reloaded",), flow=V4, slow=True, **SERVER, **BRIEF
)
def rules_are_loaded_again_and_again(fleet: Machines) -> None:
    """A counter that starts again with its rules says nothing against them."""
    fleet.listen("db1", "::", fleet.port)
    fleet.write("db1", "/run/rules.nft", fleet.with_port("flush ruleset\n" + chain("input", f"tcp dport $port {DROP}")))
    fleet.run("db1", ["nft", "-f", "/run/rules.nft"])
    fleet.popen("db1", ["sh", "-c", "for turn in $(seq 3000); do nft -f /run/rules.nft; sleep 0.2; done"])


def tables(
    name: str,
    guilty: Sequence[str],
    harmless: Sequence[str],
    flow: Flow = V4,
    tools: Sequence[str] = TABLES,
    packed: str = "rules",
    **place: Any,
) -> None:
    """iptables commands, for both kinds, that drop the flow's packets, and alike ones that do not. `-j DROP` always counts."""
    place = place or SERVER
    certainties = ("proven",) if any("-j DROP" in command for command in guilty) else LIKELY  # a policy's counter is not read
    for tool in tools:
        how: dict[str, Any] = {"flow": flow, "slow": name != "port", "packed": packed}

        @fault(f"firewall_drop/{tool}/{name}", "timeout", code="firewall_drop", certainties=certainties, **how, **place, **BRIEF)
        def make(fleet: Machines, tool: str = tool) -> None:
            load(fleet, place["host"], tool, guilty)

        @twin(f"firewall_drop/{tool}/{name}", flow=flow, slow=True)
        def make_twin(fleet: Machines, tool: str = tool) -> None:
            load(fleet, place["host"], tool, harmless)


def load(fleet: Machines, host: str, tool: str, commands: Sequence[str]) -> None:
    """Run commands, of which those for iptables begin with its first option."""
    fleet.listen("db1", "::", fleet.port)
    for command in commands:
        words = fleet.with_port(command).split()
        fleet.run(host, [tool, *words] if command.startswith("-") else words)


tables(
    "port",
    ["-A INPUT -p tcp --dport $port -j DROP"],
    ["-A INPUT -p tcp --dport 5433 -j DROP", "-A INPUT -s 10.0.1.12 -p tcp --dport $port -j DROP"],
)
tables("output", ["-A OUTPUT -p tcp --dport $port -j DROP"], ["-A OUTPUT -p tcp --dport 5433 -j DROP"], **CLIENT)
tables("raw", ["-t raw -A PREROUTING -p tcp --dport $port -j DROP"], ["-t raw -A PREROUTING -p udp --dport $port -j DROP"])
tables(
    "multiport-iprange",
    ["-A INPUT -p tcp -m multiport --dports 80,5000:6000 -m iprange --src-range 10.0.1.1-10.0.1.20 -j DROP"],
    ["-A INPUT -p tcp -m multiport --dports 80,5000:6000 -m iprange --src-range 10.0.1.12-10.0.1.20 -j DROP"],
    packed="",
)
tables(
    "ipset",
    ["ipset create blocked hash:net", "ipset add blocked 10.0.1.0/24", "-A INPUT -m set --match-set blocked src -p tcp -j DROP"],
    ["ipset create blocked hash:net", "ipset add blocked 10.0.3.0/24", "-A INPUT -m set --match-set blocked src -p tcp -j DROP"],
    packed="",
)
tables(
    "owner",
    ["-A OUTPUT -p tcp --dport $port -m owner --uid-owner 0 -j DROP"],
    ["-A OUTPUT -p tcp --dport $port -m owner --uid-owner 1234 -j DROP"],
    **CLIENT,
)
tables(
    "user-chain",
    ["-N services", "-A INPUT -i eth0 -j services", "-A services -p tcp --syn ! --dport 22 -j DROP"],
    ["-N services", "-A INPUT -i eth0 -j services", "-A services -p tcp --syn --dport $port -j ACCEPT", "-A services -p tcp --syn -j DROP"],
    packed="",
)
tables(
    "policy",
    ["-A INPUT -p tcp --dport 22 -j ACCEPT", "-P INPUT DROP"],
    ["-A INPUT -p tcp --dport $port -j ACCEPT", "-P INPUT DROP"],
    packed="",
)
tables(
    "conntrack",
    ["-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport $port -j DROP"],
    ["-A INPUT -m conntrack --ctstate INVALID -j DROP", "-A INPUT -p tcp -m state --state NEW --dport 5433 -j DROP"],
)
tables(
    "ipv6",
    ["-A INPUT -p tcp --dport $port -j DROP"],
    ["-A INPUT -p tcp --dport 5433 -j DROP"],
    flow=V6,
    tools=("ip6tables-nft", "ip6tables-legacy"),
)


@fault("firewall_drop/sender", "timeout", code="firewall_drop", says=("--mac-source",), flow=V4, packed="rules", **SERVER, **BRIEF)
def the_router_is_not_trusted(fleet: Machines) -> None:
    """The sender's link address is that of the frames that came in."""
    mac = fleet.link_address("r1", "eth1")
    load(fleet, "db1", "iptables-nft", [f"-A INPUT -p tcp --dport $port -m mac --mac-source {mac} -j DROP"])


@fault("firewall_drop/both-iptables", "timeout", code="firewall_drop", flow=V4, says=("chain INPUT",), packed="rules", **SERVER, **BRIEF)
def legacy_drops_what_nft_accepts(fleet: Machines) -> None:
    load(fleet, "db1", "iptables-nft", ["-A INPUT -p tcp --dport $port -j ACCEPT"])
    fleet.run("db1", ["iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", str(fleet.port), "-j", "DROP"])


for number, how in enumerate(("tcp-reset", "icmp-port-unreachable", "icmp-host-prohibited")):
    kernel = "EHOSTUNREACH" if number == 2 else "ECONNREFUSED"

    @fault(f"firewall_reject/iptables/{how}", kernel, code="firewall_reject", packed="rules", slow=number > 0, **SERVER)
    def rejected(fleet: Machines, how: str = how, tool: str = TABLES[number % 2]) -> None:
        load(fleet, "db1", tool, [f"-A INPUT -p tcp --dport $port -j REJECT --reject-with {how}"])
