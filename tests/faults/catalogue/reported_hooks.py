# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""BPF programs between sockets and their packets, as people reported them."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.faults import _fault
from tests.faults._fault import DB1, Flow
from tests.faults.catalogue.systemd import served
from tests.lab._machines import Machines

fault = partial(_fault.fault, systemd=True, slow=True)
SERVICE = "10.96.0.10"
LED: dict[str, Any] = {
    **{"code": "connect_redirected", "host": "web1", "leg": "syn", "segment": "client.socket"},
    **{"kernel": "", "options": {"diagnose_patience": 0.5}},  # a program of the fleet's own is in no control group of the host's
}


def hooked(fleet: Machines, host: str, *arguments: str) -> None:
    fleet.popen(host, [fleet.python, "-B", str(fleet.tools / "socket_program.py"), *arguments]).await_answer()


def led(fleet: Machines, origin: str, target: str, port: int = 5432) -> None:
    """web1's connect() to an address goes to another one, as Cilium's replacement of kube-proxy has it."""
    served(fleet)
    hooked(fleet, "web1", "connect4", origin, target, str(port))


@fault(
    "systemd/connect_redirected",
    says=("sends its SYNs to 10.0.2.99:5432, which is no address of db1", "BPF program lb_connect4", "take 10.0.2.99:5432 out of them"),
    flow=Flow(SERVICE, timeout=1.0),
    **LED,
)
def a_service_has_a_backend_that_is_gone(fleet: Machines) -> None:
    """https://github.com/cilium/cilium/issues/12859"""
    led(fleet, SERVICE, "10.0.2.99")


@fault("systemd/connect_redirected/refused", says=("to 10.0.2.1:5432",), flow=Flow(timeout=1.0), **LED)
def another_machine_refuses(fleet: Machines) -> None:
    """It is no RST in the server's name."""
    led(fleet, DB1, "10.0.2.1")


@fault("systemd/connect_redirected/port", says=("to 10.0.2.21:8080",), flow=Flow(SERVICE, timeout=1.0), **LED)
def a_service_has_a_port_where_nobody_listens(fleet: Machines) -> None:
    led(fleet, SERVICE, DB1, 8080)


@fault("systemd/connect_redirected/twin", "", status="ok", flow=Flow(SERVICE, timeout=1.0))
def a_service_has_a_backend(fleet: Machines) -> None:
    led(fleet, SERVICE, DB1)


@fault(
    "systemd/kernel_drop/dispatcher",
    "ECONNREFUSED",
    code="kernel_drop",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("NO_SOCKET", "although python3", "listens on [::]:5432", "sk_lookup"),
    flow=Flow(timeout=1.0),
)
def a_dispatcher_finds_no_socket(fleet: Machines) -> None:
    """https://github.com/cloudflare/tubular: its table lacks the socket of a service that was started again."""
    served(fleet)
    hooked(fleet, "db1", "sk_lookup", "5432")
