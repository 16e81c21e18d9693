# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Our own processes that wait for the deadline. They keep nothing open of the session that started them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
import typing as t

from .base import GuardError

RESTORER, WATCH = "restore.pyz", "watch"
_READY_SECONDS = 20.0


def watch(directory: str, seconds: float, number: int, how: str = "watch") -> None:
    """Start the processes and wait until each of them watches. GuardError with what keeps one from it."""
    deadline = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    ready, report = os.pipe()
    try:
        for _nth in range(number):
            child = os.fork()
            if child == 0:
                _become_watcher(directory, [how, repr(deadline), str(report)], report)
            os.waitpid(child, 0)
        os.close(report)
        report = -1
        heard = _heard(ready, number)
    finally:
        for descriptor in (ready, report):
            if descriptor >= 0:
                os.close(descriptor)
    _watching, failed, sentence = heard.partition(b"!")
    if failed:
        raise GuardError(f"the process that is to restore this host could not: {sentence.decode('utf-8', 'replace')}")
    if len(heard) < number:
        raise GuardError(f"the processes that are to restore this host do not start: {sys.executable} {directory}/{RESTORER}")


def is_watched(directory: str) -> bool:
    """Whether such a process waits."""
    with contextlib.suppress(FileNotFoundError), open(os.path.join(directory, WATCH), "rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _heard(ready: int, number: int) -> bytes:
    """A dot of each process that watches, or a sentence after an exclamation mark."""
    give_up, heard = time.monotonic() + _READY_SECONDS, b""
    while len(heard) < number or b"!" in heard:
        if not select.select([ready], [], [], max(0.0, give_up - time.monotonic()))[0]:
            break
        word = os.read(ready, 4096)
        if not word:
            break
        heard += word
    return heard


def _become_watcher(directory: str, arguments: list[str], report: int) -> t.NoReturn:
    """In a child: leave session and standard streams, and become the restorer, whose parent nobody waits for."""
    try:
        os.setsid()
        if os.fork() == 0:  # not a session leader: it never gets a terminal
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.chdir("/")
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.set_inheritable(report, True)
            restorer = os.path.join(directory, RESTORER)
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "LANGUAGE": "C"}
            os.execve(sys.executable, [sys.executable, "-I", "-B", restorer, *arguments], environment)
    finally:
        os._exit(0)
