# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole diagnosis of N hosts against `ansible -m ping` of the same hosts, with as many forks.

    python tests/bench/diagnose.py [--quick] [--forks 10]

Half of the hosts are clients, each of which shakes hands with a server of its own; nothing is broken. The hosts are network namespaces
behind a router, reached over the lab's connection, and over SSH (an sshd in each, new connections in every run), for which it takes root.
The probe window is the time that the attempts take by design (interval and settle), for as many turns as the forks need for the clients.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.lab import topologies
from tests.lab.fleet import Fleet

ATTEMPTS, INTERVAL, SETTLE = 3, 0.2, 0.25  # the role's defaults
TARGET = 3.5  # pings that a diagnosis may take, beside the probe window
HOSTS = "clients:servers"
SSHD = """
mkdir -p -m 755 /run/sshd
exec /usr/sbin/sshd -D -e -f none -h {directory}/host_key -p 22 -o PidFile=none -o UsePAM=no -o StrictModes=no \
    -o AuthorizedKeysFile={directory}/key.pub -o PermitRootLogin=yes -o MaxStartups=1000
"""


class Controller(NamedTuple):
    """How Ansible comes to the hosts."""

    name: str
    prefix: Sequence[str]
    inventory: Path
    environment: dict[str, str]
    afterwards: Callable[[], None]


def over_the_lab(fleet: Fleet) -> Controller:
    return Controller("lab", [], fleet.inventory, fleet.environment(), lambda: None)


def over_ssh(fleet: Fleet) -> Controller:
    """Ansible runs on the router, which reaches both segments."""
    place = fleet.directory
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True)
    options = "-F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    common = {
        "ansible_connection": "ansible.builtin.ssh",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(place / "key"),
        "ansible_ssh_common_args": options,
        "ansible_python_interpreter": fleet.python,
        "ansible_pipelining": True,
    }
    groups: dict[str, dict[str, dict[str, dict[str, str]]]] = {"clients": {"hosts": {}}, "servers": {"hosts": {}}}
    for name, host in fleet.topology["hosts"].items():
        if name != "r1":
            fleet.popen(name, ["sh", "-c", SSHD.format(directory=place)])
            address = host["interfaces"]["eth0"]["addresses"][0].partition("/")[0]
            groups[host["groups"][0]]["hosts"][name] = {"ansible_host": address}
    inventory = place / "ssh.json"
    inventory.write_text(json.dumps({"all": {"vars": common, "children": groups}}))
    sockets = place / "cp"

    def disconnect() -> None:
        for path in sockets.glob("*"):
            subprocess.run(["ssh", "-O", "exit", "-o", f"ControlPath={path}", "host"], capture_output=True, check=False)

    environment = {**fleet.environment(), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets)}
    return Controller("ssh", [*fleet.enter("r1"), "env", f"--chdir={place}"], inventory, environment, disconnect)


class Times(NamedTuple):
    ping: float
    diagnosis: float


def ansible(controller: Controller, program: str, *arguments: str, directory: Path) -> float:
    argv = [*controller.prefix, sys.executable, "-m", "ansible", program, f"--inventory={controller.inventory}", *arguments]
    began = time.perf_counter()
    done = subprocess.run(
        argv, cwd=directory, env=controller.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False
    )
    elapsed = time.perf_counter() - began
    controller.afterwards()
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return elapsed


def measure(controller: Controller, fleet: Fleet, pairs: int, forks: int, runs: int) -> Iterator[Times]:
    flows = [{"name": f"flow{n}", "clients": f"client{n}", "servers": f"server{n}", "port": 5432} for n in range(1, pairs + 1)]
    extra = json.dumps({"handshake_flows": flows, "diagnose_report_dir": "report"})
    for turn in range(runs + 1):
        ping = ansible(controller, "adhoc", HOSTS, "-m", "ansible.builtin.ping", f"--forks={forks}", directory=fleet.directory)
        diagnosis = ansible(
            controller, "playbook", "threeway.handshake.diagnose", f"--forks={forks}", f"-e{extra}", directory=fleet.directory
        )
        summary = json.loads((fleet.directory / "report" / "report.json").read_text())["summary"]
        if summary != {"flows": pairs, "ok": pairs, "degraded": 0, "broken": 0, "undetermined": 0}:
            raise SystemExit(f"not all handshakes are well: {summary}")
        if turn:  # the first one warms caches
            yield Times(ping, diagnosis)


def compare(sizes: Sequence[int], forks: int, runs: int) -> Iterator[str]:
    head = f"{'(diagnose - window) / ping':>27}   at most {TARGET}"
    yield f"{'':5}{'hosts':>6} {'forks':>6} {'ping':>8} {'diagnose':>9} {'window':>7} {head}"
    for size in sizes:
        for reach in (over_the_lab, over_ssh):
            if reach is over_ssh and (os.geteuid() or not shutil.which("sshd")):
                yield "ssh: this needs root, and sshd"
                continue
            with Fleet(topologies.star(size // 2, size // 2)) as fleet:
                controller = reach(fleet)
                times = list(measure(controller, fleet, size // 2, forks, runs))
            ping, diagnosis = (statistics.median(column) for column in zip(*times, strict=True))
            window = math.ceil(size / 2 / forks) * ((ATTEMPTS - 1) * INTERVAL + SETTLE)
            ratio = (diagnosis - window) / ping
            result = f"{ratio:>27.2f}   {'met' if ratio <= TARGET else 'missed'}"
            yield f"{controller.name:5}{size:>6} {forks:>6} {ping:>7.2f}s {diagnosis:>8.2f}s {window:>6.2f}s {result}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a diagnosis with a ping.")
    parser.add_argument("--quick", action="store_true", help="10 hosts, one run")
    parser.add_argument("--forks", type=int, default=10)
    asked = parser.parse_args()
    sizes, runs = ((10,), 1) if asked.quick else ((10, 50), 3)
    for line in compare(sizes, asked.forks, runs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
