# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of programs that run and do not serve, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
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
    """https://github.com/noyainrain/meetling/issues/25: a server that hangs is looked at with gdb -p, and a signal does not let it go on."""
    traced(fleet, 1)
    fleet.hold("web2", "10.0.2.21", 5432, 3)


@fault("application_silent/traced", code="application_silent", says=("is stopped by gdb (pid",), flow=SHORT, slow=True, **AT_APPLICATION)
def a_debugger_has_stopped_who_is_to_accept(fleet: Machines) -> None:
    traced(fleet, 128)


@twin("application_silent/traced", flow=SHORT, slow=True)
def a_debugger_has_let_go_of_it(fleet: Machines) -> None:
    traced(fleet, 128, "-ex", "detach")
