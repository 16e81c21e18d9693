# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of programs that take connections for others, as people reported them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from tests.faults import _fault
from tests.faults._fault import fault, twin
from tests.faults.catalogue.fronts import CONFIGURATION, FRONT
from tests.faults.catalogue.proxies import SHORT, UNSERVED
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines

# -- balancers that do not use their server

AT_BALANCER: dict[str, Any] = {
    **{"kernel": "connected", "code": "load_balancer_no_backend", "status": "degraded", "host": "db2", "segment": "server.application"},
    **{"flow": FRONT, "slow": True},
}


def balanced(fleet: Machines, server: str, ahead: str = "") -> None:
    """HAProxy on db2 has one server; db1 serves well."""
    fleet.listen("db1", "10.0.2.21", 5432)
    text = CONFIGURATION.replace("server db1 10.0.2.21:%d %s", server) % ("tcp", 5432)
    fleet.write("db2", "/etc/haproxy.cfg", ahead + text)
    fleet.popen("db2", ["haproxy", "-db", "-f", "/etc/haproxy.cfg"])
    fleet.run("db2", ["sh", "-c", "until ss -Hltn sport = :5432 | grep -q .; do sleep 0.05; done; sleep 1.5"])


@fault(
    "load_balancer_no_backend/set-aside",
    says=("sends nothing to orders/db1, which is set aside (MAINT)", "set server orders/db1 state ready"),
    **AT_BALANCER,
)
def its_server_is_in_maintenance(fleet: Machines) -> None:
    """https://github.com/haproxy/haproxy/issues/2424"""
    balanced(fleet, "server db1 10.0.2.21:5432 check inter 300ms disabled")


@twin("load_balancer_no_backend/set-aside", flow=FRONT, slow=True)
def its_server_is_ready(fleet: Machines) -> None:
    balanced(fleet, "server db1 10.0.2.21:5432 check inter 300ms")


RESOLVERS = "resolvers own\n    nameserver one 10.0.2.31:53\n    resolve_retries 1\n    timeout retry 300ms\n"


@fault(
    "load_balancer_no_backend/unresolved",
    says=("orders/db1 has no address there, as its name does not resolve", "resolvers"),
    **AT_BALANCER,
)
def the_name_of_its_server_does_not_resolve(fleet: Machines) -> None:
    """https://github.com/haproxy/haproxy/issues/791"""
    balanced(fleet, "server db1 orders.example.net:5432 check resolvers own init-addr none", RESOLVERS)


NGINX = """load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid /run/nginx.pid;
events { worker_connections 64; }
stream { server { listen 10.0.2.22:5432 %s; proxy_pass 10.0.2.21:5432; proxy_timeout 60s; } }
"""
GREETED = replace(FRONT, greeting=True)


def greets_through_nginx(fleet: Machines, more: str = "") -> None:
    fleet.listen("db1", "10.0.2.21", 5432, behaviour="greeting")
    fleet.write("db2", "/etc/nginx.conf", NGINX % more)
    fleet.popen("db2", ["nginx", "-c", "/etc/nginx.conf", "-e", "/run/nginx-error.log"])
    fleet.await_listener("db2", 5432)


@fault(
    "application_silent/header",
    "connected",
    code="application_silent",
    status="degraded",
    host="db2",
    segment="server.application",
    certainties=("likely",),
    says=("nginx (pid", "listens there", "listen ... proxy_protocol"),
    flow=GREETED,
    slow=True,
)
def the_balancer_waits_for_a_header(fleet: Machines) -> None:
    """https://github.com/stalwartlabs/website/issues/80"""
    greets_through_nginx(fleet, "proxy_protocol")


@twin("application_silent/header", flow=GREETED, slow=True)
def the_balancer_waits_for_nothing(fleet: Machines) -> None:
    greets_through_nginx(fleet)


# -- proxies that have outlived what they are for


@fault(
    "proxy_no_backend/gone",
    "connected",
    says=("socat", "calls 172.17.0.2:80 for each of them, and gets no answer"),
    certainties=("likely",),
    flow=SHORT,
    apart=True,
    clock="the call is seen while it lasts: less than 3 s",
    slow=True,
    **UNSERVED,
)
def the_container_is_gone(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/26527, there with docker-proxy: each connection waits for the answer of nobody."""
    shell(fleet, "db1", "ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up")
    fleet.popen("db1", ["socat", "TCP-LISTEN:5432,fork,reuseaddr", "TCP:172.17.0.2:80"])
    fleet.await_listener("db1", 5432)


# -- sessions that carry what they take

systemd = partial(_fault.fault, systemd=True)
SERVER = """
mkdir -p /root/.ssh /run/sshd; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id; cp /root/.ssh/id.pub /root/.ssh/authorized_keys
printf '%s\\n' 'Port 2022' 'AuthorizedKeysFile /root/.ssh/authorized_keys' 'PermitRootLogin yes' 'GatewayPorts yes' > /etc/ssh/sshd_data
systemd-run -q --unit=data /usr/sbin/sshd -D -f /etc/ssh/sshd_data; until ss -Hltn sport = :2022 | grep -q .; do sleep 0.1; done
"""
CLIENT = """
chmod 600 /root/id; systemd-run -q --unit=tunnel ssh -i /root/id -o StrictHostKeyChecking=no -N -p 2022 -R 5432:127.0.0.1:22 root@10.0.2.21
"""
CUT = """table ip cut {
    chain out { type filter hook output priority 0; tcp dport 2022 drop; }
    chain in { type filter hook input priority 0; tcp sport 2022 drop; }
}"""


def carried(fleet: Machines) -> None:
    """r1 has db1 take connections for it."""
    shell(fleet, "db1", SERVER)
    fleet.write("r1", "/root/id", fleet.run("db1", ["cat", "/root/.ssh/id"]).stdout)
    shell(fleet, "r1", CLIENT)
    fleet.await_listener("db1", 5432)


@systemd(
    "systemd/proxy_no_backend/session",
    "connected",
    says=("takes the connections to 10.0.2.21:5432 for an SSH session with 10.0.2.1", "does not answer any more", "ClientAliveInterval"),
    certainties=("likely",),
    flow=SHORT,
    slow=True,
    **UNSERVED,
)
def the_other_end_of_the_session_is_gone(fleet: Machines) -> None:
    """https://github.com/jnovack/autossh/pull/6"""
    carried(fleet)
    fleet.nft("r1", CUT)


@systemd("systemd/proxy_no_backend/session/twin", "connected", status="ok", flow=SHORT, slow=True)
def the_session_lives(fleet: Machines) -> None:
    carried(fleet)


@fault(
    "no_listener/one-connection",
    "",  # it would be used up by it
    code="no_listener",
    host="db1",
    status="degraded",
    leg="syn",
    segment="server.socket",
    says=("socat (pid", "listened there when the run began, and was there for 1 connection", "socat with fork"),
    slow=True,
)
def the_program_takes_one_connection(fleet: Machines) -> None:
    """As nc -l and socat without fork do."""
    fleet.popen("db1", ["socat", "TCP-LISTEN:5432", "EXEC:cat"])
    fleet.await_listener("db1", 5432)
