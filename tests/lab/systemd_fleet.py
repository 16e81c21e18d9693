# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd fleet: the same hosts, booted for real, reached over SSH. Needs root.

Ansible runs in the fabric and reaches the hosts over a management segment apart from the data segments, so that a broken data path
does not cut it off. Users: `ops` (sudo without a password) and `guest` (no sudo); `-e ansible_user=guest` chooses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ._handle import PATIENCE, FleetError
from ._machines import FABRIC, HERE, Machines, missing_tools
from .systemd_tree import tree
from .topologies import with_hosts

ROLE = HERE.parent.parent / "roles" / "lab" / "files"
sys.path.append(str(ROLE))

from inventory import grouped_inventory  # noqa: E402
from topology import fabric_batch, host_batch, hosts_file, parse  # noqa: E402

TOOLS = Path("/opt/handshake-lab")
BOOT = 60.0  # seconds for all hosts to be up
HOST_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--cgroup", "--pid")
FABRIC_NAMESPACES = ("--mount", "--net", "--pid")


class SystemdFleet(Machines):
    """Hosts that run systemd, journald and sshd. What changes on their disks is forgotten when the fleet ends.

    `reboots` names hosts that keep it until then, so that they may be rebooted. The network of a host, with its addresses, its rules and
    its sysctls, outlives reboots, as that of a container may. `binds` are directories of this machine that all hosts can read at the given
    paths.
    """

    python = "/usr/bin/python3"
    tools = TOOLS

    def __init__(self, topology: Mapping[str, Any], reboots: Collection[str] = (), binds: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._reboots = reboots
        self._binds = binds or {}
        self.topology = topology
        self.hosts = list(topology["hosts"])
        self._scratch = tempfile.TemporaryDirectory(prefix="handshake-fleet-")
        self.directory = Path(self._scratch.name)
        self.inventory = self.directory / "inventory.yml"
        self._keeper: subprocess.Popen[str] | None = None
        self._namespaces: dict[int, str] = {}
        self._pids: dict[str, int] = {}

    @staticmethod
    def missing() -> str | None:
        """Why this machine cannot have a systemd fleet, or None."""
        if os.geteuid() != 0:
            return "the systemd fleet needs root"
        if missing := missing_tools("debootstrap", "systemd-nspawn", "nsenter", "setpriv", "unshare", "ip", "ssh-keygen"):
            return f"the program {missing[0]!r} is missing"
        return None

    def up(self) -> None:
        root = tree()
        bytecode = HERE.parent.parent / "build" / "bytecode"  # what other hosts compiled, for site/sitecustomize.py on these
        bytecode.mkdir(parents=True, exist_ok=True)
        key = self.directory / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        managed = {name: f"192.0.2.{10 + number}" for number, name in enumerate(self.hosts)}
        hosts = parse(_with_management(self.topology, managed))
        wires = fabric_batch(hosts, {name: name for name in self.hosts})
        self._start({
            "name": self.directory.name,
            "directory": str(self.directory),
            "tree": str(root),
            "binds": {str(HERE): str(TOOLS), str(bytecode): "/build/bytecode", f"{key}.pub": "/etc/ssh/fleet_key.pub", **self._binds},
            "fabric": wires + "address add 192.0.2.1/24 dev management\nlink set lo up\n",
            "hosts": {host.name: {"batch": host_batch(host), "reboots": host.name in self._reboots} for host in hosts},
        })  # fmt: skip
        names = hosts_file(parse(self.topology))
        for host in hosts:
            self._await(f"{host.name} has booted", partial(self._has_booted, host.name), BOOT)
            self.write(host.name, "/etc/hosts", names)
            for name, value in host.sysctls.items():
                self.sysctl(host.name, name, value)
            for port in host.listen:
                self.service(host.name, f"tcp-{port}", port)
        self._write_inventory(managed, key, root)

    def _start(self, order: Mapping[str, Any]) -> None:
        pipe = subprocess.PIPE
        argv = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private", "--"]
        holder = [sys.executable, "-B", str(HERE / "systemd_holder.py")]
        self._keeper = subprocess.Popen([*argv, *holder], stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        assert self._keeper.stdin and self._keeper.stdout and self._keeper.stderr
        self._keeper.stdin.write(json.dumps(order) + "\n")
        self._keeper.stdin.flush()
        line = self._keeper.stdout.readline()
        if not line:
            raise FleetError(f"The hosts cannot be started: {self._keeper.stderr.read().strip()}")
        keeper = self._keeper.pid
        self._pids[FABRIC] = int(Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0])
        self._namespaces = {inode: name for name, inode in json.loads(line).items()}
        self._await_inits(self._namespaces)

    def _await_inits(self, namespaces: Mapping[int, str]) -> None:
        """Find each host's systemd: process 1 of its process namespace, in the host's network namespace."""
        give_up = time.monotonic() + BOOT
        while len(self._pids) <= len(namespaces):
            if time.monotonic() > give_up:
                absent = sorted(set(self.hosts) - set(self._pids))[0]
                raise FleetError(f"{absent} did not boot: {(self.directory / f'{absent}.log').read_text()[-1000:]}")
            for directory in Path("/proc").glob("[0-9]*"):
                try:
                    name = namespaces.get((directory / "ns/net").stat().st_ino)
                    if name and (directory / "status").read_text().partition("\nNSpid:")[2].splitlines()[0].split()[2:] == ["1"]:
                        self._pids[name] = int(directory.name)
                except OSError:  # ended meanwhile, or none of our business
                    continue
            time.sleep(0.02)

    def _has_booted(self, host: str) -> bool:
        return self.run(host, ["systemctl", "is-system-running"], check=False).stdout.strip() in ("running", "degraded")

    def _await(self, what: str, is_so: Callable[[], bool], patience: float = 4 * PATIENCE) -> None:
        give_up = time.monotonic() + patience
        while not is_so():
            if time.monotonic() > give_up:
                raise FleetError(f"It is not so after {patience:.0f} s that {what}.")
            time.sleep(0.05)

    def _write_inventory(self, managed: Mapping[str, str], key: Path, root: Path) -> None:
        host_key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
        known = self.directory / "known_hosts"
        known.write_text("".join(f"{address} {host_key}" for address in managed.values()))
        common = {
            "ansible_connection": "ansible.builtin.ssh",
            "ansible_user": "ops",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o IdentitiesOnly=yes -F none",
            "ansible_python_interpreter": self.python,
            "ansible_pipelining": True,
        }
        reach = {name: {"ansible_host": address} for name, address in managed.items()}
        self.inventory.write_text(grouped_inventory(parse(self.topology), common, reach))

    def reboot(self, host: str, *how: str) -> None:
        """Reboot one of the hosts that may be, as `systemctl reboot *how` does (`--force` twice: at once), and wait for it."""
        before = self._pids[host]
        self.run(host, ["systemctl", "reboot", *how], check=False)  # it may be gone before it has ended
        self._await(f"{host} has gone down", lambda: not Path(f"/proc/{before}").exists(), BOOT)
        del self._pids[host]
        self._await_inits(self._namespaces)
        self._await(f"{host} has booted", partial(self._has_booted, host), BOOT)

    def down(self) -> None:
        if self._keeper is not None:
            self._keeper.communicate(timeout=PATIENCE)
        self._scratch.cleanup()

    def enter(self, host: str) -> list[str]:
        namespaces = FABRIC_NAMESPACES if host == FABRIC else HOST_NAMESPACES
        return ["nsenter", f"--target={self._pids[host]}", *namespaces, "--", "setpriv", "--pdeathsig=KILL", "--"]

    def controller(self) -> list[str]:
        return [*self.enter(FABRIC), "env", f"--chdir={self.directory}"]

    def environment(self) -> dict[str, str]:
        # Connections of another fleet, whose hosts have the same addresses, must not be taken for ours.
        return {**super().environment(), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.directory / "cp")}

    def service(self, host: str, name: str, port: int, **fields: str) -> None:
        """Start NAME.service, which accepts TCP on `port` on every address; `fields` go into its section [Service]."""
        unit = {"ExecStart": f"{self.python} -B {TOOLS}/serve.py :: {port}", **fields}
        lines = "\n".join(f"{field}={value}" for field, value in unit.items())
        self.write(host, f"/etc/systemd/system/{name}.service", f"[Unit]\nDescription=A service of the fleet\n\n[Service]\n{lines}\n")
        self.run(host, ["systemctl", "daemon-reload"])
        self.run(host, ["systemctl", "restart", f"{name}.service"])
        self._await(f"{name} on {host} listens on {port}", lambda: bool(self.run(host, ["ss", "-Hltn", f"sport = :{port}"]).stdout))


def _with_management(topology: Mapping[str, Any], managed: Mapping[str, str]) -> dict[str, Any]:
    interfaces = {
        name: {"interfaces": {**topology["hosts"][name]["interfaces"], "mgmt0": {"segment": "management", "addresses": [f"{address}/24"]}}}
        for name, address in managed.items()
    }
    return with_hosts(dict(topology), **interfaces)
