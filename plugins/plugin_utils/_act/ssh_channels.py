# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Handshakes that a host's sshd makes: `ssh -W` with the settings of Ansible's own connection, or the connection that paramiko has.

Each attempt has an OpenSSH connection of its own: over a shared one, OpenSSH does not say why sshd refuses.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from .._bare.channel import Channel, NoChannel
from .._libraries import lacking
from .._values.words import endpoint

MOST_AT_ONCE = 4
"""Of the 10 connections that sshd lets log in at a time (MaxStartups)."""
_MOST_OUTPUT = 1 << 20
_SPARE = 5.0  # seconds for the key exchange and the login, beyond the connection's own timeout

Ask = tuple[str, int, float]
"""Address or name, port, seconds to wait for an answer."""
Answer = tuple[Channel, float, float]
"""The channel, when it was asked for, and the seconds until it was answered."""


def asker(connection: Any) -> Callable[[list[Ask]], list[Answer]]:
    """What asks sshd, by the connection that Ansible has with a host. NoChannel."""
    if connection.transport == "ssh":
        if connection.get_option("password"):
            return _by_paramiko(lambda paramiko: paramiko.logged_in(connection))
        return lambda asks: list(_by_openssh(connection, asks))
    if connection.transport == "paramiko":
        connection._connect()
        return _by_paramiko(lambda _paramiko: connection.ssh)
    raise NoChannel(f"its connection is {connection.transport}, and only an SSH server can connect for us: use ansible.builtin.ssh for it")


def _by_paramiko(client_of: Callable[[Any], Any]) -> Callable[[list[Ask]], list[Answer]]:
    from . import paramiko_channels

    if paramiko_channels.paramiko is None:
        raise NoChannel(lacking("a connection with a password", "paramiko") or "paramiko cannot be imported on the controller")
    client = client_of(paramiko_channels)  # which older versions of paramiko close when nobody has it any more
    return lambda asks: [paramiko_channels.ask(client.get_transport(), *each) for each in asks]


def _by_openssh(connection: Any, asks: list[Ask]) -> Iterator[Answer]:
    """The answers in the order of the questions, a few at a time."""
    for at in range(0, len(asks), MOST_AT_ONCE):
        several: list[_Process] = []
        try:
            with selectors.DefaultSelector() as ready:
                for ask in asks[at : at + MOST_AT_ONCE]:
                    several.append(_Process(connection, *ask))  # one that cannot be started ends those before it, too
                    ready.register(several[-1].stderr, selectors.EVENT_READ, several[-1])
                while any(not process.done() for process in several):
                    for key, _events in ready.select(0.1):
                        if not key.data.read():
                            ready.unregister(key.fileobj)
        finally:
            for process in several:
                process.end()
        yield from ((process.channel, process.started, process.elapsed) for process in several)


class _Process:
    """An OpenSSH client that asks for one channel, and says on its standard error what happens to it."""

    def __init__(self, connection: Any, address: str, port: int, seconds: float) -> None:
        self.channel = Channel()
        self.started, self.elapsed = time.time(), 0.0
        self._seconds = seconds
        self._unread = b""
        self._size = 0
        self._ended = False
        self._asked_at: float | None = None
        self._give_up = time.monotonic() + float(connection.get_option("timeout") or 10) + _SPARE
        self._process = subprocess.Popen(
            _command(connection, endpoint(address, port)),
            stdin=subprocess.PIPE,  # stays open: its end would close the channel
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
        self.stderr: Any = self._process.stderr

    def read(self) -> bool:
        """Read what is there; False at the end."""
        data = os.read(self.stderr.fileno(), 65536)
        self._size += len(data)
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            was_asked, was_answered = self.channel.asked, self.channel.answered
            if not was_answered:
                self.channel.read(line.decode("utf-8", "replace"))
            now = time.monotonic()
            if self.channel.asked and not was_asked:
                self.started, self._asked_at = time.time(), now
                self._give_up = now + self._seconds
            if self.channel.answered and not was_answered:
                self.elapsed = now - (self._asked_at or now)
        self._ended = not data or self._size > _MOST_OUTPUT
        return bool(data)

    def done(self) -> bool:
        if not self._ended and not self.channel.answered and time.monotonic() > self._give_up:
            self.elapsed = self._seconds
            self._ended = True
        return self._ended or self.channel.answered

    def end(self) -> None:
        self._process.kill()
        with suppress(OSError):
            self._process.communicate()


def _command(connection: Any, target: str) -> list[bytes]:
    """Ansible's own command, with what it says of shared connections and of logging overridden: OpenSSH takes the first value."""
    program, *settings = connection._build_command(connection.get_option("ssh_executable"), "ssh", connection.host)
    own = ("ControlPath=none", "ControlMaster=no", "LogLevel=DEBUG2", "BatchMode=yes")
    return [program, *(word for each in own for word in (b"-o", each.encode())), b"-W", target.encode(), *settings]
