# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that cannot have their port, or do not have it yet, as people reported them."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.faults import _fault
from tests.faults._fault import Flow
from tests.faults.catalogue.systemd_units import SERVE, unit
from tests.lab._machines import Machines

fault = partial(_fault.fault, systemd=True, slow=True)
SHORT = Flow(timeout=1.0)
REFUSED: dict[str, Any] = {"kernel": "ECONNREFUSED", "host": "db1", "leg": "syn", "segment": "server.socket"}

# -- another one has the port at an address of its own


def stub(fleet: Machines, address: str) -> None:
    """As systemd-resolved has port 53 at 127.0.0.53: nobody else can have it at all addresses."""
    unit(fleet, ("stub.service", f"[Service]\nExecStart={SERVE} 127.0.0.53 5432\n"), start="stub")
    fleet.await_listener("db1", 5432)
    unit(fleet, ("orders.service", f"[Service]\nExecStart={SERVE} {address} 5432\n"))
    fleet.run("db1", ["sh", "-c", "for i in $(seq 15); do systemctl is-failed -q orders && break; sleep .1; done"])


@fault(
    "systemd/listener_other_address/stub",
    code="listener_other_address",
    says=(
        "127.0.0.53:5432",
        "orders.service is failed",
        "Address already in use",
        "leave it, or have orders.service listen on 10.0.2.21 alone",
        "else make python3",
    ),
    flow=SHORT,
    **REFUSED,
)
def a_stub_has_the_port(fleet: Machines) -> None:
    """https://github.com/PowerDNS/pdns/issues/4505: to have the stub listen for others is not what is wanted."""
    stub(fleet, "0.0.0.0")


@fault("systemd/listener_other_address/stub/twin", "connected", status="ok", flow=SHORT)
def a_stub_has_the_port_at_an_address_of_its_own(fleet: Machines) -> None:
    stub(fleet, "10.0.2.21")


# -- a service that is active, and not ready

LATE = f"[Service]\nExecStart=/bin/sh -c 'sleep 120; exec {SERVE} :: 5432'\n"
NOT_YET: dict[str, Any] = {"code": "no_listener", **REFUSED}


def not_ready(fleet: Machines) -> None:
    """systemd has it for active as soon as its process runs."""
    unit(fleet, ("orders.service", LATE))
    fleet.run("db1", ["sh", "-c", "until systemctl is-active -q orders; do sleep 0.1; done"])


SAYS = ("listens on no TCP port yet, ", "s after its start", "give orders.service on db1 time to start")
# https://github.com/influxdata/influxdb/issues/6068
fault("systemd/no_listener/not-ready", says=SAYS, flow=Flow(timeout=1.0, service="orders"), **NOT_YET)(not_ready)
fault(
    "systemd/no_listener/not-ready/text",
    says=(*SAYS, "orders.service, whose files have the port", "if orders.service is what"),
    flow=SHORT,
    **NOT_YET,
)(not_ready)


@fault("systemd/no_listener/client", code="no_listener", says=("start the service that should listen",), flow=SHORT, **REFUSED)
def a_client_of_the_port_was_started_just_now(fleet: Machines) -> None:
    """Its unit has the port, too, and it is not the one that should listen there."""
    unit(fleet, ("app.service", f"[Service]\nEnvironment=DATABASE=db1:5432\nExecStart={SERVE} :: 8080\n"), start="app")
    fleet.await_listener("db1", 8080)
