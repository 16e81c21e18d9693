# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Resolve names as another user, in a child process: the C library reads its files once for a process, with the user's permissions.

What root can resolve, a user cannot where the resolver's files are closed to it.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import time
import typing as t
from dataclasses import replace

from .._host import hosts_file, nsswitch, resolv_conf
from .identity import Identity
from .resolve import Dial, Resolved, resolve

_FILES = (resolv_conf.CONFIGURATION, hosts_file.HOSTS, nsswitch.CONFIGURATION)
_CLOSED = (errno.EACCES, errno.EPERM)


class Asked(t.NamedTuple):
    """A child that resolves dials, and whence its answer comes."""

    pid: int
    reader: int
    dials: list[Dial]


def begin(user: Identity, dials: list[Dial], limit: float) -> Asked:
    """Start it; it ends by itself after `limit` seconds."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, limit + 1.0)
            _answer(writer, user, dials, limit)
        finally:
            os._exit(0)
    os.close(writer)
    return Asked(pid, reader, dials)


def collect(asked: Asked, deadline: float) -> list[Resolved] | None:
    """An answer for each dial; None where there is none until then. A child that could not ask is an error of the system."""
    said, ended = b"", False
    try:
        while not ended and select.select([asked.reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
            more = os.read(asked.reader, 65536)
            ended = not more
            said += more
    finally:
        os.close(asked.reader)
        os.kill(asked.pid, signal.SIGKILL)  # not waited for yet, its number is nobody else's
        os.waitpid(asked.pid, 0)
    try:
        answers = json.loads(said)
    except ValueError:
        failed = "no process could ask for it as the flow's user"
        return [Resolved(dial, error="EAI_SYSTEM", message=failed) for dial in asked.dials] if ended else None
    return [_resolved(dial, answer) for dial, answer in zip(asked.dials, answers)]


def _answer(writer: int, user: Identity, dials: list[Dial], limit: float) -> None:
    os.setgroups(user.groups)
    os.setgid(user.gid)
    os.setuid(user.uid)
    closed = [path for path in _FILES if _is_closed(path)]
    found = resolve([replace(dial, identity=None) for dial in dials], limit=limit)
    records = [{**each.record(), "targets": each.targets, "unreadable": closed} for each in found]
    with os.fdopen(writer, "w", encoding="utf-8") as file:
        json.dump(records, file)


def _is_closed(path: str) -> bool:
    """Whether this user may not read a file that may be there."""
    try:
        with open(path, "rb"):
            return False
    except OSError as error:
        return error.errno in _CLOSED


def _resolved(dial: Dial, answer: dict[str, t.Any]) -> Resolved:
    targets = [(family, tuple(sockaddr)) for family, sockaddr in answer["targets"]]
    kept = {name: answer[name] for name in ("error", "message", "elapsed_ms", "hosts", "unreadable")}
    return Resolved(dial, targets, **kept)
