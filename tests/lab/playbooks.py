# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks that are run to their end by a process that has imported Ansible already (ansible_server.py)."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO

from ._handle import PATIENCE, FleetError

Done = subprocess.CompletedProcess[str]
_CREDENTIALS = struct.Struct("=iII")  # pid, uid, gid of struct ucred, unix(7)
_SERVER = Path(__file__).with_name("ansible_server.py")


class Run:
    """An ansible-playbook that was started. `pid` is its process id, as seen from here, and that of a process group of its own."""

    def __init__(self, answer: socket.socket) -> None:
        self._answer = answer
        hello, credentials, _flags, _address = answer.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size))
        if not hello:
            raise FleetError(f"{_SERVER.name} could not be started, or has ended.")
        self.pid, _uid, _gid = _CREDENTIALS.unpack(credentials[0][2])
        self._process: int | None = None
        with suppress(ProcessLookupError):  # it has ended already
            self._process = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        """Its exit code, -SIGKILL where it left none; None as long as it runs."""
        with suppress(TimeoutError):
            return self.wait(0)
        return None

    def wait(self, patience: float) -> int:
        """Wait for its exit code at most so many seconds, or raise TimeoutError."""
        if self._process is not None:
            if not select.select([self._process], [], [], patience)[0]:
                raise TimeoutError
            os.close(self._process)
            self._process = None
        return self._code

    @cached_property
    def _code(self) -> int:
        with self._answer, suppress(BlockingIOError):  # its workers may be there still
            return int(self._answer.recv(16, socket.MSG_DONTWAIT) or -signal.SIGKILL)
        return -signal.SIGKILL

    def kill(self) -> None:
        """With all in its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class Playbooks:
    """Starts a server when it is first asked, and another one for other settings of Ansible in the environment, which Ansible reads when it
    is imported. They end with this process at the latest. Threads may ask at the same time.

    `prefix`: what to put in front of a server's command so that it reaches the hosts.
    """

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self._prefix = list(prefix)
        self._servers: dict[frozenset[tuple[str, str]], tuple[subprocess.Popen[bytes], socket.socket]] = {}
        self._starting = threading.Lock()

    def start(self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], output: IO[str], errors: IO[str]) -> Run:
        """Start ansible-playbook with these arguments in that directory."""
        order = {"arguments": list(arguments), "directory": str(directory), "environment": dict(environment)}
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # the kernel says who answers, also out of another process namespace
        with theirs, tempfile.TemporaryFile("w+") as request:
            json.dump(order, request)
            request.seek(0)
            descriptors = [file.fileno() for file in (request, output, errors, theirs)]
            socket.send_fds(self._requests(environment), [b"\n"], descriptors)
        return Run(ours)

    def run(self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], timeout: float) -> Done:
        """As subprocess.run() of the same; FleetError where it does not end in time."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            run = self.start(arguments, directory, environment, output, errors)
            try:
                code = run.wait(timeout)
            except TimeoutError:
                run.kill()
                raise FleetError(f"ansible-playbook {' '.join(arguments)} did not end within {timeout:.0f} s.") from None
            output.seek(0)
            errors.seek(0)
            return Done(["ansible-playbook", *arguments], code, output.read(), errors.read())

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
