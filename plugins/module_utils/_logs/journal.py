# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The journal, asked with journalctl for a time, units and programs."""

from __future__ import annotations

import json
import os
import selectors
import subprocess  # run_command of AnsibleModule bounds neither the time nor the size of what a command says
import time
import typing as t

from .._errors import ObserveError
from .line import KERNEL, LONGEST, Line, Lines

DIRECTORIES = ("/var/log/journal", "/run/log/journal")
MOST_LINES, MOST_BYTES, MOST_SECONDS = 5000, 8 * 1024 * 1024, 5.0
_FIELDS = "MESSAGE,PRIORITY,MESSAGE_ID,UNIT,SYSLOG_FACILITY,_PID,_COMM,_SYSTEMD_UNIT,_TRANSPORT"
_COMMAND = ("journalctl", "--output=json", f"--output-fields={_FIELDS}", f"--lines={MOST_LINES}", "--no-pager", "--quiet")
_COMMS = ("keepalived", "sshd", "sshd-session", "systemd-network", "NetworkManager", "ulogd")


def exists() -> bool:
    return any(map(_has_content, DIRECTORIES))


def _has_content(directory: str) -> bool:
    try:
        return bool(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # it is there, and this user may not list it
        return True


def lines(since: float, until: float, units: t.Iterable[str], pids: t.Iterable[int], kernel: bool) -> Lines:
    """Lines of these units and processes, of programs that have to do with handshakes, and of systemd about these units.

    `kernel`: those of the kernel, too. Raises ObserveError.
    """
    wanted = [f"_COMM={comm}" for comm in _COMMS] + ["_TRANSPORT=audit"] + (["_TRANSPORT=kernel"] if kernel else [])
    for unit in units:
        wanted += [f"_SYSTEMD_UNIT={unit}", f"UNIT={unit}"]
    wanted += [f"_PID={pid}" for pid in pids]
    matches = [part for match in wanted for part in ("+", match)][1:]
    output = _run([*_COMMAND, f"--since=@{int(since)}", f"--until=@{int(until) + 1}", *matches])
    entries = output.splitlines()
    found = [line for line in map(parse, entries) if line and since <= line.time <= until]
    if len(output) >= MOST_BYTES:
        return Lines(found, f"the journal: only the first {MOST_BYTES} bytes of this time are read")
    return Lines(found, f"the journal: only the last {MOST_LINES} entries of this time are read" if len(entries) >= MOST_LINES else None)


def parse(text: bytes) -> Line | None:
    """One entry (systemd.journal-fields(7)): fields that begin with an underscore are the journal's own, and no program can set them."""
    try:
        entry = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    stamp, message = _digits(entry, "__REALTIME_TIMESTAMP"), _message(entry.get("MESSAGE"))
    if stamp is None or message is None:
        return None
    transport, unit = entry.get("_TRANSPORT"), _text(entry, "_SYSTEMD_UNIT")
    priority = _digits(entry, "PRIORITY")
    urgent = priority is not None and priority <= 3
    if transport == "kernel":
        own = _digits(entry, "SYSLOG_FACILITY") == 0  # programs that write to /dev/kmsg are given another one
        return Line(stamp / 1e6, "journal", own, KERNEL, message, urgent=urgent) if own else None
    return Line(
        stamp / 1e6,
        "journal",
        transport == "audit" or (unit is not None and not unit.startswith(("session-", "user@"))),
        "audit" if transport == "audit" else _text(entry, "_COMM"),
        message,
        pid=_digits(entry, "_PID"),
        unit=unit,
        urgent=urgent,
        subject=_text(entry, "UNIT") if _digits(entry, "_PID") == 1 else None,
        event=_text(entry, "MESSAGE_ID"),
    )


def _text(entry: t.Mapping[str, t.Any], name: str) -> str | None:
    value = entry.get(name)
    return value[:200] if isinstance(value, str) else None


def _digits(entry: t.Mapping[str, t.Any], name: str) -> int | None:
    value = entry.get(name)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else None


def _message(value: object) -> str | None:
    """A text, or a list of its bytes where it is not printable; null where it is longer than journalctl shows."""
    if isinstance(value, str):
        return value[:LONGEST]
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value[:LONGEST]):
        return bytes(value[:LONGEST]).decode("utf-8", "replace")
    return None


def _run(command: list[str]) -> bytes:
    """What a command says, up to a number of bytes and within a time. Raises ObserveError."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function,useless-suppression
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
    except (OSError, ValueError) as error:  # ValueError: a unit with a NUL
        raise ObserveError(f"{command[0]} cannot be run: {getattr(error, 'strerror', None) or error}") from error
    deadline, output, full = time.monotonic() + MOST_SECONDS, b"", False
    with process, selectors.DefaultSelector() as selector:
        pipe = t.cast(t.IO[bytes], process.stdout)
        selector.register(pipe, selectors.EVENT_READ)
        while len(output) < MOST_BYTES:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                process.kill()
                raise ObserveError(f"{command[0]} did not end within {MOST_SECONDS:.0f} s")
            part = os.read(pipe.fileno(), 65536)
            if not part:
                break
            output += part
        else:
            full = True
            process.kill()
    if process.returncode not in (0, 1) and not full:  # 1: there is nothing
        raise ObserveError(f"{command[0]} failed: exit status {process.returncode}")
    return output
