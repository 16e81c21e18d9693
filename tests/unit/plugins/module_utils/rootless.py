# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network of a test's own: user, network, mount and pid namespaces that any user may make and that end with the test."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

_COLLECTIONS = Path(__file__).parents[4] / "build" / "collections"
_UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
_LIBRARY = "ansible_collections.threeway.handshake.plugins.module_utils."


class Rootless:
    """Commands and functions of module_utils run as root of the namespaces."""

    def __init__(self) -> None:
        script = "ip link set lo up; mount -t tmpfs none /run; mkdir /run/netns; echo ready; exec sleep 600"
        self._init = subprocess.Popen([*_UNSHARE, "sh", "-c", script], stdout=subprocess.PIPE, text=True)
        assert self._init.stdout is not None and self._init.stdout.readline() == "ready\n"
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text(encoding="ascii").split()
        self._enter = f"nsenter --target {children[0]} --user --net --mount --pid --setuid 0 --setgid 0".split()

    def __enter__(self) -> Rootless:
        return self

    def __exit__(self, *exception: object) -> None:
        self._init.kill()
        self._init.wait()
        if self._init.stdout:
            self._init.stdout.close()

    def sh(self, script: str, check: bool = True) -> str:
        """What a shell script printed."""
        done = subprocess.run([*self._enter, "sh", "-ec", script], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 or not check, f"{script}\n{done.stderr}"
        return done.stdout if done.returncode == 0 else done.stderr

    def send(self, address: str, count: int = 1, size: int = 8) -> None:
        """Send UDP datagrams to the discard port of an IPv4 address; whether anybody receives them does not matter."""
        code = (
            "import socket\n"
            "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:\n"
            f"    for _datagram in range({count}): sender.sendto(bytes({size}), ({address!r}, 9))"
        )
        subprocess.run([*self._enter, sys.executable, "-c", code], capture_output=True, timeout=60, check=True)

    def python(self, modules: str, expression: str, *prefix: str) -> t.Any:
        """The value of an expression over modules of module_utils ("_host.links, _wire.netlink": each is known by its last name there),
        carried as JSON; `prefix`: a command that runs it."""
        imports = ["from {}{} import {}".format(_LIBRARY, *module.rsplit(".", 1)) for module in modules.split(", ")]
        code = "\n".join(["import json, sys", *imports, f"print(json.dumps({expression}))"])
        command = [*self._enter, *prefix, sys.executable, "-c", code]
        environment = {"PYTHONPATH": str(_COLLECTIONS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
