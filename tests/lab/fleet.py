# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rootless fleet: hosts are network namespaces that vanish with the test.

with Fleet() as fleet:                              # web1, web2 -- r1 -- db1, db2, app1
    fleet.listen("db1", "10.0.2.21", 5432)
    assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"
    fleet.playbook("threeway.handshake.diagnose", "-e", "handshake_client=web1", ...)
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._handle import PATIENCE, FleetError, Handle
from ._machines import FABRIC, HERE, Done, Machines, missing_tools
from .playbooks import Playbooks
from .topologies import default

__all__ = ["FABRIC", "Fleet", "FleetError", "Handle"]

LAB = HERE.parent.parent / "roles" / "lab" / "files" / "lab.py"
NAMESPACES = ("--user", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--pid")
AS_ROOT = ("setpriv", "--reuid=0", "--regid=0", "--keep-groups", "--pdeathsig=KILL", "--")

PLAYBOOKS = Playbooks()  # of all rootless fleets of a process of tests

PUT_BACK = "import sys; sys.stdin.read(); open(sys.argv[1], 'w').write(sys.argv[2])"


class Fleet(Machines):
    """A lab of the role `lab` that is tied to this process: however this process ends, the lab does."""

    def __init__(self, topology: Mapping[str, Any] | None = None, python: str = sys.executable) -> None:
        super().__init__()
        self.topology = default() if topology is None else topology
        self.hosts = list(self.topology["hosts"])
        self.python = python
        self._scratch = tempfile.TemporaryDirectory(prefix="handshake-fleet-")
        self.directory = Path(self._scratch.name)
        self.inventory = self.directory / "lab" / "inventory.yml"
        self._keeper: subprocess.Popen[str] | None = None
        self._pids: dict[str, int] = {}
        self._interpreters: dict[str, str] = {}

    @staticmethod
    def missing() -> str | None:
        """Why this machine cannot have a rootless fleet, or None."""
        if missing := missing_tools("nsenter", "setpriv", "ip", "unshare"):
            return f"the program {missing[0]!r} is missing"
        tried = subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True, text=True, check=False)
        return None if tried.returncode == 0 else f"no unprivileged user namespaces here: {tried.stderr.strip()}"

    def up(self) -> None:
        pipe = subprocess.PIPE
        argv = [sys.executable, "-B", str(LAB), "hold", f"--directory={self.directory / 'lab'}", f"--python={self.python}"]
        # A session of its own: an interrupt at the keyboard is for the tests, whose end then ends the lab.
        self._keeper = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        assert self._keeper.stdin and self._keeper.stdout and self._keeper.stderr
        self._keeper.stdin.write(json.dumps(self.topology) + "\n")
        self._keeper.stdin.flush()
        line = self._keeper.stdout.readline()
        if not line:
            raise FleetError(self._keeper.stderr.read().strip())
        state = json.loads(line)
        self._pids = {FABRIC: state["holder"]["pid"], **{name: process["pid"] for name, process in state["hosts"].items()}}

    def down(self) -> None:
        if self._keeper is not None:
            self._keeper.communicate(timeout=PATIENCE)
        self._scratch.cleanup()

    def power_off(self, host: str) -> None:
        """Take a host away, with all that runs on it and the ends of its wires.

        The kernel removes the interfaces of a namespace some time after its last process, and answers packets until then.
        """
        wires = [f"{host}.{name}" for name in self.topology["hosts"][host]["interfaces"]]
        self.run(FABRIC, ["ip", "-batch", "-"], input="".join(f"link delete {wire}\n" for wire in wires))
        os.kill(self._pids[host], signal.SIGKILL)

    def enter(self, host: str) -> list[str]:
        return ["nsenter", "--preserve-credentials", f"--target={self._pids[host]}", *NAMESPACES, "--", *AS_ROOT]

    def playbooks(self) -> Playbooks:
        return PLAYBOOKS

    def interpreter(self, host: str) -> str:
        return self._interpreters.get(host, self.python)

    def confine(self, host: str, *how: str) -> None:
        """Have all that Ansible and tests start on a host from now on run within limits; `how`: the options of confined.py."""
        script = self.directory / f"{host}-python"
        script.write_text(f'#!/bin/sh\nexec {shlex.join([self.python, "-B", str(HERE / "confined.py"), *how, "--", self.python])} "$@"\n')
        script.chmod(0o755)
        variables = self.inventory.parent / "host_vars" / f"{host}.json"
        variables.parent.mkdir(exist_ok=True)
        variables.write_text(json.dumps({"ansible_python_interpreter": str(script)}))
        self._interpreters[host] = str(script)

    # What only root in the first namespaces may do

    def with_privileges(self, host: str, argv: Sequence[str]) -> Done:
        """Run a program as root of the machine, in a host's network namespace."""
        enter = ["nsenter", f"--target={self._pids[host]}", "--net", "--"]
        return subprocess.run([*enter, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=True)

    def limit_machine(self, key: str, value: int) -> None:
        """Set a sysctl of the whole machine until the fleet, or this process, ends: for tests that run alone."""
        path = Path("/proc/sys", key.replace(".", "/"))
        argv = [sys.executable, "-c", PUT_BACK, str(path), path.read_text()]
        keeper = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)
        self.afterwards.callback(_put_back, keeper, path)
        path.write_text(str(value))


def _put_back(keeper: subprocess.Popen[bytes], path: Path) -> None:
    keeper.communicate(timeout=PATIENCE)
    if keeper.returncode != 0:
        raise FleetError(f"{path} of this machine could not be put back: it is {path.read_text().strip()}")
