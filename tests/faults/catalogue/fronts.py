# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults behind a load balancer that takes the handshakes itself: HAProxy on db2, in front of db1."""

from __future__ import annotations

import signal
from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.lab._handle import Handle
from tests.lab._machines import Machines

FRONT = Flow("10.0.2.22", via=("db2",), timeout=1.0)
CONFIGURATION = """
global
    maxconn 100
    stats socket /run/haproxy.sock
defaults
    mode %s
    timeout connect 2s
    timeout client 60s
    timeout server 60s
listen orders
    bind 10.0.2.22:%d
    server db1 10.0.2.21:%d %s
"""
CHECKED = "check inter 300ms fall 1"
BYPASS = {"diagnose_depth": "normal"}
UNSERVED: dict[str, Any] = {
    **{"code": "load_balancer_no_backend", "status": "degraded", "host": "db1", "segment": "server.application", "flow": FRONT},
    "kernel": "connected",
}


def haproxy(fleet: Machines, check: str = "", mode: str = "tcp", port: int = 5432, backend: int = 5432, more: str = "") -> Handle:
    fleet.write("db2", "/etc/haproxy.cfg", CONFIGURATION % (mode, port, backend, check) + more)
    balancer = fleet.popen("db2", ["haproxy", "-db", "-f", "/etc/haproxy.cfg"])
    fleet.await_listener("db2", port)
    if check:
        checked = "until echo 'show stat orders 4 -1' | socat - UNIX:/run/haproxy.sock | grep -q ',L4'; do sleep 0.05; done"
        fleet.run("db2", ["sh", "-c", checked])
    return balancer


@fault("load_balancer_no_backend/checked", says=("haproxy", "nothing listens on port 5432 of db1"), slow=True, **UNSERVED)
def the_balancer_knows_that_nobody_is_there(fleet: Machines) -> None:
    haproxy(fleet, CHECKED)


@fault("load_balancer_no_backend", says=("haproxy", "nothing listens on port 5432 of db1"), **UNSERVED)
def the_balancer_tries_in_vain(fleet: Machines) -> None:
    haproxy(fleet)


@fault(
    "load_balancer_no_backend/other-port",
    says=("orders/db1 is down for the balancer, which checks port 8080", "Connection refused"),
    **UNSERVED,
)
def the_balancer_says_that_nobody_is_there(fleet: Machines) -> None:
    """It connects to a port that nobody records, and knows better than the listeners of the flow's own port."""
    haproxy(fleet, CHECKED, backend=8080)
    fleet.listen("db1", "10.0.2.21", 5432)


NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid /run/nginx.pid;
error_log /run/nginx-error.log error;
events { worker_connections 64; }
stream {
    upstream orders { server %s; %s }
    server { listen 10.0.2.22:5432; proxy_pass orders; %s }
}
"""


def nginx(fleet: Machines, backend: int, more: str = "", timeout: str = "proxy_connect_timeout 1s;") -> None:
    fleet.write("db2", "/etc/nginx.conf", NGINX % (f"10.0.2.21:{backend}", more, timeout))
    fleet.popen("db2", ["nginx", "-c", "/etc/nginx.conf", "-e", "/run/nginx-error.log"])
    fleet.await_listener("db2", 5432)


@fault(
    "load_balancer_no_backend/nginx",
    says=("10.0.2.21 port 8080 is down for the balancer", "connecting to 10.0.2.21 port 8080 failed: Connection refused"),
    **UNSERVED,
)
def nginx_logs_that_nobody_is_there(fleet: Machines) -> None:
    nginx(fleet, 8080)
    fleet.listen("db1", "10.0.2.21", 5432)


@fault(
    "load_balancer_no_backend/nginx-next",
    certainties=("likely",),
    says=("db2 made connections with others than db1", "connecting to 10.0.2.21 port 8080 failed: Connection refused"),
    slow=True,
    **UNSERVED,
)
def nginx_is_served_by_another_one(fleet: Machines) -> None:
    """That one ends the connections, as the log of nginx does not say."""
    fleet.listen("db2", "127.0.0.1", 8081, behaviour="closing")
    nginx(fleet, 8080, "server 127.0.0.1:8081 backup;")
    fleet.listen("db1", "10.0.2.21", 5432)


@fault(
    "load_balancer_no_backend/one-of-two",
    certainties=("likely",),
    says=("db2 made connections with others than db1",),
    slow=True,
    **UNSERVED,
)
def the_other_server_serves(fleet: Machines) -> None:
    """What db1 refuses are health checks."""
    fleet.listen("db2", "127.0.0.1", 8081)
    haproxy(fleet, CHECKED, more="    server other 127.0.0.1:8081 check\n")


@fault(
    "load_balancer_no_backend/no-ports",
    says=("finds no free local port towards 10.0.2.21 port 5432", "Cannot assign requested address", "ip_local_port_range"),
    slow=True,
    **{**UNSERVED, "host": "db2", "certainties": ("proven", "likely")},
)
def the_balancer_has_no_local_port_left(fleet: Machines) -> None:
    """https://ma.ttias.be/nginx-cannot-assign-requested-address-for-upstream/"""
    fleet.listen("db1", "::", 5432)
    fleet.sysctl("db2", "net.ipv4.ip_local_port_range", "40000 40007")
    nginx(fleet, 5432)
    fleet.hold("web2", "10.0.2.22", 5432, 8)


@twin("load_balancer_no_backend/nginx", flow=FRONT, slow=True)
def nginx_is_served(fleet: Machines) -> None:
    nginx(fleet, 8080)
    fleet.listen("db1", "10.0.2.21", 8080)


@fault("load_balancer_no_backend/stopped", says=("is stopped",), slow=True, **UNSERVED)
def the_service_is_stopped(fleet: Machines) -> None:
    haproxy(fleet)
    server = fleet.listen("db1", "10.0.2.21", 5432)
    fleet.run("db1", ["kill", f"-{signal.SIGSTOP.name.removeprefix('SIG')}", str(server.answer)])


@fault("load_balancer_no_backend/hung", certainties=("likely",), says=("wait there for accept()",), slow=True, **UNSERVED)
def the_service_accepts_nothing(fleet: Machines) -> None:
    haproxy(fleet)
    fleet.listen("db1", "10.0.2.21", 5432, behaviour="silent")


@fault(
    "load_balancer_no_backend/firewall",
    says=(
        "db1 does not answer its SYNs",
        "dialled directly, db1 10.0.2.21 port 5432: no answer",
        "port 5432: connected in",
        "which others reach",
    ),
    options=BYPASS,
    **UNSERVED,
)
def the_server_drops_the_balancer(fleet: Machines) -> None:
    haproxy(fleet)
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db1", chain("input", "ip saddr 10.0.2.22 tcp dport 5432 drop"))


@fault("load_balancer_no_backend/half-hung", certainties=("likely",), says=("wait there for accept()",), slow=True, **UNSERVED)
def one_of_two_services_accepts_nothing(fleet: Machines) -> None:
    fleet.listen("db2", "127.0.0.1", 8080)
    haproxy(fleet, more="    server other 127.0.0.1:8080\n")
    fleet.listen("db1", "10.0.2.21", 5432, behaviour="silent")


@fault(
    "load_balancer_no_backend/http",
    certainties=("likely",),
    says=("nothing listens on port 5432 of db1", "dialled directly, db1 10.0.2.21 port 5432: ECONNREFUSED"),
    options=BYPASS,
    slow=True,
    **UNSERVED,
)
def nobody_is_there_when_asked(fleet: Machines) -> None:
    haproxy(fleet, mode="http")


@fault(
    "load_balancer_no_backend/http-other-port",
    certainties=("likely",),
    says=("nothing listens on port 8080 of db1",),
    slow=True,
    **UNSERVED,
)
def nobody_is_there_on_its_port_when_asked(fleet: Machines) -> None:
    haproxy(fleet, mode="http", backend=8080)


@fault(
    "load_balancer_no_backend/unsent",
    certainties=("likely",),
    says=("called connect() for port 5432", "no SYN of it left db2", "rules for its output"),
    **{**UNSERVED, "host": "db2"},
)
def the_balancers_host_drops_its_own_packets(fleet: Machines) -> None:
    """HAProxy holds the clients' connections meanwhile, so that they look served."""
    haproxy(fleet)
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db2", chain("output", "ip daddr 10.0.2.21 tcp dport 5432 drop"))


@fault("load_balancer_no_backend/path", says=("SYNs to port 5432 do not come to db1",), slow=True, **{**UNSERVED, "host": "path"})
def the_balancers_packets_are_lost(fleet: Machines) -> None:
    haproxy(fleet)
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.run("db2", ["ip", "neigh", "replace", "10.0.2.21", "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"])


@fault(
    "load_balancer_no_backend/wrong-port",
    certainties=("likely",),
    says=("nothing listens on port 5433 of db1, to which haproxy connects", "port 5433: ECONNREFUSED"),
    options=BYPASS,
    **UNSERVED,
)
def the_balancer_connects_to_a_port_where_nobody_is(fleet: Machines) -> None:
    """Others are served there, so that no counter tells; and the balancer still tries when the client has seen enough."""
    haproxy(fleet, backend=5433)
    fleet.listen("db1", "10.0.2.21", 8080)


@twin("load_balancer_no_backend", flow=FRONT, options=BYPASS)
def served(fleet: Machines) -> None:
    haproxy(fleet, CHECKED)
    fleet.listen("db1", "10.0.2.21", 5432)


@twin("load_balancer_no_backend/http", flow=FRONT, slow=True)
def connects_only_when_asked(fleet: Machines) -> None:
    """In HTTP it connects to the server once there is a request, which a handshake is not."""
    haproxy(fleet, mode="http")
    fleet.listen("db1", "10.0.2.21", 5432)


@twin("load_balancer_no_backend/http-beside", flow=FRONT, slow=True)
def connects_to_another_port_when_asked(fleet: Machines) -> None:
    """Nobody listens on the flow's port of the server, which serves on another one; others call the former in vain."""
    haproxy(fleet, mode="http", backend=8080)
    fleet.listen("db1", "10.0.2.21", 8080)
    fleet.popen("db2", ["sh", "-c", "while sleep 0.1; do socat -u OPEN:/dev/null TCP:10.0.2.21:5432; done"])


@twin("load_balancer_no_backend/stopped", flow=FRONT, slow=True)
def somebody_else_is_stopped(fleet: Machines) -> None:
    """Whoever listens on the flow's port of db1 is not whom the balancer connects to."""
    haproxy(fleet, backend=8080)
    fleet.listen("db1", "10.0.2.21", 8080)
    beside = fleet.listen("db1", "10.0.2.21", 5432)
    fleet.run("db1", ["kill", f"-{signal.SIGSTOP.name.removeprefix('SIG')}", str(beside.answer)])


@twin("load_balancer_no_backend/other-port", flow=FRONT, slow=True)
def serves_on_another_port(fleet: Machines) -> None:
    haproxy(fleet, CHECKED, backend=8080)
    fleet.listen("db1", "10.0.2.21", 8080)


@twin("load_balancer_no_backend/wrong-port", flow=FRONT, options=BYPASS, slow=True)
def serves_on_another_port_unchecked(fleet: Machines) -> None:
    haproxy(fleet, backend=8080)
    fleet.listen("db1", "10.0.2.21", 8080)
