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
