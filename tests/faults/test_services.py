# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service does not run, with systemd and real programs: what a start does not cure is not offered a start."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults._fault import DB1, Flow, diagnose_flows
from tests.lab import topologies
from tests.lab.systemd_fleet import TOOLS, SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.slow,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
UNITS = "/etc/systemd/system"


@dataclass(frozen=True)
class Reason:
    """Why the service of this name does not run. `{serve}` listens on the service's port."""

    service: str
    before: str = "true"
    """What is done on the host ahead of the start."""
    socket: str = ""
    after: str = "true"
    cured: str = ""
    """What cures it; a start does then. Empty: nothing that a test can do."""
    says: tuple[str, ...] = field(default=())
    """What stands in the fix or the evidence: systemd's result, or the line that the program has logged."""


# Without cgroup v2, systemd of a container has no say in how much memory a unit may take: the unit sees to that by itself.
LIMITED = """
if [ -d /sys/fs/cgroup/memory ]; then
    mkdir -p /run/memory; mountpoint -q /run/memory || mount -t cgroup -o memory none /run/memory
    mkdir -p /run/memory/handshake; echo 64M > /run/memory/handshake/memory.limit_in_bytes; echo $$ > /run/memory/handshake/tasks
fi
exec "$@"
"""
KILLED = "ended by signal 9" if Path("/sys/fs/cgroup/memory").is_dir() else "killed for lack of memory"
TAKEN = "systemd-run --unit=squatter {serve_on_loopback}; until ss -Hltn 'sport = :{port}' | grep -q .; do sleep 0.1; done"
FULL = "mkdir /srv/full; mount -t tmpfs -o size=64k none /srv/full; cat /dev/zero > /srv/full/old 2> /dev/null || true"
REASONS = {
    "taken": Reason("ExecStart={serve}", before=TAKEN, cured="systemctl stop squatter", says=("Address already in use",)),
    "configured": Reason(
        "ExecStart=/usr/sbin/sshd -D -f /etc/wrong_sshd -p {port}",
        before="echo 'ListenOnAddress 0.0.0.0' > /etc/wrong_sshd; mkdir -p /run/sshd",
        cured="echo > /etc/wrong_sshd",
        says=("ListenOnAddress",),
    ),
    "limited": Reason("ExecStart=/bin/false\nRestart=always\nRestartSec=0", says=("Start request repeated too quickly",)),
    "looping": Reason("ExecStart=/bin/false\nRestart=always\nRestartSec=2\n[Unit]\nStartLimitIntervalSec=0", says=("again and again",)),
    "accepting": Reason(
        "ExecStart=/bin/false\nStandardInput=socket",
        socket="ListenStream={port}\nAccept=yes\nTriggerLimitBurst=3\nTriggerLimitIntervalSec=300",
        says=("trigger-limit-hit",),
    ),
    "masked": Reason("ExecStart={serve}", before="systemctl mask masked", cured="systemctl unmask masked", says=("masked",)),
    "nobody": Reason("ExecStart={serve}\nUser=orders", cured="useradd orders", says=("make the user that nobody.service is to run as",)),
    "full": Reason(
        "ExecStart=/bin/sh -c 'date >> /srv/full/log && exec {serve}'",
        before=FULL,
        cured="rm /srv/full/old",
        says=("No space left on device",),
    ),
    "dependent": Reason("ExecStart={serve}\n[Unit]\nRequires=absent.service\nAfter=absent.service", says=("absent.service",)),
    "forbidden": Reason(
        "ExecStart={serve}\nUser=nobody",
        says=("runs as nobody, who may not bind ports below 1024", "AmbientCapabilities=CAP_NET_BIND_SERVICE", "Permission denied"),
    ),
    "families": Reason(
        "ExecStart={serve}\nRestrictAddressFamilies=AF_UNIX",
        says=("RestrictAddressFamilies=AF_UNIX lets it have no socket of AF_INET", "set RestrictAddressFamilies=AF_INET AF_INET6"),
    ),
    "denied": Reason(
        "ExecStart={serve}\nRestrictAddressFamilies=~AF_INET6 AF_NETLINK",
        says=("lets it have no socket of AF_INET6", "RestrictAddressFamilies=~AF_NETLINK"),
    ),
    "outgrown": Reason("ExecStart={python} -c 'bytearray(1 << 30)'\nLimitAS=256M", says=("MemoryError",)),
    "memory": Reason(
        "ExecStart=/bin/sh -e /srv/limited {python} -c 'bytearray(1 << 30)'\nMemoryMax=64M\nMemorySwapMax=0\n"
        "ExecStopPost=/bin/sh -c 'rmdir /run/memory/handshake || true'",
        before=f"cat > /srv/limited <<'END'\n{LIMITED}\nEND",
        says=(KILLED,),
    ),
    "missing": Reason("ExecStart=/srv/missing/serve {port}", says=("cannot be executed",)),
}
PORTS = {name: 6001 + number for number, name in enumerate(REASONS)} | {"forbidden": 81}


@pytest.fixture(scope="module")
def fleet() -> Any:
    with SystemdFleet(topologies.three_hosts()) as running:
        yield running


@pytest.fixture(scope="module")
def flows(fleet: SystemdFleet) -> dict[str, dict[str, Any]]:
    """What the report says of each service, all of them broken at once."""
    for name, reason in REASONS.items():
        broken(fleet, name, reason)
    for _attempt in range(6):
        fleet.connect("web1", DB1, PORTS["accepting"], 1.0)
    units = {name: f"{name}.socket" if reason.socket else name for name, reason in REASONS.items()}
    declared = [Flow(port=PORTS[name], timeout=1.0, service=unit).declared(name) for name, unit in units.items()]
    report = diagnose_flows(fleet, declared, {"diagnose_patience": 0.5}, "--become")
    return {flow["name"]: flow for flow in report["flows"]}


def broken(fleet: SystemdFleet, name: str, reason: Reason) -> None:
    port = PORTS[name]
    serve = f"{fleet.python} -B {TOOLS}/serve.py"
    words = {"python": fleet.python, "serve": f"{serve} :: {port}", "serve_on_loopback": f"{serve} 127.0.0.1 {port}", "port": port}
    fleet.run("db1", ["sh", "-ec", reason.before.format(**words)])
    unit = f"{name}@" if reason.socket else name
    if "mask " not in reason.before:
        fleet.write("db1", f"{UNITS}/{unit}.service", f"[Service]\n{reason.service.format(**words)}\n")
    if reason.socket:
        fleet.write("db1", f"{UNITS}/{name}.socket", f"[Socket]\n{reason.socket.format(**words)}\n")
    fleet.run("db1", ["systemctl", "daemon-reload"])
    fleet.run("db1", ["systemctl", "start", f"{name}.socket" if reason.socket else name], check=False)


@pytest.mark.parametrize("name", REASONS)
def test_a_start_is_not_offered_for_what_it_does_not_cure(fleet: SystemdFleet, flows: dict[str, dict[str, Any]], name: str) -> None:
    flow = flows[name]
    assert flow["status"] == "broken" and flow["causes"], flow
    cause = flow["causes"][0]
    fix = cause["fix"]
    assert fix and fix["steps"] == [] and fix["risk"] == "advice", (cause["code"], fix)
    told = json.dumps([cause["summary"], cause["evidence"], fix])
    assert [words for words in REASONS[name].says if words not in told] == [], told
    # The oracle: systemd itself, asked once more, does not have it run.
    unit = f"{name}.socket" if REASONS[name].socket else f"{name}.service"
    fleet.run("db1", ["sh", "-c", f"systemctl reset-failed {unit}; timeout 5 systemctl start {unit}"], check=False)
    said = [fleet.connect("web1", DB1, PORTS[name], 1.0) for _attempt in range(5)]
    assert said[-1] != "connected", said


@pytest.mark.parametrize("name", ["forbidden", "families", "denied"])
def test_what_is_advised_is_typed(fleet: SystemdFleet, flows: dict[str, dict[str, Any]], name: str) -> None:
    for command in flows[name]["causes"][0]["fix"]["commands"]:
        fleet.run("db1", ["sh", "-ec", command])
    fleet.run("db1", ["sh", "-c", f"for _try in $(seq 50); do ss -Hltn 'sport = :{PORTS[name]}' | grep -q . && break; sleep 0.1; done"])
    assert fleet.connect("web1", DB1, PORTS[name], 1.0) == "connected"


@pytest.mark.parametrize("name", [name for name, reason in REASONS.items() if reason.cured])
def test_what_is_advised_cures_and_a_start_does_then(fleet: SystemdFleet, flows: dict[str, dict[str, Any]], name: str) -> None:
    assert flows[name]["causes"][0]["fix"]["steps"] == []
    fleet.run("db1", ["sh", "-ec", REASONS[name].cured])
    if name == "masked":
        broken(fleet, name, Reason(REASONS[name].service))
    fleet.run("db1", ["sh", "-c", f"systemctl reset-failed {name}; systemctl start {name}"], check=False)
    fleet.run("db1", ["sh", "-c", f"for _try in $(seq 50); do ss -Hltn 'sport = :{PORTS[name]}' | grep -q . && break; sleep 0.1; done"])
    assert fleet.connect("web1", DB1, PORTS[name], 1.0) == "connected"
