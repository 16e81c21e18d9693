# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks that are run to their end by a process that has imported Ansible already (ansible_server.py)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from ._handle import PATIENCE, FleetError

Done = subprocess.CompletedProcess[str]
_SERVER = Path(__file__).with_name("ansible_server.py")


class Playbooks:
    """Starts a server when it is first asked, and another one for other settings of Ansible in the environment, which Ansible reads when it
    is imported. They end with this process at the latest. Threads may ask at the same time.

    `prefix`: what to put in front of a server's command so that it reaches the hosts.
    """

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self._prefix = list(prefix)
        self._servers: dict[frozenset[tuple[str, str]], tuple[subprocess.Popen[bytes], socket.socket]] = {}
        self._starting = threading.Lock()

    def run(self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], timeout: float) -> Done:
        """As subprocess.run() of ansible-playbook with these arguments in that directory; FleetError where it does not end in time."""
        order = {"arguments": list(arguments), "directory": str(directory), "environment": dict(environment), "timeout": timeout}
        with ExitStack() as files:
            request, output, errors = (files.enter_context(tempfile.TemporaryFile("w+")) for _each in range(3))
            json.dump(order, request)
            request.seek(0)
            reader, writer = os.pipe()
            answer = files.enter_context(open(reader, "rb"))
            with open(writer, "wb"):
                socket.send_fds(self._requests(environment), [b"\n"], [request.fileno(), output.fileno(), errors.fileno(), writer])
            code = answer.read()
            output.seek(0)
            errors.seek(0)
            said = output.read(), errors.read()
        if not code:
            raise FleetError(f"ansible-playbook {' '.join(arguments)} did not end within {timeout:.0f} s:\n{''.join(said)}")
        return Done(["ansible-playbook", *arguments], int(code), *said)

    def _requests(self, environment: Mapping[str, str]) -> socket.socket:
        settings = frozenset(each for each in environment.items() if each[0].startswith("ANSIBLE_"))
        with self._starting:
            if settings not in self._servers:
                ours, theirs = socket.socketpair()
                with theirs:
                    command = [*self._prefix, sys.executable, "-B", str(_SERVER)]
                    server = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL, env=dict(environment))
                self._servers[settings] = server, ours
            return self._servers[settings][1]

    def close(self) -> None:
        """End the servers; a next run starts them again."""
        while self._servers:
            _settings, (server, requests) = self._servers.popitem()
            requests.close()
            server.wait(PATIENCE)
