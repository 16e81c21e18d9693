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

from .._wire.addresses import canonical, canonical_or_none
from . import plain_files

PROGRAM = "nginx"
WINDOW = 30.0  # seconds, as a try takes at most but for names
MOST_FILES, MOST_BYTES, MOST_SERVERS, MOST_TIMES = 8, 256 * 1024, 50, 100

Record = t.Dict[str, t.Any]

_LINE = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) \[(?:error|crit)\] (\d{1,7})#\d+: (?:\*\d+ )?")
_FULL = re.compile(
    r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) \[alert\] (\d{1,7})#\d+: (?:\*\d+ )?"
    r"(\d{1,9}) worker_connections are not enough(?:$| while )"
)
_FAILED = re.compile(
    r"(?:(connect|bind)\(\S{0,60}\)(?: to \S{1,80})? failed|upstream timed out) \((\d{1,3}): ([^)]{1,80})\) while connecting to upstream,"
    r" client: ([0-9A-Fa-f:.]{2,60}),.{0,300}? upstream: \"(?:\w{1,10}://)?([0-9A-Fa-f:.\[\]]{2,60}):(\d{1,5})[/\"]"
)

_TURNED_AWAY = re.compile(
    r"(?:(?P<access>access forbidden by rule)|limiting connections by zone \"(?P<zone>[^\"]{1,80})\")"
    r" while initializing session, client: (?P<client>[0-9A-Fa-f:.]{2,60}), server: (?P<address>\S{1,64}):(?P<port>\d{1,5})$"
)


def read(listeners: t.Sequence[Record]) -> tuple[list[Record], list[dict[str, str]]]:
    """The servers to which each nginx that owns one of the listeners could not connect of late, for each client, and why some log could
    not be read. ``pids``: the process that logged it, or those that have the log, where it has another number in its container; ``times``:
    the second of each such line."""
    pids = _pids(listeners)
    found: dict[tuple[str, int, str], Record] = {}
    absent: list[dict[str, str]] = []
    since, looked = time.time() - WINDOW, t.cast("set[tuple[int, int]]", set())  # its processes have the same logs
    for pid in sorted(pids):
        try:
            for log, content in _logs(pid):
                for each in failures(content, since):
                    by = [each["by"]] if each["by"] in pids else [pid]
                    key = each["address"], each["port"], each["client"]
                    before = found.pop(key, {})
                    times = [*before.get("times", []), *([] if log in looked else [each["time"]])][-MOST_TIMES:]
                    found[key] = {**each, "pids": sorted({*before.get("pids", []), *by}), "times": times}
                    del found[key]["by"], found[key]["time"]
                looked.add(log)
        except OSError as error:
            absent.append({"what": "balancers", "why": f"the logs of {PROGRAM} (pid {pid}): {error}"})
    return list(found.values())[:MOST_SERVERS], absent


def limits(listeners: t.Sequence[Record], absent: list[dict[str, str]]) -> t.Iterator[Record]:
    """The limit of connections of a worker, where one has logged of late that it is reached."""
    from .limits import limit

    pids = _pids(listeners)
    since, found = time.time() - WINDOW, t.cast("dict[int, list[int]]", {})
    for pid in sorted(pids):
        try:
            for _log, content in _logs(pid):
                for at, most in shortages(content, since):
                    found.setdefault(most, []).append(at)
        except OSError as error:
            absent.append({"what": "limits", "why": f"the logs of {PROGRAM} (pid {pid}): {error}"})
            return
        if found:
            break  # its other processes have the same logs
    for most, times in found.items():
        yield limit(PROGRAM, sorted(pids), "worker_connections", most, times=times[-MOST_TIMES:])


def turned_away(listeners: t.Sequence[Record]) -> list[Record]:
    """The clients whose connections its own rules have ended of late (ngx_stream_access_module, ngx_stream_limit_conn_module), by the
    address and port of the server block: clients may be let in at one address and not at another one."""
    pids = _pids(listeners)
    since, found = time.time() - WINDOW, t.cast("dict[tuple[str, str | None, int, str | None], list[int]]", {})
    for pid in sorted(pids):
        for _log, content in _logs(pid):
            for line in content.splitlines():
                stamped = _LINE.match(line)
                said = _TURNED_AWAY.match(line, stamped.end()) if stamped else None
                at = _second(stamped) if stamped and said else None
                client = canonical_or_none(said.group("client")) if said else None
                if said and client and at is not None and at >= since:
                    end = canonical_or_none(said.group("address").strip("[]")), int(said.group("port"))
                    found.setdefault((client, *end, said.group("zone")), []).append(at)
        if found:
            break  # its other processes have the same logs
    return [
        {
            "program": PROGRAM,
            "pids": sorted(pids),
            "module": "limit_conn" if zone else "access",
            "zone": zone,
            "client": client,
            "address": address,
            "port": port,
            "times": times[-MOST_TIMES:],
        }
        for (client, address, port, zone), times in found.items()
    ][:MOST_SERVERS]


def _pids(listeners: t.Sequence[Record]) -> set[int]:
    return {process["pid"] for each in listeners for process in each["processes"] or () if process["name"] == PROGRAM}


def _second(stamped: re.Match[str]) -> int | None:
    """When a line was logged, by the host's clock and zone; None where no time is."""
    year, month, day, hour, minute, second = map(int, stamped.groups()[:6])
    try:
        return int(time.mktime((year, month, day, hour, minute, second, 0, 0, -1)))
    except (ValueError, OverflowError):
        return None


def shortages(content: str, since: float) -> t.Iterator[tuple[int, int]]:
    """The second, and the limit, of each line about it that is not older."""
    for line in content.splitlines():
        said = _FULL.match(line)
        if said:
            at = _second(said)
            if at is not None and at >= since:
                yield at, int(said.group(8))


def _logs(pid: int) -> t.Iterator[tuple[tuple[int, int], str]]:
    """The files that a process has open to append to them, by device and inode, and their ends: those that hold no errors match no line."""
    directory = f"/proc/{pid}/fd"
    seen: set[tuple[int, int]] = set()
    for name in sorted(os.listdir(directory), key=int):
        path = f"{directory}/{name}"
        try:
            about = os.stat(path)
            if not stat.S_ISREG(about.st_mode) or (about.st_dev, about.st_ino) in seen or not _appends(pid, name):
                continue
            seen.add((about.st_dev, about.st_ino))
            content = plain_files.end(path, MOST_BYTES)[0].decode("utf-8", "replace")  # it may be another one by now
            yield (about.st_dev, about.st_ino), content
        except (FileNotFoundError, plain_files.NotPlainError):
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
        at = _second(stamped)
        if at is None or at < since:
            continue
        try:
            address, port = canonical(failed.group(5).strip("[]")), int(failed.group(6))
        except ValueError:
            continue
        yield {
            "program": PROGRAM,
            "proxy": None,
            "server": None,
            "address": address,
            "port": port,
            "up": False,
            "status": failed.group(2),
            "check": None,
            "told": failed.group(3),
            "call": failed.group(1) or "connect",
            "error": int(failed.group(2)),
            "client": canonical(failed.group(4)),
            "by": int(stamped.group(7)),
            "time": at,
        }
