# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of programs on the server that take connections for others, or take them and turn the client away."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.faults import _fault
from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.fronts import CHECKED, CONFIGURATION
from tests.faults.catalogue.services import CONTAINER
from tests.lab._machines import Machines
from tests.lab.systemd_fleet import TOOLS

SHORT = Flow(timeout=1.0)
AT_APPLICATION: dict[str, Any] = {"status": "degraded", "host": "db1", "segment": "server.application"}
UNSERVED: dict[str, Any] = {"code": "proxy_no_backend", **AT_APPLICATION}


def published(fleet: Machines, listener: str = "") -> None:
    """A program passes on what comes to port 5432 to port 80 of a container, where a server listens as told, if it does."""
    fleet.run("db1", ["sh", "-ec", CONTAINER])
    if listener:
        server = [fleet.python, "-B", str(fleet.tools / "serve.py"), listener, "80"]
        fleet.popen("db1", ["ip", "netns", "exec", "web", *server]).await_answer()
    fleet.popen("db1", ["socat", "TCP-LISTEN:5432,fork,reuseaddr", "TCP:172.17.0.2:80"])
    fleet.await_listener("db1", 5432)


@fault("proxy_no_backend", "connected", says=("socat", "172.17.0.2:80", "AttemptFails", "inside the container"), flow=SHORT, **UNSERVED)
def nothing_listens_in_the_container(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/13847, there with docker-proxy"""
    published(fleet)


@fault(
    "proxy_no_backend/loopback",
    "connected",
    says=("but on 127.0.0.1:80", "make what listens on port 80"),
    slow=True,
    flow=SHORT,
    **UNSERVED,
)
def the_containers_server_listens_on_its_loopback(fleet: Machines) -> None:
    """https://github.com/docker/for-linux/issues/461"""
    published(fleet, "127.0.0.1")


@twin("proxy_no_backend", flow=SHORT)
def the_containers_server_listens(fleet: Machines) -> None:
    published(fleet, "0.0.0.0")


def balanced(fleet: Machines) -> None:
    """HAProxy is the flow's server; whom it has behind it nobody manages."""
    text = CONFIGURATION.replace("10.0.2.22:", "10.0.2.21:").replace("server db1 10.0.2.21:", "server db2 10.0.2.22:")
    fleet.write("db1", "/etc/haproxy.cfg", text % ("tcp", 5432, 8080, CHECKED))
    fleet.popen("db1", ["haproxy", "-db", "-f", "/etc/haproxy.cfg"])
    fleet.await_listener("db1", 5432)
    fleet.run("db1", ["sleep", "1"])


@fault("proxy_no_backend/haproxy", "connected", says=("haproxy", "is DOWN", "Connection refused"), flow=SHORT, **UNSERVED)
def no_server_is_up(fleet: Machines) -> None:
    balanced(fleet)


@twin("proxy_no_backend/haproxy", flow=SHORT, slow=True)
def a_server_is_up(fleet: Machines) -> None:
    fleet.listen("db2", "10.0.2.22", 8080)
    balanced(fleet)


# -- turned away

TURNED_AWAY: dict[str, Any] = {"code": "application_hangs_up", "certainties": ("likely",), **AT_APPLICATION}


@fault(
    "application_hangs_up/other-networks",
    "",
    says=("dnsmasq", "without a byte", "local-service"),
    flow=Flow(port=53, timeout=1.0),
    slow=True,
    **TURNED_AWAY,
)
def for_clients_of_its_own_networks_only(fleet: Machines) -> None:
    """https://github.com/pi-hole/pi-hole/issues/4551"""
    own = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root", "--local-service"]
    fleet.popen("db1", ["dnsmasq", *own])
    fleet.await_listener("db1", 53)


@fault(
    "application_hangs_up/says-why",
    "",
    says=("redis-server", "says something", "protected-mode"),
    flow=Flow(port=6379, timeout=1.0),
    slow=True,
    **TURNED_AWAY,
)
def protected_from_other_hosts(fleet: Machines) -> None:
    """https://github.com/redis/redis/issues/12455: it says so some time before it closes."""
    fleet.popen("db1", ["redis-server", "--port", "6379", "--save", "", "--dir", "/run"])
    fleet.await_listener("db1", 6379)


@fault(
    "no_listener/by-path",
    "",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    says=(
        "redis-server",
        "/run/own.sock and on no TCP port, by 'port 0' of /etc/redis.conf line 2",
        "replace 'port 0' in line 2",
        "if redis-server is meant",
    ),
    flow=Flow(port=6379, timeout=1.0),
)
def listens_in_the_file_system_alone(fleet: Machines) -> None:
    fleet.write("db1", "/etc/redis.conf", "dir /run\nport 0\nunixsocket /run/own.sock\n")
    fleet.popen("db1", ["redis-server", "/etc/redis.conf", "--save", ""])
    fleet.run("db1", ["sh", "-c", "for turn in $(seq 100); do test -S /run/own.sock && exit; sleep 0.1; done; exit 1"])


# -- on loopback addresses

ELSEWHERE: dict[str, Any] = {"code": "listener_other_address", "host": "db1", "leg": "syn", "segment": "server.socket"}
NAMED = "import socket; s = socket.create_server(('db1', 5432)); print(1, flush=True); s.accept()"


@fault("listener_other_address/own-name", "ECONNREFUSED", says=("127.0.1.1", "/etc/hosts has 127.0.1.1 for db1"), flow=SHORT, **ELSEWHERE)
def listens_by_its_own_name(fleet: Machines) -> None:
    """https://github.com/tmills/uhhmm/issues/51: Debian gives its own name that address."""
    fleet.write("db1", "/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 db1\n")
    fleet.popen("db1", [fleet.python, "-c", NAMED]).await_answer()


# -- systemd

on_systemd = partial(_fault.fault, systemd=True)


def units(fleet: Machines, start: str, **texts: str) -> None:
    for name, text in texts.items():
        fleet.write("db1", f"/etc/systemd/system/{name.replace('_', '.')}", text)
    fleet.run("db1", ["sh", "-ec", f"systemctl daemon-reload; systemctl start {start}"])


FRONT = {
    "front_socket": "[Socket]\nListenStream=5432\n",
    "front_service": "[Unit]\nRequires=front.socket\n[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:8080\n",
    "orders_service": f"[Service]\nExecStart=/usr/bin/python3 -B {TOOLS}/serve.py 127.0.0.1 8080\n",
}


@on_systemd(
    "systemd/proxy_no_backend",
    "connected",
    says=("systemd-socket-proxyd", "127.0.0.1:8080", "orders.service is inactive", "start orders.service"),
    certainties=("proven",),
    flow=SHORT,
    slow=True,
    **UNSERVED,
)
def the_unit_behind_the_proxy_is_stopped(fleet: Machines) -> None:
    """https://github.com/systemd/systemd/issues/2105"""
    units(fleet, "front.socket", **FRONT)


@on_systemd("systemd/proxy_no_backend/twin", "connected", status="ok", flow=SHORT, slow=True)
def the_unit_behind_the_proxy_runs(fleet: Machines) -> None:
    units(fleet, "front.socket orders.service", **FRONT)
    fleet.await_listener("db1", 8080)


@on_systemd(
    "systemd/application_silent",
    "connected",
    code="application_silent",
    says=("systemd listens there for orders.socket", "orders.service, which it starts, is inactive", "systemctl list-jobs"),
    certainties=("likely",),
    flow=SHORT,
    slow=True,
    **AT_APPLICATION,
)
def the_service_waits_for_another_unit(fleet: Machines) -> None:
    """https://github.com/twosigma/nsncd/issues/9: systemd listens, and the job that is to start the service waits for one that does not
    end."""
    units(
        fleet,
        "--no-block volume orders.socket",
        volume_service="[Service]\nType=oneshot\nExecStart=/bin/sleep 900\nTimeoutStartSec=infinity\n",
        orders_socket="[Socket]\nListenStream=5432\n",
        orders_service="[Unit]\nAfter=volume.service\n[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
    )


TUNNEL = """
mkdir -p /root/.ssh /run/sshd; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id; cp /root/.ssh/id.pub /root/.ssh/authorized_keys
printf 'Port 2022\\nAuthorizedKeysFile /root/.ssh/authorized_keys\\nPermitRootLogin yes\\nUsePAM no\\n' > /etc/ssh/sshd_data
systemd-run -q --unit=data /usr/sbin/sshd -D -f /etc/ssh/sshd_data; until ss -Hltn sport = :2022 | grep -q .; do sleep 0.1; done
systemd-run -q --unit=tunnel ssh -i /root/.ssh/id -o StrictHostKeyChecking=no -N -p 2022 -R 5432:127.0.0.1:22 root@127.0.0.1
"""


@on_systemd(
    "systemd/listener_other_address/forwarded",
    "ECONNREFUSED",
    says=("sshd", "127.0.0.1:5432", "ssh -R '*:5432", "GatewayPorts clientspecified"),
    flow=SHORT,
    slow=True,
    **ELSEWHERE,
)
def an_ssh_session_listens(fleet: Machines) -> None:
    """https://github.com/mscdex/ssh2/issues/1369: ListenAddress would have sshd itself take the port."""
    fleet.run("db1", ["sh", "-ec", TUNNEL])
    fleet.await_listener("db1", 5432)
