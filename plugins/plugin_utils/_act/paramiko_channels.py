# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Ask an sshd for a connection over a transport that paramiko has. What sshd said is only in paramiko's log, so that is read."""

from __future__ import annotations

import importlib
import logging
import re
import time
from typing import Any

from .._bare.channel import CONNECT_FAILED, PROHIBITED, Channel, NoChannel

try:
    paramiko: Any = importlib.import_module("paramiko")
except ImportError:
    paramiko = None  # the controller need not have it

_SAID = re.compile(r"^Secsh channel \d+ open FAILED: (.*): [^:]*$", re.DOTALL)
_REASONS = {1: PROHIBITED, 2: CONNECT_FAILED, 3: "unknown channel type", 4: "resource shortage"}


class _Words(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.said = ""

    def emit(self, record: logging.LogRecord) -> None:
        if match := _SAID.match(record.getMessage()):
            self.said = match[1]


def logged_in(connection: Any) -> Any:
    """A client with the settings of an OpenSSH connection with a password. NoChannel."""
    if "Proxy" in " ".join(str(connection.get_option(name) or "") for name in ("ssh_args", "ssh_common_args", "ssh_extra_args")):
        raise NoChannel("its connection has both a password and a proxy: use a key for it")
    client = paramiko.SSHClient()
    client.load_system_host_keys()
    checked = connection.get_option("host_key_checking") is not False
    client.set_missing_host_key_policy(paramiko.RejectPolicy() if checked else paramiko.WarningPolicy())
    try:
        client.connect(
            connection.host,
            port=int(connection.get_option("port") or 22),
            username=connection.get_option("remote_user"),
            password=connection.get_option("password"),
            key_filename=connection.get_option("private_key_file"),
            timeout=float(connection.get_option("timeout") or 10),
        )
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise NoChannel(f"paramiko could not log in: {error}") from error
    return client


def ask(transport: Any, address: str, port: int, seconds: float) -> tuple[Channel, float, float]:
    """The channel, when it was asked for, and the seconds until it was answered."""
    channel, words = Channel(asked=True), _Words()
    log = logging.getLogger(transport.get_log_channel())
    level, propagates = log.level, log.propagate
    log.addHandler(words)
    log.setLevel(logging.INFO)
    log.propagate = False
    started, begun = time.time(), time.monotonic()
    try:
        transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=seconds).close()
        channel.opened = True
    except paramiko.ChannelException as error:
        channel.refusal, channel.answer = _REASONS.get(error.code, "unknown reason"), words.said
    except paramiko.SSHException as error:  # a timeout, or the end of the connection
        channel.asked = transport.is_active()
        channel.last = str(error)
    finally:
        log.removeHandler(words)
        log.setLevel(level)
        log.propagate = propagates
    return channel, started, time.monotonic() - begun
