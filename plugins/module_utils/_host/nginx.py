# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What nginx logged about the servers behind it while handshakes were tried: it has no other word for them (ngx_stream_proxy_module)."""

from __future__ import annotations

import os
import re
import stat
import time
import typing as t

from .._wire.addresses import canonical

PROGRAM = "nginx"
WINDOW = 30.0  # seconds, as a try takes at most but for names
MOST_FILES, MOST_BYTES, MOST_SERVERS = 8, 256 * 1024, 50

Record = t.Dict[str, t.Any]

_LINE = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) \[error\] (\d{1,7})#\d+: (?:\*\d+ )?")
_FAILED = re.compile(
    r"(?:connect\(\) failed|upstream timed out) \((\d{1,3}): ([^)]{1,80})\) while connecting to upstream,"
    r" client: ([0-9A-Fa-f:.]{2,60}),.{0,300}? upstream: \"(?:\w{1,10}://)?([0-9A-Fa-f:.\[\]]{2,60}):(\d{1,5})[/\"]"
)


def read(listeners: t.Sequence[Record]) -> tuple[list[Record], list[dict[str, str]]]:
    """The servers to which each nginx that owns one of the listeners could not connect of late, for each client, and why some log could
    not be read. ``pids``: the process that logged it, or those that have the log, where it has another number in its container."""
    pids = {process["pid"] for each in listeners for process in each["processes"] or () if process["name"] == PROGRAM}
    found: dict[tuple[str, int, str], Record] = {}
    absent: list[dict[str, str]] = []
    since = time.time() - WINDOW
    for pid in sorted(pids):
        try:
            for content in _logs(pid):
                for each in failures(content, since):
                    by = [each["by"]] if each["by"] in pids else [pid]
                    key = each["address"], each["port"], each["client"]
                    before = found.pop(key, each).get("pids", [])
                    found[key] = {**each, "pids": sorted({*before, *by})}
                    del found[key]["by"]
        except OSError as error:
            absent.append({"what": "balancers", "why": f"the logs of {PROGRAM} (pid {pid}): {error}"})
    return list(found.values())[:MOST_SERVERS], absent


def _logs(pid: int) -> t.Iterator[str]:
    """The ends of the files that a process has open to append to them: those that hold no errors match no line."""
    directory = f"/proc/{pid}/fd"
    seen: set[tuple[int, int]] = set()
    for name in sorted(os.listdir(directory), key=int):
        path = f"{directory}/{name}"
        try:
            about = os.stat(path)
            if not stat.S_ISREG(about.st_mode) or (about.st_dev, about.st_ino) in seen or not _appends(pid, name):
                continue
            seen.add((about.st_dev, about.st_ino))
            with open(path, "rb") as file:
                yield os.pread(file.fileno(), MOST_BYTES, max(0, about.st_size - MOST_BYTES)).decode("utf-8", "replace")
        except FileNotFoundError:
            continue
        if len(seen) >= MOST_FILES:
            return


def _appends(pid: int, descriptor: str) -> bool:
    """By proc_pid_fdinfo(5)."""
    with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="ascii", errors="replace") as file:
        flags = next((int(line.split()[1], 8) for line in file if line.startswith("flags:")), 0)
    return bool(flags & os.O_APPEND)


def failures(content: str, since: float) -> t.Iterator[Record]:
    """A server for each line of a log that is not older."""
    for line in content.splitlines():
        stamped = _LINE.match(line)
        failed = _FAILED.match(line, stamped.end()) if stamped else None
        if stamped is None or failed is None:
            continue
        year, month, day, hour, minute, second, by = map(int, stamped.groups())
        try:
            if time.mktime((year, month, day, hour, minute, second, 0, 0, -1)) < since:
                continue
            address, port = canonical(failed.group(4).strip("[]")), int(failed.group(5))
        except (ValueError, OverflowError):
            continue
        yield {
            "program": PROGRAM,
            "proxy": None,
            "server": None,
            "address": address,
            "port": port,
            "up": False,
            "status": failed.group(1),
            "check": None,
            "told": failed.group(2),
            "client": canonical(failed.group(3)),
            "by": by,
        }
