# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that a few attempts from neighbouring ports do not show, and losses that are not random."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, WEB1, Flow, fault, twin
from tests.faults.catalogue.client import BY_NAME, service
from tests.faults.catalogue.firewall import chain
from tests.lab._machines import Machines

SHORT: dict[str, Any] = {"flow": Flow(timeout=1.0), "options": {"diagnose_patience": 0.5}}
SCRUBBER = """
table ip scrub {
  set seen { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 30s; size 65535; }
  chain f {
    type filter hook forward priority 0;
    tcp dport $port tcp flags & (syn|ack) == syn ip saddr . tcp sport @seen accept
    tcp dport $port tcp flags & (syn|ack) == syn add @seen { ip saddr . tcp sport } drop
  }
}
"""
BANS = """
import socket, struct, sys
listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print(1, flush=True)
kept = []
while True:
    connection, _peer = listener.accept()
    if len(kept) < 3:
        kept.append(connection)
    else:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
"""
LEARNS = SCRUBBER.replace("ip saddr . tcp sport", "ip saddr").replace("ipv4_addr . inet_service", "ipv4_addr")
FIRST: dict[str, Any] = {
    "code": "first_syn_dropped",
    "host": "path",
    "leg": "syn",
    "segment": "path.forward",
    "says": ("the first SYN", "repetition"),
}
PORTS: dict[str, Any] = {
    "status": "degraded",
    "code": "port_range_dropped",
    "host": "path",
    "certainties": ("proven", "likely"),
    "says": ("source port", "net.ipv4.ip_local_port_range"),
    **SHORT,
}


def filtered(fleet: Machines, rule: str) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.sysctl("web1", "net.ipv4.ip_local_port_range", "28672 36863")
    fleet.nft("r1", chain("forward", rule))


def scrubbed(fleet: Machines, rules: str) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("r1", fleet.with_port(rules))


@fault("port_range_dropped", "", leg="syn_ack", segment="path.return", **PORTS)
def answers_to_half_of_the_ephemeral_ports(fleet: Machines) -> None:
    """As a stateless filter does that knows the ephemeral ports of another system only."""
    filtered(fleet, "tcp sport $port tcp dport 1024-32767 drop")
    assert fleet.connect("web1", DB1, fleet.port, 1.0, source_port=30000) == "timeout"
    assert fleet.connect("web1", DB1, fleet.port, 1.0, source_port=34000) == "connected"


@fault("port_range_dropped/syn", "", leg="syn", segment="path.forward", **PORTS)
def syns_from_half_of_the_ephemeral_ports(fleet: Machines) -> None:
    filtered(fleet, "tcp sport 32768-65535 tcp dport $port drop")


@twin("port_range_dropped", **SHORT)
def all_of_the_ephemeral_ports(fleet: Machines) -> None:
    filtered(fleet, "tcp sport $port tcp dport 1024-28671 drop")


@fault("first_syn_dropped", "timeout", **{**FIRST, "flow": Flow(timeout=0.9)})
def the_application_does_not_wait_for_the_second(fleet: Machines) -> None:
    scrubbed(fleet, SCRUBBER)
    assert fleet.connect("web1", DB1, fleet.port, 3.0) == "connected"


@fault("first_syn_dropped/patient", "connected", status="degraded", **FIRST)
def the_application_waits(fleet: Machines) -> None:
    scrubbed(fleet, SCRUBBER)


@fault(
    "path_loss/first",
    "",
    status="degraded",
    code="path_loss",
    host="path",
    leg="syn",
    segment="path.forward",
    says=("the very first one",),
)
def a_source_is_learned(fleet: Machines) -> None:
    """A device drops what it sees first of a sender, which has nothing to do with the way."""
    scrubbed(fleet, LEARNS)


@twin("first_syn_dropped", flow=Flow(timeout=1.0))
def nothing_is_scrubbed(fleet: Machines) -> None:
    scrubbed(fleet, SCRUBBER.replace("drop", "accept"))


@fault("tcp_md5_mismatch/session", "timeout", status="undetermined", **SHORT)
def a_signed_session_is_up(fleet: Machines) -> None:
    """As between two routers that speak BGP: what is not signed gets no answer, and the session of these very hosts is established."""
    fleet.listen("db1", "0.0.0.0", fleet.port, md5=(WEB1, "s3cret"))
    assert fleet.hold("web1", DB1, fleet.port, md5="s3cret").answer == ["connected"]


@twin("option_altered/clamped", flow=Flow(timeout=1.0))
def clamped_to_the_way(fleet: Machines) -> None:
    """As gateways of tunnels and of PPPoE do."""
    fleet.listen("db1", "::", fleet.port)
    fleet.run("r1", ["ip", "link", "set", "eth1", "mtu", "1452"])
    clamp = "-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"
    fleet.run("r1", ["iptables-nft", "-t", "mangle", *clamp.split()])


@fault(
    "option_altered/stripped", "connected", status="degraded", code="option_altered", host="path", segment="path.forward", says=("SACK",)
)
def selective_acknowledgements_are_stripped(fleet: Machines) -> None:
    """Nobody needs that, and each loss costs more for it."""
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("r1", "table inet strip { chain f { type filter hook forward priority 0; tcp flags syn reset tcp option sack-perm; }\n}")


@fault(
    "option_altered/answer",
    "connected",
    status="degraded",
    code="option_altered",
    host="path",
    segment="path.return",
    says=("window scale",),
)
def window_scaling_is_taken_out_of_the_answer(fleet: Machines) -> None:
    """The ends disagree on it then, and transfers stall."""
    fleet.listen("db1", "::", fleet.port)
    rule = "tcp flags & (syn | ack) == syn | ack reset tcp option window"
    fleet.nft("r1", f"table inet strip {{ chain f {{ type filter hook forward priority 0; {rule}; }}\n}}")


@fault(
    "turned_away",
    "connected",
    status="degraded",
    code="turned_away",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("our own attempts",),
    **SHORT,
)
def a_ban_after_the_third(fleet: Machines) -> None:
    """As of servers that count connections which say nothing."""
    fleet.popen("db1", [fleet.python, "-c", BANS, str(fleet.port)]).await_answer()


GREETS = Flow(greeting=True)
MUTE: dict[str, Any] = {"status": "degraded", "host": "db1", "segment": "server.application", "certainties": ("likely",), "flow": GREETS}


@fault("application_silent", "connected", code="application_silent", says=("nobody accepts",), **MUTE)
def nobody_accepts(fleet: Machines) -> None:
    """The kernel completes handshakes for an application that hangs."""
    fleet.listen("db1", "::", fleet.port, behaviour="silent")


@fault("application_silent/accepts", "connected", code="application_silent", **MUTE)
def nobody_greets(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)


@twin("application_silent", flow=GREETS)
def the_server_greets(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port, behaviour="greeting")


@fault("application_hangs_up", "connected", code="application_hangs_up", says=("without a byte",), **MUTE)
def the_server_hangs_up(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port, behaviour="closing")


SLOW: dict[str, Any] = {
    "status": "degraded",
    "code": "name_resolution_slow",
    "host": "web1",
    "segment": "client.resolve",
    "flow": BY_NAME,
    "options": {"diagnose_attempts": 1},
}


def resolving(fleet: Machines, options: str, *arguments: str) -> None:
    """dnsmasq on db2 knows the name, and asks a nameserver that is not there for others."""
    service(fleet)
    known = ["--host-record=db.example.org,10.0.2.21", "--server=/dead.test/10.0.2.99", *arguments]
    own = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--listen-address=10.0.2.22", "--user=root"]
    fleet.popen("db2", ["dnsmasq", *own, *known])
    fleet.write("web1", "/etc/resolv.conf", f"nameserver 10.0.2.22\n{options}\n")
    fleet.run("db2", ["sh", "-c", "until ss -Hlun sport = :53 | grep -q .; do sleep 0.05; done"])


@fault("name_resolution_slow/ipv6", "", says=("answers A queries for it and no AAAA queries",), **SLOW)
def queries_for_ipv6_are_lost(fleet: Machines) -> None:
    """Some devices do not know the type, and drop the query in place of passing it on."""
    resolving(fleet, "options timeout:2 attempts:1")
    at = (8 + 12 + len(b"\2db\7example\3org\0")) * 8
    fleet.nft("r1", f"table ip f {{ chain f {{ type filter hook forward priority 0; udp dport 53 @th,{at},16 28 drop; }}\n}}")


@fault("name_resolution_slow/search", "", says=("db.example.org.dead.test", "search list"), **SLOW)
def the_search_list_leads_nowhere(fleet: Machines) -> None:
    """As in containers, whose ndots is 5."""
    resolving(fleet, "search dead.test\noptions ndots:5 timeout:1 attempts:1")


@twin("name_resolution_slow/search", flow=BY_NAME)
def the_search_list_is_asked_last(fleet: Machines) -> None:
    resolving(fleet, "search dead.test\noptions ndots:1 timeout:1 attempts:1")


@fault(
    "name_resolves_elsewhere/hosts",
    "",
    code="name_resolves_elsewhere",
    host="web1",
    leg="syn",
    segment="client.resolve",
    certainties=("likely",),
    says=("/etc/hosts", "10.0.2.88 db.example.org"),
    flow=Flow(address="db.example.org", timeout=1.0),
)
def an_old_address_stands_in_the_hosts_file(fleet: Machines) -> None:
    resolving(fleet, "options timeout:1 attempts:1")
    fleet.write("web1", "/etc/hosts", "127.0.0.1 localhost\n10.0.2.88 db.example.org # moved\n")


@twin("name_resolves_elsewhere/hosts", flow=BY_NAME)
def the_hosts_file_has_it_right(fleet: Machines) -> None:
    resolving(fleet, "options timeout:1 attempts:1")
    fleet.write("web1", "/etc/hosts", "127.0.0.1 localhost\n10.0.2.21 db.example.org\n")
