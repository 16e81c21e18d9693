# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that do not come to listen, or listen elsewhere: crash loops, failed preparations, sockets and timers, ports that others have."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.faults import _fault
from tests.faults._fault import Flow
from tests.faults.catalogue.systemd import ORDERS, REFUSED
from tests.lab._machines import Machines
from tests.lab.systemd_fleet import TOOLS

fault = partial(_fault.fault, systemd=True)
STOPPED: dict[str, Any] = {"code": "service_stopped", **REFUSED}
COMPLAINT = "config error: no such database"
LOOP = f"""
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh -c 'sleep .05; echo {COMPLAINT}; exit 3'
Restart=always
RestartSec=1
"""


def unit(fleet: Machines, *texts: tuple[str, str], start: str = "orders") -> None:
    """Write units (name, text) and start one, which may fail."""
    for name, text in texts:
        fleet.write("db1", f"/etc/systemd/system/{name}", text)
    fleet.run("db1", ["systemctl", "daemon-reload"])
    fleet.run("db1", ["systemctl", "start", start], check=False)


def dies_again_and_again(fleet: Machines, more: str = "") -> None:
    unit(fleet, ("orders.service", LOOP + more))


DIES = ("orders.service", "status 3", COMPLAINT, "find out why orders.service ends after each start")
# Where the host is asked twice while the process runs, systemd has forgotten how the last one ended.
fault("systemd/service_stopped/crash-loop", flow=ORDERS, says=DIES, clock="when systemd starts the unit again", **STOPPED)(
    dies_again_and_again
)
# The port stands in the unit's text: found by it, and only likely.
fault("systemd/service_stopped/crash-loop/text", slow=True, certainties=("likely",), says=DIES, **STOPPED)(
    partial(dies_again_and_again, more="Environment=PORT=5432\n")
)

# Nothing ties the unit to the port: that nothing listens is all that is sure.
fault(
    "systemd/no_listener/crash-loop",
    slow=True,
    code="no_listener",
    says=("no unit is known for the port, and orders.service is started again and again", "status 3", COMPLAINT, "if orders.service"),
    **REFUSED,
)(dies_again_and_again)

TAKER = "import socket, time; s = socket.socket(); s.bind(('', 5432)); s.connect(('10.0.2.1', 4444)); print(1, flush=True); time.sleep(300)"


@fault(
    "systemd/service_stopped/port-taken",
    flow=ORDERS,
    says=("Address already in use", "10.0.2.1:4444", "python3", "ip_local_reserved_ports", "end the connection"),
    **STOPPED,
)
def taken_by_an_outgoing_connection(fleet: Machines) -> None:
    """The fix must not be to start it: it would fail once more."""
    fleet.listen("r1", "0.0.0.0", 4444)
    fleet.popen("db1", [fleet.python, "-c", TAKER]).await_answer()
    unit(fleet, ("orders.service", f"[Service]\nExecStart={fleet.python} -B {TOOLS}/serve.py 0.0.0.0 5432\n"))
    fleet.run("db1", ["sh", "-c", "until systemctl is-failed -q orders; do sleep 0.1; done"])


SSH = Flow(port=2222, service="ssh")


def sshd(fleet: Machines, *units: str) -> None:
    """Ansible goes on over port 22. `fleet.port` is what connect() is asked for."""
    fleet.port = SSH.port
    fleet.write("db1", "/etc/ssh/sshd_config.d/port.conf", "Port 22\nPort 2222\n" if "ssh.service" in units else "Port 2222\n")
    fleet.run("db1", ["sh", "-ec", "systemctl stop ssh.service ssh.socket"])
    fleet.run("db1", ["systemctl", "start", *units])


@fault(
    "systemd/no_listener/socket-activated",
    code="no_listener",
    flow=SSH,
    says=("ssh.service listens on 22 through ssh.socket, not on 2222", "ListenStream=2222"),
    **REFUSED,
)
def systemd_listens_on_the_old_port(fleet: Machines) -> None:
    sshd(fleet, "ssh.socket")


@fault("systemd/no_listener/socket-activated/twin", "connected", slow=True, status="ok", flow=SSH)
def sshd_listens_itself(fleet: Machines) -> None:
    sshd(fleet, "ssh.service")


SERVE = f"/usr/bin/python3 -B {TOOLS}/serve.py"


@fault(
    "systemd/no_listener/old-port",
    slow=True,
    code="no_listener",
    flow=ORDERS,
    says=("orders.service listens on 5433, not on 5432", "files have changed", "have systemd read the changed files"),
    **REFUSED,
)
def unit_changed_and_not_read(fleet: Machines) -> None:
    unit(fleet, ("orders.service", f"[Service]\nExecStart={SERVE} :: 5433\n"))
    fleet.run("db1", ["sh", "-c", "until ss -Hltn sport = :5433 | grep -q .; do sleep 0.05; done; sleep 1"])
    fleet.write("db1", "/etc/systemd/system/orders.service", f"[Service]\nExecStart={SERVE} :: 5432\n")


EACH = "[Socket]\nListenStream=5432\nAccept=yes\nTriggerLimitBurst=2\nTriggerLimitIntervalSec=60\n"


@fault(
    "systemd/service_stopped/instances",
    slow=True,
    says=("orders.socket is failed, result trigger-limit-hit", "which it starts, is failed (exit status 1)", "no table orders"),
    **STOPPED,
)
def every_instance_fails(fleet: Machines) -> None:
    service = "[Service]\nExecStart=/bin/sh -c 'echo no table orders >&2; exit 1'\nStandardInput=socket\nStandardError=journal\n"
    unit(fleet, ("orders.socket", EACH), ("orders@.service", service), start="orders.socket")
    fleet.run("db1", ["bash", "-c", "for i in 1 2 3 4 5; do timeout 1 bash -c '</dev/tcp/127.0.0.1/5432'; sleep .2; done"], check=False)


UNITS: dict[str, tuple[tuple[tuple[str, str], ...], tuple[str, ...]]] = {
    "prepared": (
        (("orders.service", f"[Service]\nExecStartPre=/bin/sh -c 'echo line 3: unknown directive; exit 2'\nExecStart={SERVE} :: 5432\n"),),
        ("/bin/sh, which runs ahead of it, exits with status 2", "line 3: unknown directive", "mend what /bin/sh"),
    ),
    "unmet": (
        (
            (
                "orders.service",
                f"[Unit]\nConditionPathExists=/srv/orders\n[Service]\nExecStart={SERVE} :: 5432\n[Install]\nWantedBy=multi-user.target\n",
            ),
        ),
        ("a condition in its section [Unit] is not met", "ConditionPathExists=/srv/orders", "see which condition"),
    ),
    "requires": (
        (
            ("volume.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo no such volume; exit 4'\n"),
            ("orders.service", f"[Unit]\nRequires=volume.service\nAfter=volume.service\n[Service]\nExecStart={SERVE} :: 5432\n"),
        ),
        ("volume.service, which it requires, is failed (exit status 4)", "no such volume", "start volume.service"),
    ),
    "starting": (
        (("orders.service", "[Service]\nType=notify\nExecStart=/bin/sleep 600\nTimeoutStartSec=600\n"),),
        ("is activating (start)", "see for what orders.service waits"),
    ),
    "not-permitted": (
        (("orders.service", f"[Service]\nUser=nobody\nExecStart={SERVE} 0.0.0.0 5432\nExecStartPre=+/bin/true\nRestart=no\n"),),
        ("Permission denied", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
    ),
}


def _register(name: str, texts: tuple[tuple[str, str], ...], says: tuple[str, ...]) -> None:
    @fault(f"systemd/service_stopped/{name}", slow=True, flow=ORDERS, says=says, **STOPPED)
    def does_not_come_to_listen(fleet: Machines) -> None:
        if name == "unmet":
            fleet.write("db1", "/etc/systemd/system/orders.service", texts[0][1])
            fleet.run("db1", ["systemctl", "enable", "--quiet", "orders"])
        if name == "not-permitted":  # ports below this one are privileged
            fleet.sysctl("db1", "net.ipv4.ip_unprivileged_port_start", 6000)
        command = ["systemctl", "--no-block", "start", "orders"]
        for file, text in texts:
            fleet.write("db1", f"/etc/systemd/system/{file}", text)
        fleet.run("db1", ["systemctl", "daemon-reload"])
        fleet.run("db1", command)
        fleet.run("db1", ["sh", "-c", "for i in $(seq 20); do systemctl is-failed -q orders && break; sleep .1; done"])


for _name, (_texts, _says) in UNITS.items():
    _register(_name, _texts, _says)


@fault(
    "systemd/listener_other_namespace",
    slow=True,
    code="listener_other_namespace",
    flow=ORDERS,
    says=("as orders.service", "PrivateNetwork="),
    **REFUSED,
)
def the_unit_has_a_network_of_its_own(fleet: Machines) -> None:
    """https://github.com/dragonflydb/dragonfly/issues/983"""
    unit(fleet, ("orders.service", f"[Service]\nExecStart={SERVE} :: 5432\nPrivateNetwork=yes\n"))
    fleet.run("db1", ["sh", "-c", "until systemctl is-active -q orders; do sleep 0.1; done; sleep 1"])


LATE = "[Service]\nExecStart=/usr/sbin/sshd -D -f /etc/ssh/sshd_data\nRuntimeDirectory=sshd\nRuntimeDirectoryPreserve=yes\n"


@fault(
    "systemd/no_listener/too-early",
    slow=True,
    code="no_listener",
    says=("data.service is failed", "if data.service should listen there, start data.service on db1", "network-online.target"),
    flow=Flow(port=2222),
    **REFUSED,
)
def a_unit_started_before_the_address_was_there(fleet: Machines) -> None:
    """https://agest.am/ssh-wait-for-network: nothing in the unit tells the port, which stands in the program's own file."""
    fleet.write("db1", "/etc/ssh/sshd_data", "Port 2222\nListenAddress 10.0.2.21\n")
    fleet.run("db1", ["ip", "address", "delete", "10.0.2.21/24", "dev", "eth0"])
    unit(fleet, ("data.service", f"[Unit]\nDescription=for users\n{LATE}[Install]\nWantedBy=multi-user.target\n"), start="data")
    fleet.run("db1", ["sh", "-c", "systemctl enable -q data; until systemctl is-failed -q data; do sleep 0.1; done; sleep 0.2"])
    shell = "ip address add 10.0.2.21/24 dev eth0; ip route replace default via 10.0.2.1"
    fleet.run("db1", ["sh", "-ec", shell])


REFUSED_BY: dict[str, Any] = {"kernel": "", "status": "degraded", "host": "db1", "segment": "server.application"}


@fault(
    "systemd/service_refuses",
    code="service_refuses",
    says=("TCP wrappers refuse the client", "refused connect from 10.0.1.11", "such as sshd: 10.0.1.11"),
    flow=Flow(port=22),
    **REFUSED_BY,
)
def hosts_deny_has_the_client(fleet: Machines) -> None:
    """Connections stay open for some seconds, in which nothing is said."""
    fleet.write("db1", "/etc/hosts.deny", "sshd: 10.0.1.\n")


@fault("systemd/service_refuses/twin", "", slow=True, status="ok", flow=Flow(port=22))
def hosts_allow_has_the_client(fleet: Machines) -> None:
    hosts_deny_has_the_client(fleet)
    fleet.write("db1", "/etc/hosts.allow", "sshd: 10.0.1.11\n")


@fault(
    "systemd/application_hangs_up/max-startups",
    slow=True,
    code="application_hangs_up",
    certainties=("likely",),
    says=("says something and closes the connection at once", "MaxStartups"),
    flow=Flow(port=2222),
    **REFUSED_BY,
)
def too_many_wait_to_be_authenticated(fleet: Machines) -> None:
    """https://github.com/ansible/ansible/issues/24594: sshd logs the first one alone, which may be long ago."""
    fleet.write("db1", "/etc/ssh/sshd_data", "Port 2222\nMaxStartups 2:100:4\n")
    runtime = "RuntimeDirectory=sshd\nRuntimeDirectoryPreserve=yes\n"
    unit(fleet, ("data.service", f"[Service]\nExecStart=/usr/sbin/sshd -D -f /etc/ssh/sshd_data\n{runtime}"), start="data")
    fleet.run("db1", ["sh", "-c", "until ss -Hltn sport = :2222 | grep -q .; do sleep 0.1; done"])
    fleet.hold("r1", "10.0.2.21", 2222, 4)
