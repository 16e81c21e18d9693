# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that have as many connections as they may: the kernel completes further handshakes all the same."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.lab._machines import Machines

REACHED: dict[str, Any] = {
    **{"kernel": "", "code": "service_refuses", "status": "degraded", "host": "db1", "segment": "server.application"},
    **{"certainties": ("likely",), "slow": True},
}
AT_REDIS, AT_5432 = Flow(port=6379, timeout=1.0), Flow(timeout=1.0)


def redis(fleet: Machines, most: int) -> None:
    fleet.write("db1", "/etc/redis.conf", f'dir /run\nsave ""\nprotected-mode no\nmaxclients {most}\n')
    fleet.popen("db1", ["redis-server", "/etc/redis.conf"])
    fleet.await_listener("db1", 6379)
    fleet.hold("web2", "10.0.2.21", 6379, 4)


@fault(
    "service_refuses/redis",
    says=("redis-server", "takes the connections and ends them at once", "its maxclients, 4, is reached (/etc/redis.conf line 4)"),
    flow=AT_REDIS,
    **{**REACHED, "slow": False},
)
def redis_has_no_room(fleet: Machines) -> None:
    redis(fleet, 4)


@fault("service_refuses/redis/twin", "", slow=True, status="ok", flow=AT_REDIS)
def redis_has_room(fleet: Machines) -> None:
    redis(fleet, 40)


NGINX = """load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid /run/nginx.pid;
error_log /run/nginx-error.log error;
worker_processes 1;
events { worker_connections %d; }
stream { server { listen 5432; proxy_pass 10.0.2.22:80; } }
"""


def nginx(fleet: Machines, most: int) -> None:
    fleet.listen("db2", "10.0.2.22", 80)
    fleet.write("db1", "/etc/nginx.conf", NGINX % most)
    fleet.popen("db1", ["nginx", "-c", "/etc/nginx.conf", "-e", "/run/nginx-error.log"])
    fleet.await_listener("db1", 5432)
    fleet.hold("web2", "10.0.2.21", 5432, 8)


@fault(
    "service_refuses/nginx",
    says=("nginx", "ends them at once: its worker_connections, 16, is reached", "worker_rlimit_nofile"),
    flow=AT_5432,
    **REACHED,
)
def nginx_has_no_room(fleet: Machines) -> None:
    nginx(fleet, 16)


@twin("service_refuses/nginx", flow=AT_5432, slow=True)
def nginx_has_room(fleet: Machines) -> None:
    nginx(fleet, 160)


HAPROXY = """global
    stats socket /run/haproxy.sock
defaults
    mode tcp
    timeout connect 2s
    timeout client 60s
    timeout server 60s
listen orders
    bind 10.0.2.21:5432
    maxconn %d
    server app 10.0.2.22:80
"""


def haproxy(fleet: Machines, most: int) -> None:
    fleet.listen("db2", "10.0.2.22", 80)
    fleet.write("db1", "/etc/haproxy.cfg", HAPROXY % most)
    fleet.popen("db1", ["haproxy", "-db", "-f", "/etc/haproxy.cfg"])
    fleet.await_listener("db1", 5432)
    fleet.hold("web2", "10.0.2.21", 5432, 4)


@fault(
    "service_refuses/haproxy",
    says=("haproxy", "leaves the connections in its accept queue: its maxconn of orders, 4, is reached", "4 connections of 4"),
    flow=AT_5432,
    **REACHED,
)
def haproxy_has_no_room(fleet: Machines) -> None:
    haproxy(fleet, 4)


@twin("service_refuses/haproxy", flow=AT_5432, slow=True)
def haproxy_has_room(fleet: Machines) -> None:
    haproxy(fleet, 40)
