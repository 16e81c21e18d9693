# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of programs that run and do not serve, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.fronts import CONFIGURATION
from tests.lab._machines import Machines

SHORT = Flow(timeout=1.0)
AT_APPLICATION: dict[str, Any] = {"kernel": "connected", "status": "degraded", "host": "db1", "segment": "server.application"}

# -- debuggers


def traced(fleet: Machines, backlog: int, *then: str) -> None:
    """gdb is attached to the server: it stops it, and waits for what to do."""
    pid = fleet.listen("db1", "0.0.0.0", 5432, backlog=backlog).answer
    fleet.popen("db1", ["gdb", "-q", "-nx", "-p", str(pid), *then])
    state = "S" if then else "t"
    fleet.run("db1", ["sh", "-c", f"sleep 0.5; until grep -q '^State:.{state}' /proc/{pid}/status; do sleep 0.1; done"])


@fault(
    "accept_queue_full/traced",
    "timeout",
    code="accept_queue_full",
    host="db1",
    leg="syn",
    segment="server.backlog",
    says=("it is stopped by gdb (pid", "which traces it", "let go of it", "kill -CONT alone does nothing"),
    slow=True,
    flow=SHORT,
)
def a_debugger_has_stopped_who_accepts(fleet: Machines) -> None:
    """https://github.com/noyainrain/meetling/issues/25: a server is looked at with gdb -p. A signal does not let it go on."""
    traced(fleet, 1)
    fleet.hold("web2", "10.0.2.21", 5432, 3)


@fault("application_silent/traced", code="application_silent", says=("is stopped by gdb (pid",), flow=SHORT, slow=True, **AT_APPLICATION)
def a_debugger_has_stopped_who_is_to_accept(fleet: Machines) -> None:
    traced(fleet, 128)


@twin("application_silent/traced", flow=SHORT, slow=True)
def a_debugger_has_let_go_of_it(fleet: Machines) -> None:
    traced(fleet, 128, "-ex", "detach")


# -- proxies that call themselves

LOOPS: dict[str, Any] = {"code": "proxy_no_backend", "flow": SHORT, "slow": True, **AT_APPLICATION}
NGINX = """load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid /run/nginx.pid;
error_log /run/nginx-error.log error;
worker_processes 1;
events { worker_connections 64; }
stream { %s }
"""


def nginx(fleet: Machines, text: str) -> None:
    fleet.write("db1", "/etc/nginx.conf", NGINX % text)
    fleet.popen("db1", ["nginx", "-c", "/etc/nginx.conf", "-e", "/run/nginx-error.log"])
    fleet.await_listener("db1", 5432)


@fault(
    "proxy_no_backend/itself",
    certainties=("likely",),
    says=("nginx (pid", "passes them on to itself", "not to its own port 5432", "proxy_pass"),
    **LOOPS,
)
def the_proxy_calls_itself(fleet: Machines) -> None:
    """https://github.com/yrutschle/sslh/issues/24; with nginx, 'worker_connections are not enough'."""
    nginx(fleet, "server { listen 5432; proxy_pass 10.0.2.21:5432; }")


@fault(
    "proxy_no_backend/itself-haproxy",
    certainties=("likely",),
    says=("haproxy (pid", "passes them on to itself, as 10.0.2.21:5432 is its own", "the server lines"),
    **LOOPS,
)
def the_balancer_calls_itself(fleet: Machines) -> None:
    fleet.write("db1", "/etc/haproxy.cfg", (CONFIGURATION % ("tcp", 5432, 5432, "")).replace("10.0.2.22", "10.0.2.21"))
    fleet.popen("db1", ["haproxy", "-db", "-f", "/etc/haproxy.cfg"])
    fleet.await_listener("db1", 5432)


@fault("proxy_no_backend/itself-socat", says=("socat (pid", "as 127.0.0.1:5432 is its own"), **LOOPS)
def the_relay_calls_itself(fleet: Machines) -> None:
    fleet.popen("db1", ["socat", "TCP-LISTEN:5432,fork,reuseaddr,max-children=40", "TCP:127.0.0.1:5432"])
    fleet.await_listener("db1", 5432)


@twin("proxy_no_backend/itself", slow=True, flow=SHORT)
def it_calls_another_port_of_its_host(fleet: Machines) -> None:
    fleet.listen("db1", "127.0.0.1", 8080)
    nginx(fleet, "server { listen 5432; proxy_pass 127.0.0.1:8080; }")


# -- programs that let nobody in, or nobody more

REFUSES: dict[str, Any] = {"code": "service_refuses", "slow": True, **AT_APPLICATION}


@fault("service_refuses/nginx-access", says=("its rules (allow, deny)", "'allow 10.0.1.11;'"), flow=SHORT, **REFUSES)
def nginx_lets_others_in(fleet: Machines) -> None:
    """https://github.com/nginx/nginx/issues/582"""
    fleet.listen("db2", "10.0.2.22", 80)
    nginx(fleet, "server { listen 5432; allow 10.0.1.12; deny all; proxy_pass 10.0.2.22:80; }")


@fault(
    "service_refuses/nginx-limit",
    says=("limit_conn port", "raise limit_conn port"),
    flow=SHORT,
    **REFUSES,
)
def nginx_has_as_many_as_a_zone_may_have(fleet: Machines) -> None:
    """https://github.com/fail2ban/fail2ban/issues/3674"""
    fleet.listen("db2", "10.0.2.22", 80)
    nginx(fleet, "limit_conn_zone $server_port zone=port:1m; server { listen 5432; limit_conn port 2; proxy_pass 10.0.2.22:80; }")
    fleet.hold("web2", "10.0.2.21", 5432, 2)


@twin("service_refuses/nginx-access", slow=True, flow=SHORT)
def nginx_lets_the_client_in(fleet: Machines) -> None:
    fleet.listen("db2", "10.0.2.22", 80)
    nginx(fleet, "server { listen 5432; allow 10.0.1.11; deny all; proxy_pass 10.0.2.22:80; }")


GREETED = Flow(timeout=1.0, greeting=True)


def one_at_a_time(fleet: Machines) -> None:
    """HAProxy lets db2 have one connection, and has others wait."""
    fleet.listen("db2", "10.0.2.22", 80, behaviour="greeting")
    server = CONFIGURATION.replace("10.0.2.22", "10.0.2.21", 1).replace("server db1 10.0.2.21", "server db2 10.0.2.22")
    fleet.write("db1", "/etc/haproxy.cfg", server % ("tcp", 5432, 80, "maxconn 1"))
    fleet.popen("db1", ["haproxy", "-db", "-f", "/etc/haproxy.cfg"])
    fleet.await_listener("db1", 5432)


@fault(
    "service_refuses/haproxy-queue",
    certainties=("likely",),
    says=("leaves them in its own queue", "orders/db2 has as many as its maxconn, 1", "raise maxconn in its server line"),
    flow=GREETED,
    **{**REFUSES, "kernel": ""},
)
def connections_wait_for_a_server(fleet: Machines) -> None:
    """https://github.com/jcmoraisjr/haproxy-ingress/issues/168"""
    one_at_a_time(fleet)
    fleet.hold("web2", "10.0.2.21", 5432, 1)


@fault("service_refuses/haproxy-queue/twin", "", status="ok", slow=True, flow=GREETED)
def connections_are_served_one_after_the_other(fleet: Machines) -> None:
    one_at_a_time(fleet)


@fault(
    "service_refuses/nginx-chained",
    certainties=("likely",),
    says=("its worker_connections, 64, is reached",),
    flow=SHORT,
    **{**REFUSES, "kernel": ""},
)
def one_port_of_nginx_uses_another_one(fleet: Machines) -> None:
    """It has as many connections with itself as clients of the other port make, and calls somebody else."""
    fleet.listen("db2", "10.0.2.22", 80)
    chained = "server { listen 8080; proxy_pass 10.0.2.21:5432; }"
    nginx(fleet, f"{chained} server {{ listen 5432; proxy_pass 10.0.2.22:80; }}")
    fleet.hold("web2", "10.0.2.21", 8080, 15)
