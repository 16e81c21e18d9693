# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of the rootless fleet that are reached by SSH, and have no Python: each connection starts an SSH server of its own on the host.

The server is no root there, so that it need not become somebody else, which the user namespaces of the fleet do not allow.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .fleet import Fleet

USER = "operator"
UID = 1000
SERVER = "/usr/sbin/sshd"
DROPBEAR = "/usr/sbin/dropbear"
PASSWORD = f"correct {secrets.token_hex(16)}"  # another one for each run: whoever is on this machine reaches the port of loopback


def without_python(fleet: Fleet, host: str, *options: str, server: str = SERVER, **variables: Any) -> None:
    """Reach a host by SSH from now on, and let its Python be gone. ``options``: of the server, as its configuration or command has them."""
    home = fleet.directory / f"ssh-{host}"
    if not home.exists():
        _keys(home)
    command = shlex.join([*fleet.enter(host), "unshare", "--mount", "sh", "-c", _start(home, server, options)])
    if server == DROPBEAR:  # asks who is at the other end of its socket
        command = shlex.join([sys.executable, "-B", str(Path(__file__).with_name("on_socket.py")), *shlex.split(command)])
    known = home / "known_hosts"
    public = home / ("host_key.pub" if server == SERVER else "dropbear_key.pub")
    known.write_text(f"{host} {public.read_text()}")
    settings = {
        "ansible_connection": "ansible.builtin.ssh",
        "ansible_host": host,
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(home / "key"),
        "ansible_ssh_args": "",
        "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={known} -o IdentitiesOnly=yes -o ProxyCommand={_script(home, command)}",
        "ansible_python_interpreter": "/nonexistent/python3",
        **variables,
    }
    _settings(fleet, host, settings)


@contextmanager
def with_a_password(fleet: Fleet, host: str, server: str = SERVER, **variables: Any) -> Iterator[None]:
    """The same, by a port of loopback and with a password, because paramiko takes no proxy."""
    home = fleet.directory / f"ssh-{host}"
    if not home.exists():
        _keys(home)
    command = [*fleet.enter(host), "unshare", "--mount", "sh", "-c", _start(home, server, ())]

    class Door(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            subprocess.run(command, stdin=self.request, stdout=self.request, check=False)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Door) as doors:
        threading.Thread(target=doors.serve_forever).start()
        settings = {
            "ansible_connection": "ansible.builtin.ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": doors.server_address[1],
            "ansible_user": USER,
            "ansible_password": PASSWORD,
            "ansible_host_key_checking": False,
            "ansible_ssh_args": "",
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={home}/known_to_ssh -o PubkeyAuthentication=no",
            "ansible_python_interpreter": "/nonexistent/python3",
            **variables,
        }
        _settings(fleet, host, settings)
        try:
            yield
        finally:
            doors.shutdown()


def _settings(fleet: Fleet, host: str, settings: dict[str, Any]) -> None:
    file = fleet.inventory.parent / "host_vars" / f"{host}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(settings))


def _keys(home: Any) -> None:
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True)
    (home / ".ssh" / "authorized_keys").write_text((home / "key.pub").read_text())
    if os.access(DROPBEAR, os.X_OK):
        made = ["dropbearkey", "-t", "ed25519", "-f", str(home / "dropbear_key")]
        told = subprocess.run(made, check=True, capture_output=True, text=True).stdout
        (home / "dropbear_key.pub").write_text(next(line for line in told.splitlines() if line.startswith("ssh-")) + "\n")
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, check=True, capture_output=True, text=True
    ).stdout.strip()
    (home / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\n{USER}:{hashed}:{UID}:{UID}::{home}:/bin/sh\n")
    (home / "group").write_text(f"root:x:0:\n{USER}:x:{UID}:\n")


def _script(home: Any, command: str) -> str:
    """A program without arguments: ssh splits those of a ProxyCommand once more."""
    script = home / "connect"
    script.write_text(f"#!/bin/sh\nexec {command}\n")
    script.chmod(0o755)
    return str(script)


def _start(home: Any, server: str, options: Sequence[str]) -> str:
    if server == SERVER:
        configuration = ("UsePAM=no", "StrictModes=no", f"AuthorizedKeysFile={home}/.ssh/authorized_keys", *options)
        told = [word for each in configuration for word in ("-o", each)]
        run = [SERVER, "-i", "-e", "-f", "/dev/null", "-h", str(home / "host_key"), *told]
    else:
        run = [server, "-i", "-r", str(home / "dropbear_key"), *options]
    binds = " && ".join(f"mount --bind {home / name} /etc/{name}" for name in ("passwd", "group"))
    user = ["unshare", "--user", f"--map-user={UID}", f"--map-group={UID}", "--", *run]
    return f"{binds} && exec {shlex.join(user)} 2>>{home / 'server.log'}"


def missing(server: str = SERVER) -> str | None:
    """Why there is no SSH server, or None."""
    return None if os.access(server, os.X_OK) else f"the program {server} is missing"
