# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of services that xinetd starts: who is let in, and what is switched off."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.lab._machines import Machines

SHORT: dict[str, Any] = {"flow": Flow(timeout=1.0), "options": {"diagnose_patience": 0.5}, "slow": True}
DEFAULTS = "defaults\n{\n}\nincludedir /etc/xinetd.d\n"
SERVICE = """service %s
{
    type = UNLISTED
    port = %d
    socket_type = stream
    protocol = tcp
    wait = no
    user = root
    server = /bin/cat
    %s
}
"""


def serves(fleet: Machines, **services: str) -> None:
    """xinetd with services by name, of which `orders` is on the flow's port, and `echoes` beside it."""
    fleet.run("db1", ["mkdir", "-p", "/etc/xinetd.d"])
    fleet.write("db1", "/etc/xinetd.conf", DEFAULTS)
    for number, (name, more) in enumerate(sorted(services.items(), key=lambda item: item[0] != "orders")):
        fleet.write("db1", f"/etc/xinetd.d/{name}", SERVICE % (name, fleet.port + number, more))
    fleet.popen("db1", ["xinetd", "-f", "/etc/xinetd.conf", "-dontfork", "-stayalive", "-filelog", "/run/xinetd.log", "-pidfile", "/run/x"])
    fleet.run("db1", ["sh", "-c", "until ss -Hltn | grep -q :54; do sleep 0.05; done"])


@fault(
    "xinetd_refuses",
    "connected",
    code="xinetd_refuses",
    status="degraded",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("only_from = 10.0.9.0 192.0.2.0/24", "/etc/xinetd.d/orders"),
    **SHORT,
)
def the_client_is_not_let_in(fleet: Machines) -> None:
    serves(fleet, orders="only_from = 10.0.9.0 192.0.2.0/24")


@twin("xinetd_refuses", **SHORT)
def the_client_is_let_in(fleet: Machines) -> None:
    serves(fleet, orders="only_from = 10.0.1.0")


@fault(
    "no_listener/xinetd",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("disable = yes", "/etc/xinetd.d/orders"),
    **SHORT,
)
def the_service_is_switched_off(fleet: Machines) -> None:
    serves(fleet, orders="disable = yes", echoes="")


def wrapped(fleet: Machines, allowed: str) -> None:
    fleet.write("db1", "/etc/hosts.deny", "# nobody else\nALL: ALL\n")
    fleet.write("db1", "/etc/hosts.allow", allowed)
    serves(fleet, orders="")


@fault(
    "application_hangs_up/tcp-wrappers",
    "connected",
    code="application_hangs_up",
    status="degraded",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("refuse 10.0.1.11 by line 2 of /etc/hosts.deny", "/etc/hosts.allow"),
    **SHORT,
)
def another_daemon_is_let_in(fleet: Machines) -> None:
    """https://github.com/debops-contrib/ansible-checkmk_agent/issues/34: it asks by the name of the server, not as inetd."""
    wrapped(fleet, "inetd: 10.0.1.11\n")


@twin("application_hangs_up/tcp-wrappers", **SHORT)
def the_daemon_is_let_in(fleet: Machines) -> None:
    wrapped(fleet, "cat, orders: 10.0.1.\n")


GREETED: dict[str, Any] = {**SHORT, "flow": Flow(timeout=1.0, greeting=True)}


def greets(fleet: Machines, allowed: str) -> None:
    """A service that speaks first, behind TCP wrappers, on a host whose nameserver is dead."""
    fleet.nft("web2", "table ip dead { chain i { type filter hook input priority 0; udp dport 53 drop; }; }")
    fleet.write("db1", "/etc/resolv.conf", "nameserver 10.0.1.12\noptions timeout:30\n")
    fleet.write("db1", "/etc/hosts", "127.0.0.1 localhost\n")
    fleet.write("db1", "/etc/hosts.allow", allowed)
    serves(fleet, orders="server_args = /etc/hosts.allow")


@fault(
    "application_silent/lookup",
    "connected",
    code="application_silent",
    status="degraded",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("xinetd (pid", "waits for the answer of nameserver 10.0.1.12", "no names in /etc/hosts.allow"),
    **GREETED,
)
def the_client_s_name_is_looked_up_first(fleet: Machines) -> None:
    """As MySQL without skip-name-resolve, or sshd with names in hosts.allow."""
    greets(fleet, "cat: .example.org\ncat: ALL\n")


KEEPS_ITS_RESOLVER = """
import socket
resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.connect(("10.0.2.22", 53))
listener, kept = socket.create_server(("0.0.0.0", 5432)), []
print("[]", flush=True)
while True: kept.append(listener.accept())
"""


@fault(
    "application_silent/own-resolver",
    "connected",
    code="application_silent",
    status="degraded",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("says nothing within",),
    **GREETED,
)
def it_has_a_socket_for_its_nameserver_all_the_time(fleet: Machines) -> None:
    """As nginx and HAProxy have with a resolver: it says nothing of what they wait for."""
    fleet.popen("db1", [fleet.python, "-c", KEEPS_ITS_RESOLVER]).await_answer()


@twin("application_silent/lookup", **GREETED)
def the_client_s_name_is_not_looked_up(fleet: Machines) -> None:
    greets(fleet, "cat: ALL\n")


@fault(
    "no_listener/xinetd-address",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("xinetd's service orders on port 5432: bind = 10.0.2.100, which it binds only when it starts", "restart xinetd"),
    **{**SHORT, "flow": Flow("10.0.2.100", timeout=1.0)},
)
def the_address_came_after_xinetd(fleet: Machines) -> None:
    """https://github.com/openSUSE/xinetd/issues/13"""
    serves(fleet, orders="bind = 10.0.2.100", echoes="")
    fleet.run("db1", ["ip", "address", "add", "10.0.2.100/24", "dev", "eth0"])


@fault(
    "no_listener/xinetd-cps",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("switched on in /etc/xinetd.d/orders", "after more than 2 connections in a second (cps)", "raise cps in /etc/xinetd.d/orders"),
    **SHORT,
)
def too_many_connections_in_a_second(fleet: Machines) -> None:
    """https://github.com/xinetd-org/xinetd/issues/21"""
    serves(fleet, orders="cps = 2 60")
    fleet.connects("web2", "10.0.2.21", 5432, 8)
    fleet.run("db1", ["sh", "-c", "while ss -Hltn sport = :5432 | grep -q .; do sleep 0.1; done"])
