# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of firewalls in which the rule that stops the packet is not the reason: zones, the way back, draws by lot, proxies, users."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.faults.catalogue.firewall import forget_soon
from tests.lab._machines import Machines

HOW: dict[str, Any] = {"flow": Flow(timeout=1.0), "options": {"diagnose_patience": 0.5}}
LIKELY = ("proven", "likely")


def rules(fleet: Machines, host: str, *several: str) -> None:
    for rule in several:
        fleet.run(host, ["iptables-nft", *fleet.with_port(rule).split()])


# -- a connection tracking zone for one direction

INPUT = ("-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", "-P INPUT DROP")
OUT, IN = "-t raw -A OUTPUT -o eth0 -p tcp -j CT --zone 5", "-t raw -A PREROUTING -i eth0 -p tcp -j CT --zone 5"


def zoned(fleet: Machines, *several: str) -> None:
    forget_soon(fleet)
    fleet.listen("db1", "::", fleet.port)
    rules(fleet, "web1", *several, *INPUT)


@fault(
    "conntrack_invalid/zone",
    "timeout",
    code="conntrack_invalid",
    host="web1",
    leg="syn_ack",
    segment="client.firewall",
    certainties=LIKELY,
    says=("zone 5", "policy drop"),
    **HOW,
)
def only_what_leaves_is_in_the_zone(fleet: Machines) -> None:
    zoned(fleet, OUT)


@twin("conntrack_invalid/zone", **HOW)
def both_directions_are_in_the_zone(fleet: Machines) -> None:
    zoned(fleet, OUT, IN)


# -- the way back

RPFILTER = (
    "-t mangle -N nixos-fw-rpfilter",
    "-t mangle -A PREROUTING -j nixos-fw-rpfilter",
    "-t mangle -A nixos-fw-rpfilter -m rpfilter --validmark -j RETURN",
    "-t mangle -A nixos-fw-rpfilter -j DROP",
)
FIB = "table inet strict { chain in { type filter hook prerouting priority -150; fib saddr . iif oif missing counter drop; }\n}"
WAY_BACK: dict[str, Any] = {"host": "db1", "leg": "syn", "segment": "server.firewall", "code": "firewall_drop"}


def tunnel(fleet: Machines, network: str) -> None:
    fleet.listen("db1", "::", fleet.port)
    made = f"ip link add wg0 type veth peer name far; ip link set far up; ip link set wg0 up; ip route add {network} dev wg0"
    fleet.run("db1", ["sh", "-ec", made])


@fault("firewall_drop/rpfilter", "timeout", says=("nixos-fw-rpfilter", "wg0", "route back"), **WAY_BACK, **HOW)
def the_way_back_is_a_tunnel(fleet: Machines) -> None:
    tunnel(fleet, "10.0.1.0/24")
    rules(fleet, "db1", *RPFILTER)


@twin("firewall_drop/rpfilter", **HOW)
def the_way_back_is_the_way_in(fleet: Machines) -> None:
    tunnel(fleet, "10.0.9.0/24")
    rules(fleet, "db1", *RPFILTER)


@fault("firewall_drop/fib", "timeout", says=("fib saddr", "wg0", "route back"), **WAY_BACK, **HOW)
def the_way_back_is_a_tunnel_to_nft(fleet: Machines) -> None:
    tunnel(fleet, "10.0.1.0/24")
    fleet.nft("db1", FIB)


# -- SYNPROXY

PROXY = (
    "-t raw -A PREROUTING -i eth0 -p tcp --dport $port --syn -j CT --notrack",
    "-A INPUT -p tcp --dport $port -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460",
    "-A INPUT -m conntrack --ctstate INVALID -j DROP",
)


def proxied(fleet: Machines, loose: int, **listener: Any) -> None:
    fleet.listen("db1", "0.0.0.0", fleet.port, **listener)
    rules(fleet, "db1", *PROXY)
    fleet.sysctl("db1", "net.netfilter.nf_conntrack_tcp_loose", loose)


@fault(
    "synproxy_loose",
    "connected ECONNRESET",
    code="synproxy_loose",
    host="db1",
    leg="ack",
    segment="server.firewall",
    says=("SYNPROXY", "net.netfilter.nf_conntrack_tcp_loose"),
    flow=Flow(timeout=1.0),
)
def conntrack_is_loose(fleet: Machines) -> None:
    proxied(fleet, 1)


@fault(
    "synproxy_loose/filtered",
    "connected",
    code="synproxy_loose",
    host="db1",
    leg="ack",
    segment="server.firewall",
    certainties=("likely",),
    flow=Flow(timeout=1.0),
)
def the_listener_filters_what_is_taken_away(fleet: Machines) -> None:
    """Nothing resets the ACKs, so that connect() is content."""
    proxied(fleet, 1, filtered=True)


@twin("synproxy_loose", flow=Flow(timeout=1.0))
def conntrack_is_strict(fleet: Machines) -> None:
    proxied(fleet, 0)


UNSERVED: dict[str, Any] = {"code": "synproxy_unserved", "host": "db1", "leg": "ack", "segment": "server.firewall"}


@fault("synproxy_unserved", "connected", says=("SYNPROXY", "PassiveOpens"), flow=Flow(timeout=1.0), **UNSERVED)
def nobody_takes_the_proxy(fleet: Machines) -> None:
    """The listener wants packets of its own link, and SYNPROXY's come with the usual TTL."""
    proxied(fleet, 0, min_ttl=255)


LISTENS = ("nothing listens on port 5432, with which SYNPROXY", "start the service")


@fault("synproxy_unserved/closed", "connected ECONNRESET", flow=Flow(timeout=1.0), slow=True, says=LISTENS, **UNSERVED)
def nobody_listens_behind_the_proxy(fleet: Machines) -> None:
    rules(fleet, "db1", *PROXY)
    fleet.sysctl("db1", "net.netfilter.nf_conntrack_tcp_loose", 0)


# -- draws by lot

SERVICE = "10.96.0.10"
BY_LOT: dict[str, Any] = {
    "flow": Flow(SERVICE, timeout=1.0),
    "options": {"diagnose_attempts": 10, "diagnose_interval": 0.05, "diagnose_patience": 0.5},
}


def drawn(fleet: Machines, *endpoints: str) -> None:
    """As kube-proxy writes it: the last endpoint takes what the lot leaves."""
    fleet.listen("db1", "::", fleet.port)
    several = ["-N KUBE-SERVICES", "-N KUBE-SVC-WEB", "-A OUTPUT -j KUBE-SERVICES"]
    several += [f"-A KUBE-SERVICES -d {SERVICE}/32 -p tcp --dport {fleet.port} -j KUBE-SVC-WEB"]
    for number, endpoint in enumerate(endpoints):
        lot = f"-m statistic --mode random --probability {1 / (len(endpoints) - number):.3f}" if number + 1 < len(endpoints) else ""
        several += [f"-N KUBE-SEP-{number}", f"-A KUBE-SVC-WEB {lot} -j KUBE-SEP-{number}"]
        several += [f"-A KUBE-SEP-{number} -p tcp -j DNAT --to-destination {endpoint}:{fleet.port}"]
    rules(fleet, "web1", *(f"-t nat {rule}" for rule in several))


@fault(
    "nat_wrong_target/client-by-lot",
    "",
    status="degraded",
    code="nat_wrong_target",
    host="web1",
    leg="syn",
    segment="client.firewall",
    certainties=LIKELY,  # the router may say only later that the host is not there
    says=("10.0.2.99", "KUBE-SEP-0"),
    **BY_LOT,
)
def one_endpoint_is_gone(fleet: Machines) -> None:
    drawn(fleet, "10.0.2.99", DB1)
    assert "connected" in (said := fleet.connects("web1", SERVICE, fleet.port, 16, 1.0)) and len(set(said)) > 1


@twin("nat_wrong_target/client-by-lot", **BY_LOT)
def all_endpoints_are_there(fleet: Machines) -> None:
    fleet.run("db1", ["ip", "address", "add", "10.0.2.99/24", "dev", "eth0"])
    drawn(fleet, "10.0.2.99", DB1)


NUMGEN = (
    "table ip lot { chain out { type nat hook output priority -100; "
    f"ip daddr {SERVICE} dnat to numgen inc mod 2 map {{ 0 : 10.0.2.99, 1 : {DB1} }}; }}\n}}"
)


@fault(
    "nat_wrong_target/client-by-lot-nft",
    "",
    status="degraded",
    code="nat_wrong_target",
    host="web1",
    leg="syn",
    segment="client.firewall",
    certainties=LIKELY,
    says=("10.0.2.99", "numgen"),
    **BY_LOT,
)
def one_endpoint_is_gone_in_turn(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("web1", NUMGEN)


# -- users


@fault("firewall_reject/other-users", "connected", status="ok", flow=Flow(timeout=1.0))
def only_root_is_let_through(fleet: Machines) -> None:
    """Nothing is broken for whom we can try it; the report remarks on the others."""
    fleet.listen("db1", "::", fleet.port)
    rules(fleet, "web1", "-A OUTPUT -o eth0 -p tcp --dport $port -m owner ! --uid-owner 0 -j REJECT")


# -- a proxy that is not there, and rules of which one or another decides

TPROXY = "-t mangle -A PREROUTING -p tcp --dport $port -j TPROXY --on-port 3129 --tproxy-mark 1"
EITHER = (
    "table inet either { chain in { type filter hook input priority 0; "
    "tcp dport $port numgen random mod 2 0 counter drop; tcp dport $port counter drop; }\n}"
)


@fault("firewall_drop/tproxy", "timeout", says=("TPROXY", "no transparent socket", "start the transparent proxy"), **WAY_BACK, **HOW)
def the_proxy_is_gone(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    rules(fleet, "db1", TPROXY)


@fault("firewall_drop/either", "timeout", certainties=LIKELY, says=("one of several", "numgen", " or rule "), **WAY_BACK, **HOW)
def one_rule_or_the_other(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("db1", EITHER)
