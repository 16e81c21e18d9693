# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of HAProxy's own making, and of what it and its server say to each other, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import fault, twin
from tests.faults.catalogue.fronts import CHECKED, CONFIGURATION, FRONT
from tests.faults.catalogue.reported_programs import AT_BALANCER
from tests.lab._machines import Machines

# -- programs that share a port

MANY: dict[str, Any] = {"flow": FRONT, "slow": True, "options": {"diagnose_attempts": 8, "diagnose_interval": 0.05}}


def started_twice(fleet: Machines, *backends: int) -> None:
    """HAProxy as it leaves itself in the background, once for each port of its server: an earlier start does not end with a later one."""
    for backend in backends:
        path = f"/etc/haproxy-{backend}.cfg"
        fleet.write("db2", path, CONFIGURATION.replace("    stats socket /run/haproxy.sock\n", "") % ("tcp", 5432, backend, ""))
        fleet.run("db2", ["haproxy", "-D", "-f", path])
    fleet.run("db2", ["sh", "-c", f"until ss -Hltn sport = :5432 | wc -l | grep -qx {len(backends)}; do sleep 0.05; done"])


@fault(
    "application_hangs_up/shared-port",
    "connected",
    status="degraded",
    code="application_hangs_up",
    host="db2",
    segment="server.application",
    certainties=("likely",),
    says=("of 8 connections at once, without a byte", "share the port, and each of them gets some", "left of an earlier start"),
    **MANY,
)
def an_earlier_start_takes_half_of_them(fleet: Machines) -> None:
    """https://github.com/haproxy-unofficial-obsolete-mirrors/haproxy/issues/48: what it is to pass on to has ended."""
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.listen("db1", "10.0.2.21", 5434, behaviour="resetting")
    started_twice(fleet, 5434, 5432)


@twin("application_hangs_up/shared-port", **MANY)
def both_pass_them_on(fleet: Machines) -> None:
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.listen("db1", "10.0.2.21", 5434)
    started_twice(fleet, 5434, 5432)


# -- what HAProxy refuses itself, and what its server does not take from it

ASKED = "until echo 'show stat orders 4 -1' | socat - UNIX:/run/haproxy.sock | grep -q '%s'; do sleep 0.05; done"
DENIES = "    tcp-request connection reject if { src %s }\n"


def in_front(fleet: Machines, how: str = "", more: str = "") -> None:
    """HAProxy on db2, with more words about its server, and more lines of its section."""
    fleet.write("db2", "/etc/haproxy.cfg", CONFIGURATION % ("tcp", 5432, 5432, how) + more)
    fleet.popen("db2", ["haproxy", "-db", "-f", "/etc/haproxy.cfg"])
    fleet.await_listener("db2", 5432)


def denying(fleet: Machines, network: str) -> None:
    fleet.listen("db1", "10.0.2.21", 5432)
    in_front(fleet, more=DENIES % network)


@fault(
    "service_refuses/denied",
    "ECONNRESET connected",
    status="degraded",
    code="service_refuses",
    host="db2",
    segment="server.application",
    says=(
        "by rules of its own (section orders)",
        "orders: 3 more of 3 connections denied by its rules, 3 connections of this run",
        "tcp-request",
    ),
    also=("load_balancer_no_backend", "application_closes"),
    flow=FRONT,
    slow=True,
)
def its_own_rules_turn_the_client_away(fleet: Machines) -> None:
    """https://github.com/docker-library/haproxy/issues/24"""
    denying(fleet, "10.0.1.0/24")


@twin("service_refuses/denied", flow=FRONT, slow=True)
def its_own_rules_turn_others_away(fleet: Machines) -> None:
    denying(fleet, "10.0.9.0/24")


BESIDE = """listen billing
    bind 10.0.2.22:5439
    tcp-request connection reject
    server db1 10.0.2.21:5432
"""


@fault(
    "service_refuses/denied-beside",
    "connected",
    status="degraded",
    code="application_hangs_up",
    host="db2",
    segment="server.application",
    certainties=("likely",),
    also=("service_refuses",),
    flow=FRONT,
    slow=True,
)
def the_rules_of_another_section_turn_others_away(fleet: Machines) -> None:
    """What ends the flow's connections is the server."""
    fleet.listen("db1", "10.0.2.21", 5432, behaviour="closing")
    in_front(fleet, more=BESIDE)
    fleet.popen("web2", ["sh", "-c", "while sleep 0.2; do socat -u OPEN:/dev/null TCP:10.0.2.22:5439; done"])


WITH_TLS = "ssl verify none " + CHECKED
AT_SERVER: dict[str, Any] = {**AT_BALANCER, "host": "db1"}


def before_redis(fleet: Machines, how: str) -> None:
    fleet.write("db1", "/etc/redis.conf", 'dir /run\nsave ""\nprotected-mode no\nport 5432\n')
    fleet.popen("db1", ["redis-server", "/etc/redis.conf"])
    fleet.await_listener("db1", 5432)
    in_front(fleet, how)


@fault(
    "load_balancer_no_backend/check-above-tcp",
    says=("orders/db1 is down for the balancer, whose check of port 5432 it takes and fails (L6", "whether it speaks TLS there at all"),
    also=("application_hangs_up",),
    **AT_SERVER,
)
def its_server_speaks_no_tls(fleet: Machines) -> None:
    """https://github.com/DBezemer/rpm-haproxy/issues/48"""
    before_redis(fleet, WITH_TLS)
    fleet.run("db2", ["sh", "-c", ASKED % ",L6"])


@twin("load_balancer_no_backend/check-above-tcp", flow=FRONT, slow=True)
def its_server_is_not_to_speak_tls(fleet: Machines) -> None:
    before_redis(fleet, CHECKED)
    fleet.run("db2", ["sh", "-c", ASKED % ",L4OK"])


ENDS = """import socket, threading
def take(connection):
    connection.recv(5)
    connection.close()
listener = socket.create_server(("10.0.2.21", 5432))
print(1, flush=True)
while True:
    threading.Thread(target=take, args=(listener.accept()[0],)).start()
"""


def binary(fleet: Machines, how: str = "") -> None:
    """A server that ends what it does not understand, as those of binary protocols do."""
    fleet.popen("db1", [fleet.python, "-c", ENDS]).await_answer()
    in_front(fleet, how)


@fault(
    "load_balancer_no_backend/unexpected-header",
    certainties=("likely",),
    says=("db1 takes its connections to port 5432 and resets each of them", "the header of the PROXY protocol"),
    also=("application_hangs_up",),
    **AT_SERVER,
)
def its_server_does_not_expect_its_header(fleet: Machines) -> None:
    """https://discourse.haproxy.org/t/ssl-handshake-failures-when-enabling-proxy-protocol/10205/"""
    binary(fleet, "send-proxy")


@twin("load_balancer_no_backend/unexpected-header", flow=FRONT, slow=True)
def its_server_gets_no_header(fleet: Machines) -> None:
    binary(fleet)
