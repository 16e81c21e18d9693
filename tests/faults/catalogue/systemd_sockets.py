# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Socket units that listen elsewhere, not yet, or no longer."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.faults import _fault
from tests.faults._fault import Flow
from tests.faults.catalogue.systemd import ORDERS, REFUSED
from tests.faults.catalogue.systemd_units import SERVE, unit
from tests.lab._machines import Machines

fault = partial(_fault.fault, systemd=True)


@fault(
    "systemd/service_stopped/socket-too-early",
    slow=True,
    code="service_stopped",
    flow=Flow("10.0.2.77"),
    says=("FreeBind=yes", "start orders.socket on db1, which has 10.0.2.77 now"),
    **REFUSED,
)
def a_socket_for_an_address_that_comes_later(fleet: Machines) -> None:
    """https://github.com/systemd/systemd/issues/19198, https://github.com/cockpit-project/cockpit/issues/13869"""
    fleet.run("db1", ["sh", "-c", "ip addr del 10.0.2.77/24 dev eth0 2>/dev/null; true"])
    texts = ("orders.socket", "[Socket]\nListenStream=10.0.2.77:5432\n"), ("orders.service", f"[Service]\nExecStart={SERVE} :: 5432\n")
    unit(fleet, *texts, start="orders.socket")
    fleet.run("db1", ["sh", "-c", "sleep 1; ip addr add 10.0.2.77/24 dev eth0"])


NARROW: dict[str, Any] = {"flow": ORDERS, **REFUSED, "slow": True}
SERVES = ("orders.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n")


@fault(
    "systemd/listener_other_address/socket",
    code="listener_other_address",
    says=(
        "orders.socket has ListenStream=127.0.0.1:5432 (/etc/systemd/system/orders.socket)",
        "set ListenStream=10.0.2.21:5432 in a drop-in",
    ),
    **NARROW,
)
def a_socket_unit_of_the_loopback(fleet: Machines) -> None:
    unit(fleet, ("orders.socket", "[Socket]\nListenStream=127.0.0.1:5432\n"), SERVES, start="orders.socket")


@fault(
    "systemd/listener_other_address/socket-served",
    code="listener_other_address",
    says=("orders.socket has ListenStream=127.0.0.1:5432", "stop orders.service and orders.socket"),
    **NARROW,
)
def a_service_that_has_got_the_socket(fleet: Machines) -> None:
    """Its own process has the socket by now, and says nothing of systemd."""
    a_socket_unit_of_the_loopback(fleet)
    fleet.run("db1", ["systemctl", "start", "orders.service"])


@fault(
    "systemd/application_hangs_up/socket",
    "connected",
    status="degraded",
    code="application_hangs_up",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("for orders.socket, which takes at most 1 connection at once (MaxConnections=)", "raise MaxConnections= of orders.socket"),
    slow=True,
    flow=ORDERS,
)
def a_socket_unit_that_takes_no_more(fleet: Machines) -> None:
    each = ("orders@.service", "[Service]\nExecStart=/usr/bin/sleep infinity\nStandardInput=socket\n")
    unit(fleet, ("orders.socket", "[Socket]\nListenStream=5432\nAccept=yes\nMaxConnections=1\n"), each, start="orders.socket")
    fleet.hold("web1", "10.0.2.21", 5432)
