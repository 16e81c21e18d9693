# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults behind a host that calls the server on another port than the flow's, or translates to one: a proxy, a balancer, a redirection."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.faults.catalogue.firewall import PURE_ACK, chain
from tests.faults.catalogue.fronts import FRONT, UNSERVED, haproxy, nginx
from tests.lab._machines import Machines

LIKELY: dict[str, Any] = {**UNSERVED, "certainties": ("likely",), "slow": True}
DROPPED = "tcp dport %d counter drop"


def hung(fleet: Machines, port: int) -> None:
    """Whoever listens there accepts nothing, and its queue is full."""
    fleet.listen("db1", DB1, port, backlog=1, behaviour="silent")
    fleet.hold("web2", DB1, port, 3)


@fault(
    "load_balancer_no_backend/other-port-dropped",
    says=("does not answer its SYNs to port 8080: its firewall stops them by rule", "3 SYNs to port 8080, 0 taken"),
    **LIKELY,
)
def the_server_drops_haproxy_on_its_port(fleet: Machines) -> None:
    fleet.listen("db1", DB1, 8080)
    haproxy(fleet, backend=8080)
    fleet.nft("db1", chain("input", DROPPED % 8080))


@fault(
    "load_balancer_no_backend/other-port-dropped/nginx",
    says=("does not answer its SYNs to port 8080: its firewall stops them by rule", "Connection timed out"),
    **LIKELY,
)
def the_server_drops_nginx_on_its_port(fleet: Machines) -> None:
    fleet.listen("db1", DB1, 8080)
    nginx(fleet, 8080)
    fleet.nft("db1", chain("input", DROPPED % 8080))


@fault(
    "load_balancer_no_backend/other-port-hung",
    says=("to port 8080, where 2 connections wait for accept(), and 1 may", "accepts no connection, or restart it"),
    **LIKELY,
)
def the_server_depends_on_the_balancers_port(fleet: Machines) -> None:
    hung(fleet, 8080)
    haproxy(fleet, backend=8080)


@twin("load_balancer_no_backend/other-port-hung", flow=FRONT, slow=True)
def the_server_takes_what_haproxy_sends_beside_a_refused_port(fleet: Machines) -> None:
    """Something else on the balancer's host calls the server in vain, on a port that has nothing to do with it."""
    fleet.listen("db1", DB1, 8080)
    haproxy(fleet, backend=8080)
    fleet.popen("db2", ["sh", "-c", "while sleep 0.1; do socat -u OPEN:/dev/null TCP:10.0.2.21:9100; done"])


# -- translated, by a host that lets the handshake pass

BALANCER = """table ip lb {
    chain pre { type nat hook prerouting priority -100; ip daddr 10.0.2.22 tcp dport 5432 counter dnat to 10.0.2.21:8080; }
    chain post { type nat hook postrouting priority 100; ip daddr 10.0.2.21 counter masquerade; }
}"""
ROUTER = "table ip lb { chain pre { type nat hook prerouting priority -100; ip daddr 10.0.2.21 tcp dport 5432 dnat to 10.0.2.21:8080; }; }"
REDIRECT = "table ip own { chain pre { type nat hook prerouting priority -100; tcp dport 8080 counter redirect to :9090; }; }"
TRANSLATED: dict[str, Any] = {"host": "db1", "leg": "syn", "flow": FRONT}
ROUTED = Flow(timeout=1.0, via=("r1",))


def balancer(fleet: Machines) -> None:
    """The packet filter of db2 sends on, to another port and under its own address."""
    fleet.sysctl("db2", "net.ipv4.ip_forward", 1)
    fleet.nft("db2", BALANCER)


@fault(
    "firewall_drop/other-port",
    "timeout",
    code="firewall_drop",
    segment="server.firewall",
    certainties=("likely",),
    says=("tcp dport 8080 counter drop",),
    **TRANSLATED,
)
def the_server_drops_what_is_translated(fleet: Machines) -> None:
    fleet.listen("db1", DB1, 8080)
    balancer(fleet)
    fleet.nft("db1", chain("input", DROPPED % 8080))


@fault(
    "accept_queue_full/other-port",
    "timeout",
    code="accept_queue_full",
    segment="server.backlog",
    says=("10.0.2.21:8080 on db1 is full",),
    slow=True,
    **TRANSLATED,
)
def the_server_hangs_behind_a_translation(fleet: Machines) -> None:
    balancer(fleet)
    hung(fleet, 8080)


@twin("firewall_drop/other-port", flow=FRONT)
def the_server_takes_what_is_translated(fleet: Machines) -> None:
    """Its ACKs are on a port of which recorders keep what opens connections alone: they are not lost."""
    fleet.listen("db1", DB1, 8080)
    balancer(fleet)


@fault(
    "firewall_drop/other-port-ack",
    "connected",
    code="firewall_drop",
    host="db1",
    leg="ack",
    segment="server.firewall",
    certainties=("likely",),
    says=("tcp dport 8080",),
    flow=ROUTED,
    slow=True,
)
def the_server_drops_the_ack_of_what_is_translated(fleet: Machines) -> None:
    """No recorder looks at ACKs on that port: the server's half-open sockets tell it."""
    fleet.nft("r1", ROUTER)
    fleet.listen("db1", DB1, 8080)
    fleet.listen("db1", DB1, 5432)
    fleet.nft("db1", chain("input", f"tcp dport 8080 {PURE_ACK} counter drop"))


@fault(
    "firewall_drop/other-port-ack-router",
    "connected",
    status="undetermined",
    leg="ack",
    flow=ROUTED,
    slow=True,
)
def the_router_drops_the_ack_of_what_it_translates(fleet: Machines) -> None:
    """Nobody sees where it ends: neither the router's recording behind the translation nor the evaluation, which translates SYNs alone."""
    fleet.nft("r1", ROUTER)
    fleet.listen("db1", DB1, 8080)
    fleet.nft("r1", chain("forward", f"tcp dport 8080 {PURE_ACK} counter drop"))


@fault(
    "firewall_drop/other-port-back",
    "timeout",
    code="firewall_drop",
    host="r1",
    leg="syn_ack",
    segment="path.return",
    certainties=("proven", "likely"),  # counted are also the SYN-ACKs of the kernel's own try, which go on for long
    says=("tcp sport 8080",),
    flow=ROUTED,
    slow=True,
)
def the_router_drops_the_answer_to_what_it_translates(fleet: Machines) -> None:
    """It comes from the port that is translated to, and would leave from the one that was dialled."""
    fleet.nft("r1", ROUTER)
    fleet.listen("db1", DB1, 8080)
    fleet.nft("r1", chain("forward", "tcp sport 8080 counter drop"))


@twin("firewall_drop/other-port-ack", flow=ROUTED, slow=True)
def the_server_takes_the_ack_of_what_is_translated(fleet: Machines) -> None:
    fleet.nft("r1", ROUTER)
    fleet.listen("db1", DB1, 8080)
    fleet.listen("db1", DB1, 5432)
    fleet.nft("db1", chain("input", f"tcp dport 5432 {PURE_ACK} counter drop"))


@fault(
    "nat_wrong_target/twice",
    "ECONNREFUSED",
    code="nat_wrong_target",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("likely",),
    says=("on db1 translates the SYN for 10.0.2.21:8080 to 10.0.2.21:9090, where nothing listens",),
    flow=ROUTED,
)
def the_server_translates_again_to_nobody(fleet: Machines) -> None:
    """The router is right, and so would be who listens on the port that it translates to."""
    fleet.nft("r1", ROUTER)
    fleet.nft("db1", REDIRECT)


@fault(
    "accept_queue_full/translated-twice",
    "timeout",
    code="accept_queue_full",
    host="db1",
    leg="syn",
    segment="server.backlog",
    says=("10.0.2.21:9090 on db1 is full",),
    flow=ROUTED,
    slow=True,
)
def the_server_hangs_behind_its_own_translation(fleet: Machines) -> None:
    fleet.nft("r1", ROUTER)
    fleet.nft("db1", REDIRECT)
    fleet.listen("db1", DB1, 8080)
    hung(fleet, 9090)


@twin("nat_wrong_target/twice", flow=ROUTED, slow=True)
def the_server_translates_again_to_somebody(fleet: Machines) -> None:
    fleet.nft("r1", ROUTER)
    fleet.nft("db1", REDIRECT)
    fleet.listen("db1", DB1, 9090)


OWN = Flow(timeout=1.0)
LED_AWAY = "table ip own { chain pre { type nat hook prerouting priority -100; tcp dport 5432 counter dnat to %s; }; %s }"
BY_ITSELF = "chain post { type nat hook postrouting priority 100; ip daddr 10.0.2.22 counter masquerade; };"


def served(fleet: Machines) -> None:
    fleet.listen("db1", DB1, 5432)
    fleet.listen("db1", DB1, 9090)


@twin("nat_wrong_target/shadows", flow=OWN)
def the_server_translates_past_its_own_listener(fleet: Machines) -> None:
    served(fleet)
    fleet.nft("db1", LED_AWAY % (":9090", ""))


@twin("nat_wrong_target/shadows-for-another", flow=OWN, slow=True)
def the_server_translates_to_another_host_past_its_own_listener(fleet: Machines) -> None:
    served(fleet)
    fleet.listen("db2", "10.0.2.22", 5432)
    fleet.sysctl("db1", "net.ipv4.ip_forward", 1)
    fleet.nft("db1", LED_AWAY % ("10.0.2.22:5432", BY_ITSELF))


@twin("nat_wrong_target/shadows-for-others", flow=OWN, slow=True)
def the_server_translates_for_others_past_its_own_listener(fleet: Machines) -> None:
    """Another client's translation is not the flow's."""
    served(fleet)
    fleet.nft("db1", (LED_AWAY % (":9090", "")).replace("tcp dport", "ip saddr 10.0.1.12 tcp dport"))


# -- a balancer that is the flow's server, and what is behind it has no part in the flow

ITSELF = Flow("10.0.2.22", server="db2", timeout=1.0)


@fault(
    "proxy_no_backend/refused-on",
    "connected",
    code="proxy_no_backend",
    status="degraded",
    host="db2",
    segment="server.application",
    certainties=("likely",),
    says=(
        "none of those that it begins for them is taken: orders/db1 (10.0.2.21:8080)",
        "3 connections begun for clients, 3 of which failed",
    ),
    flow=ITSELF,
    slow=True,
)
def haproxy_holds_whom_nobody_serves(fleet: Machines) -> None:
    """It tries again for a while, and the clients' handshakes look served meanwhile."""
    haproxy(fleet, backend=8080)


ELSEWHERE = "".join(f"    server down{number} 10.0.2.{number}:8080 check inter 2s fall 1\n" for number in (197, 198, 199))


@twin("proxy_no_backend/refused-on-beside", flow=ITSELF, slow=True)
def haproxy_checks_servers_that_are_down(fleet: Machines) -> None:
    """As many checks wait for an answer as the client has connections, which are served."""
    fleet.listen("db1", DB1, 8080)
    haproxy(fleet, backend=8080, more=ELSEWHERE)
    fleet.run("db2", ["sleep", "4"])


@twin("proxy_no_backend/refused-on", flow=ITSELF, slow=True)
def haproxy_has_somebody_to_serve(fleet: Machines) -> None:
    """What failed before does not count."""
    haproxy(fleet, backend=8080)
    fleet.connect("web1", "10.0.2.22", 5432)
    fleet.listen("db1", DB1, 8080)
    fleet.run("db2", ["sleep", "2"])


KEEPS = """import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_words): pass
server = http.server.ThreadingHTTPServer(("10.0.2.21", 8080), Answer)
print(1, flush=True)
server.serve_forever()
"""
ASKS = """import socket
connection = socket.create_connection(("10.0.2.22", 5432))
while True:
    connection.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    connection.recv(9999)
"""
REUSING = """global
    stats socket /run/haproxy.sock
defaults
    mode http
    timeout connect 1s
    timeout client 9s
    timeout server 9s
    option redispatch 1
    http-reuse always
listen orders
    bind 10.0.2.22:5432
    server dead 10.0.2.31:8080
    server db1 10.0.2.21:8080
"""


@twin("proxy_no_backend/reusing", flow=ITSELF, slow=True)
def haproxy_serves_by_connections_that_it_keeps(fleet: Machines) -> None:
    """It calls in vain the one server alone that is not there: with the other one it has connections."""
    fleet.popen("db1", [fleet.python, "-c", KEEPS]).await_answer()
    fleet.write("db2", "/etc/haproxy.cfg", REUSING)
    fleet.popen("db2", ["haproxy", "-db", "-f", "/etc/haproxy.cfg"])
    fleet.await_listener("db2", 5432)
    for _number in range(4):
        fleet.popen("web2", [fleet.python, "-c", ASKS])
    fleet.run("db2", ["sleep", "3"])
