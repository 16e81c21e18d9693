# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that firewalls make, on either side and on every leg, with nftables and with both kinds of iptables."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.lab._machines import Machines

LIKELY = ("likely",)


def chain(hook: str, rule: str) -> str:
    return f"table inet test$port {{ chain {hook} {{ type filter hook {hook} priority 0; policy accept; {rule}; }}\n}}"


def firewalled(host: str, hook: str, rule: str, fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.nft(host, chain(hook, rule))


def sure(ruleset: str) -> tuple[str, ...]:
    """Only a counter proves which rule it was."""
    return ("proven",) if "counter" in ruleset else LIKELY


def forget_soon(fleet: Machines) -> None:
    """Have the SYN-ACKs of the kernel's own try end before the diagnosis begins: they hit the same rules."""
    fleet.sysctl("db1", "net.ipv4.tcp_synack_retries", 1)


def drop(
    name: str,
    host: str,
    hook: str,
    rule: str,
    leg: str,
    segment: str,
    kernel: str = "timeout",
    flow: Flow | None = None,
    slow: bool = False,
) -> None:
    certainties = ("proven", "likely") if (leg, host) == ("ack", "db1") else sure(rule)  # ACKs of the kernel's own try go on for long
    more: dict[str, Any] = {"certainties": certainties, "flow": flow or Flow(), "packed": "" if leg == "syn_ack" else "rules"}
    more["slow"] = slow or (leg == "syn_ack" and "counter" not in rule)

    @fault(f"firewall_drop/{name}", kernel, code="firewall_drop", host=host, leg=leg, segment=segment, says=("chain " + hook,), **more)
    def make(fleet: Machines) -> None:
        if leg == "syn_ack":
            forget_soon(fleet)
        firewalled(host, hook, rule, fleet)


def reject(
    name: str,
    host: str,
    hook: str,
    rule: str,
    leg: str,
    segment: str,
    kernel: str,
    flow: Flow | None = None,
    slow: bool = False,
) -> None:
    more: dict[str, Any] = {"certainties": sure(rule), "flow": flow or Flow(), "packed": "rules", "slow": slow}

    @fault(f"firewall_reject/{name}", kernel, code="firewall_reject", host=host, leg=leg, segment=segment, says=("chain " + hook,), **more)
    def make(fleet: Machines) -> None:
        firewalled(host, hook, rule, fleet)


SYN = "tcp flags & (syn|ack) == syn"
SYN_ACK = "tcp flags & (syn|ack) == syn|ack"
PURE_ACK = "tcp flags & (syn|ack) == ack"
drop("server-input", "db1", "input", "tcp dport $port counter drop", "syn", "server.firewall")
drop("server-input-ipv6", "db1", "input", "tcp dport $port counter drop", "syn", "server.firewall", flow=Flow(DB1_V6), slow=True)
drop("server-prerouting", "db1", "prerouting", "tcp dport $port counter drop", "syn", "server.firewall")
drop("server-output", "db1", "output", f"{SYN_ACK} counter drop", "syn_ack", "server.firewall")
drop("server-postrouting", "db1", "postrouting", f"{SYN_ACK} drop", "syn_ack", "server.firewall")
drop("server-ack", "db1", "input", f"tcp dport $port {PURE_ACK} counter drop", "ack", "server.firewall", kernel="connected")
drop("client-output", "web1", "output", "tcp dport $port counter drop", "syn", "client.firewall")
drop("client-output-ipv6", "web1", "output", "tcp dport $port drop", "syn", "client.firewall", flow=Flow(DB1_V6), slow=True)
drop("client-input", "web1", "input", "tcp sport $port counter drop", "syn_ack", "client.firewall")
drop("client-ack", "web1", "output", f"tcp dport $port {PURE_ACK} counter drop", "ack", "client.firewall", kernel="connected")
reject("server-reset", "db1", "input", "tcp dport $port counter reject with tcp reset", "syn", "server.firewall", "ECONNREFUSED")
reject("server-icmp", "db1", "input", "tcp dport $port counter reject", "syn", "server.firewall", "ECONNREFUSED", slow=True)
reject("server-prohibited", "db1", "input", "tcp dport $port reject with icmpx admin-prohibited", "syn", "server.firewall", "EHOSTUNREACH")
reject(
    "server-ipv6", "db1", "input", "tcp dport $port reject", "syn", "server.firewall", "ECONNREFUSED EACCES", flow=Flow(DB1_V6), slow=True
)
reject(
    "server-ack",
    "db1",
    "input",
    f"tcp dport $port {PURE_ACK} counter reject with tcp reset",
    "ack",
    "server.firewall",
    "connected ECONNRESET",
)
reject("client-output", "web1", "output", "tcp dport $port counter reject", "syn", "client.firewall", "ECONNREFUSED")
reject(
    "client-output-reset", "web1", "output", "tcp dport $port reject with tcp reset", "syn", "client.firewall", "ECONNREFUSED", slow=True
)


@fault(
    "firewall_reject/client-output-reset/beside-nat",
    "ECONNREFUSED",
    code="firewall_reject",
    host="web1",
    leg="syn",
    segment="client.firewall",
    certainties=LIKELY,
    slow=True,
)
def rejected_where_other_ports_are_translated(fleet: Machines) -> None:
    """The RST comes back over lo; that a SYN might leave translated, and escape the recorder, is no reason to look for it elsewhere."""
    firewalled("web1", "output", "tcp dport $port reject with tcp reset", fleet)
    fleet.nft("web1", "table ip nat { chain output { type nat hook output priority -100; tcp dport 3128 redirect to :8080; }\n}")


reject(
    "client-output-host",
    "web1",
    "output",
    "tcp dport $port reject with icmpx host-unreachable",
    "syn",
    "client.firewall",
    "EHOSTUNREACH",
    slow=True,
)


# Alone: what tells it from a port without a listener are the RSTs that the whole host's TCP has sent.
@fault(
    "firewall_reject/no-listener-either",
    "ECONNREFUSED",
    code="firewall_reject",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=LIKELY,
    slow=True,
)
def rejected_port_without_listener(fleet: Machines) -> None:
    fleet.nft("db1", chain("input", "tcp dport $port reject with tcp reset"))


reject("server-ack-icmp", "db1", "input", f"tcp dport $port {PURE_ACK} reject", "ack", "server.firewall", "connected ECONNREFUSED")
drop(
    "loopback",
    "db1",
    "input",
    'iifname "lo" tcp dport $port counter drop',
    "syn",
    "server.firewall",
    flow=Flow("127.0.0.1", client="db1", timeout=1.0),
    slow=True,
)


@fault(
    "no_listener/reset-dropped",
    "timeout",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    flow=Flow(timeout=1.0),
    slow=True,
)
def resets_do_not_leave(fleet: Machines) -> None:
    fleet.nft("db1", chain("output", "tcp sport $port tcp flags & rst == rst drop"))


@twin("firewall_drop", slow=True)
def drops_others(fleet: Machines) -> None:
    firewalled("db1", "input", "tcp dport { 22, 5431, 5433 } counter drop; ip saddr 10.0.1.12 tcp dport $port drop", fleet)


@twin("firewall_drop/accept-before-drop", packed="rules")
def accepts_first(fleet: Machines) -> None:
    firewalled("db1", "input", "ip saddr 10.0.1.0/24 accept; tcp dport $port counter drop", fleet)


@twin("firewall_drop/stateful", slow=True)
def stateful_server(fleet: Machines) -> None:
    discovery = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    rules = f"ct state established,related accept; tcp dport $port ct state new accept; {discovery}; drop"
    firewalled("db1", "input", rules, fleet)


@fault(
    "redirected_to_proxy",
    "connected",
    status="degraded",
    code="redirected_to_proxy",
    host="web1",
    leg="syn",
    segment="client.firewall",
    certainties=LIKELY,
)
def redirected(fleet: Machines) -> None:
    fleet.listen("web1", "127.0.0.1", 3128)
    fleet.nft("web1", "table ip nat { chain output { type nat hook output priority -100; tcp dport $port redirect to :3128; }\n}")


@fault(
    "firewall_drop/client-input-few-retries",
    "timeout ETIMEDOUT",
    code="firewall_drop",
    host="web1",
    leg="syn_ack",
    segment="client.firewall",
    certainties=LIKELY,
    flow=Flow(timeout=4.0),
    slow=True,
)
def dropped_while_retries_are_few(fleet: Machines) -> None:
    """The kernel gives up early, but that is not why: every SYN-ACK was there in time."""
    fleet.sysctl("web1", "net.ipv4.tcp_syn_retries", 1)
    firewalled("web1", "input", "tcp sport $port drop", fleet)
