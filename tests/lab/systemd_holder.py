# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Process 1 of the namespaces that hold a fleet of systemd hosts: wires them, boots them, and ends them when standard input ends.

Reads one line of JSON, an order as systemd_fleet.py writes it, and answers with one: `{"host": inode of its network namespace}`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

NSPAWN = [
    "systemd-nspawn",
    "--quiet",
    "--boot",
    "--register=no",
    "--keep-unit",
    "--link-journal=no",
    "--resolv-conf=off",
    "--capability=all",
    "--system-call-filter=bpf perf_event_open",
    "--bind=/sys/kernel/tracing",
]
AS_LONG_AS_IT_REBOOTS = 'while "$@"; [ $? = 133 ]; do :; done'  # systemd-nspawn leaves it to others to start it again


def main() -> None:
    order = json.loads(sys.stdin.readline())
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for name in order["hosts"]:
        subprocess.run(["ip", "netns", "add", name], check=True)
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")  # switches have nothing to say themselves
    batch(order["fabric"])
    cgroups = []
    for name, host in order["hosts"].items():
        batch(host["batch"], "-netns", name)
        cgroups += boot(order, name, host)
    print(json.dumps({name: Path("/run/netns", name).stat().st_ino for name in order["hosts"]}), flush=True)
    try:
        sys.stdin.read()
    finally:
        end(cgroups)


def batch(lines: str, *where: str) -> None:
    subprocess.run(["ip", *where, "-batch", "-"], input=lines, text=True, check=True)


def boot(order: dict[str, Any], name: str, host: dict[str, Any]) -> list[Path]:
    """Boot a host in control groups of its own, which are returned: two systemds in one would end each other's services."""
    cgroups = [directory / f"{order['name']}-{name}" for directory in own_cgroups()]
    for cgroup in cgroups:
        cgroup.mkdir()

    def join() -> None:
        for cgroup in cgroups:
            (cgroup / "cgroup.procs").write_text("0")

    log = (Path(order["directory"]) / f"{name}.log").open("w")
    disk = [f"--directory={own_disk(order, name)}"] if host["reboots"] else [f"--directory={order['tree']}", "--volatile=overlay"]
    where = [*disk, f"--machine={name}", f"--network-namespace-path=/run/netns/{name}"]
    binds = [f"--bind-ro={source}:{target}" for source, target in order["binds"].items()]
    subprocess.Popen(
        ["sh", "-c", AS_LONG_AS_IT_REBOOTS, "sh", "unshare", "--mount", *NSPAWN, *where, *binds],
        env={**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        preexec_fn=join,
    )
    return cgroups


def own_disk(order: dict[str, Any], name: str) -> Path:
    """What the host changes in the tree stays here until the fleet ends, reboots or not."""
    place = Path("/run", f"disk-{name}")
    for directory in (place / "changes", place / "work", place / "root"):
        directory.mkdir(parents=True)
    layers = f"lowerdir={order['tree']},upperdir={place}/changes,workdir={place}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, place / "root"], check=True)
    return place / "root"


def own_cgroups() -> list[Path]:
    """Our directories in the hierarchies that systemd manages (cgroups(7)): the unified one, and name=systemd of old."""
    places = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _dash, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            places[""] = Path(fields.split()[4])
        elif kind.startswith("cgroup ") and "name=systemd" in kind:
            places["name=systemd"] = Path(fields.split()[4])
    ours = (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines())
    return [places[controllers] / path.lstrip("/") for _number, controllers, path in ours if controllers in places]


def end(cgroups: list[Path]) -> None:
    os.kill(-1, signal.SIGKILL)  # everything in this process namespace but ourselves
    with suppress(ChildProcessError):
        while True:
            os.wait()
    for cgroup in cgroups:
        for directory, _directories, _files in os.walk(cgroup, topdown=False):
            os.rmdir(directory)


main()
