# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that do not come to listen, as people reported them."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.faults import _fault
from tests.faults._fault import Flow
from tests.faults.catalogue.systemd_units import SERVE, unit
from tests.lab._machines import Machines

fault = partial(_fault.fault, systemd=True, slow=True)
NAMED: dict[str, Any] = {"flow": Flow(timeout=1.0, service="orders")}
LEAVES = """import os, socket, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("0.0.0.0", 5432))
listener.listen(1)
os.fork()
time.sleep(600)
"""


def left(fleet: Machines, more: str = "") -> None:
    """Its process starts another one, and none of them accepts anything."""
    fleet.write("db1", "/opt/orders.py", LEAVES)
    unit(fleet, ("orders.service", f"[Service]\nExecStart={fleet.python} /opt/orders.py\n{more}"))
    fleet.run("db1", ["sh", "-c", "until ss -Hltn sport = :5432 | grep -q .; do sleep 0.05; done; systemctl restart orders"], check=False)


@fault(
    "systemd/accept_queue_full/left",
    "timeout",
    code="accept_queue_full",
    host="db1",
    leg="syn",
    segment="server.backlog",
    says=("left of an earlier start of orders.service, which is failed", "end what is left of orders.service", "systemctl start"),
    **NAMED,
)
def an_earlier_start_has_the_port(fleet: Machines) -> None:
    """https://github.com/benoitc/gunicorn/issues/520: to restart the unit would fail again."""
    left(fleet, "KillMode=process\n")
    fleet.run("db1", ["sh", "-c", "until systemctl is-failed -q orders; do sleep 0.1; done"])
    fleet.hold("r1", "10.0.2.21", 5432, 3)


@fault(
    "systemd/no_listener/exited",
    "ECONNREFUSED",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("orders.service is active, but has no process any more (exited)", "restart orders.service", "starting it does nothing"),
    **NAMED,
)
def what_the_init_script_started_has_ended(fleet: Machines) -> None:
    """https://github.com/odoo/odoo/issues/28103: the unit is as systemd makes it of a script in /etc/init.d."""
    script = "/bin/sh -c 'sleep 0.3 </dev/null >/dev/null 2>&1 &'"
    unit(fleet, ("orders.service", f"[Service]\nType=forking\nRemainAfterExit=yes\nGuessMainPID=no\nExecStart={script}\n"))
    fleet.run("db1", ["sh", "-c", "until systemctl show --property=SubState orders | grep -q exited; do sleep 0.1; done"])


WAITS = "[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/bin/sleep infinity\n"


@fault(
    "systemd/service_stopped/queued",
    "ECONNREFUSED",
    code="service_stopped",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=(
        "its start is queued already, and waits for wait-online.service (activating)",
        "see why wait-online.service (activating) is not done",
    ),
    **NAMED,
)
def its_start_waits_for_another_one(fleet: Machines) -> None:
    """https://github.com/mensfeld/code-on-incus/issues/548: to start it by hand would wait as well."""
    after = f"[Unit]\nWants=wait-online.service\nAfter=wait-online.service\n[Service]\nExecStart={SERVE} :: 5432\n"
    unit(fleet, ("wait-online.service", WAITS), ("orders.service", after), start="basic.target")
    fleet.run("db1", ["sh", "-ec", "systemctl start --no-block orders; until systemctl list-jobs | grep -q running; do sleep 0.1; done"])


SFTP = "[Service]\nExecStart=-/usr/sbin/sshd -i -f /etc/ssh/sftp_config\nStandardInput=socket\nStandardError=journal\n"


def each_by_itself(fleet: Machines, key: str) -> None:
    """systemd starts an sshd for each connection."""
    fleet.run("db1", ["mkdir", "-p", "/run/sshd"])
    fleet.write("db1", "/etc/ssh/sftp_config", f"HostKey {key}\nUsePAM no\n")
    socket = "[Socket]\nListenStream=5432\nAccept=yes\n"
    unit(fleet, ("sftp.socket", socket), ("sftp@.service", SFTP), start="sftp.socket")


@fault(
    "systemd/application_hangs_up/instances",
    "connected",
    code="application_hangs_up",
    status="degraded",
    host="db1",
    segment="server.application",
    certainties=("likely",),
    says=("for sftp.socket, and starts an instance of sftp@.service", "no hostkeys available", "sftp@*.service"),
    flow=Flow(timeout=1.0),
)
def every_instance_ends_at_once(fleet: Machines) -> None:
    """https://github.com/release-engineering/koji-dojo/issues/39: systemd forgets them, as their failure is no failure (ExecStart=-)."""
    each_by_itself(fleet, "/etc/ssh/none")


@fault("systemd/application_hangs_up/instances/twin", "connected", status="ok", flow=Flow(timeout=1.0))
def every_instance_serves(fleet: Machines) -> None:
    each_by_itself(fleet, "/etc/ssh/ssh_host_ed25519_key")


LINGERS = """import socket
listener, kept = socket.socket(), []
listener.bind(("0.0.0.0", 5432))
listener.listen()
while True:
    connection, peer = listener.accept()
    kept.append(connection)
    if peer[0] == "10.0.2.1":
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
        connection.close()
"""
VISIT = "import socket; [socket.create_connection(('10.0.2.21', 5432)).recv(1) for _each in range(3)]"


def visited(fleet: Machines, program: str) -> None:
    """It ends connections itself, and is restarted once it has had some."""
    fleet.write("db1", "/opt/orders.py", program)
    unit(fleet, ("orders.service", f"[Service]\nExecStart={fleet.python} /opt/orders.py\n"))
    fleet.await_listener("db1", 5432)
    fleet.run("r1", [fleet.python, "-c", VISIT])
    fleet.run(
        "db1", ["sh", "-c", "until ss -Htan state time-wait sport = :5432 | grep -q .; do sleep 0.05; done; systemctl restart orders"]
    )


@fault(
    "systemd/service_stopped/lingering",
    "ECONNREFUSED",
    code="service_stopped",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=("3 connections of before to it are in TIME_WAIT", "Address already in use", "have the application set SO_REUSEADDR"),
    **NAMED,
)
def connections_of_before_keep_its_port(fleet: Machines) -> None:
    """https://github.com/ayufan/camera-streamer/issues/122"""
    visited(fleet, LINGERS)
    fleet.run("db1", ["sh", "-c", "until systemctl is-failed -q orders; do sleep 0.1; done"])


@fault("systemd/service_stopped/lingering/twin", "connected", status="ok", **NAMED)
def connections_of_before_do_not_keep_its_port(fleet: Machines) -> None:
    reusing = "listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\nlistener.bind"
    visited(fleet, LINGERS.replace("listener.bind", reusing))
    fleet.await_listener("db1", 5432)


@fault(
    "systemd/accept_queue_full/socket-backlog",
    "timeout",
    code="accept_queue_full",
    host="db1",
    leg="syn",
    segment="server.backlog",
    says=("raise Backlog= of orders.socket (now 1)",),
    **NAMED,
)
def the_socket_unit_has_no_room(fleet: Machines) -> None:
    """https://github.com/weldr/lorax/pull/438: it is systemd that calls listen()."""
    waits = "[Service]\nExecStart=/bin/sleep 600\n"
    unit(fleet, ("orders.socket", "[Socket]\nListenStream=5432\nBacklog=1\n"), ("orders.service", waits), start="orders.socket")
    fleet.hold("r1", "10.0.2.21", 5432, 4)
