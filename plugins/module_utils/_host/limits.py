# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Limits of connections that programs on our ports have reached, by their own files, statistics and logs."""

from __future__ import annotations

import re
import typing as t

from . import unix_sockets

_REDIS = ("redis-server", "valkey-server")
_MAXCLIENTS = unix_sockets.PROGRAMS["redis-server"]._replace(without_tcp=r"maxclients\s+\d{1,9}\b", words=r"--maxclients \d{1,9}")

Record = t.Dict[str, t.Any]
Counts = t.Mapping[str, t.Mapping[str, int]]


def read(listeners: t.Sequence[Record], counts: Counts) -> tuple[list[Record], list[dict[str, str]]]:
    """Of each listener whose program is known and has no room left. `counts`: of our ports' sockets, by their state."""
    absent: list[dict[str, str]] = []
    found: list[Record] = []
    names = {process["name"] for each in listeners for process in each["processes"] or ()}
    for each in listeners:
        for process in (each["processes"] or ())[:1]:
            if process["name"] in _REDIS:
                used = counts.get(str(each["port"]), {}).get("ESTABLISHED", 0)
                found += _of_redis(process["pid"], process["name"], each["port"], used)
    if "nginx" in names:
        from . import nginx

        found += nginx.limits(listeners, absent)
    if "haproxy" in names:
        from . import haproxy

        found += haproxy.limits(listeners, absent)
    return found, absent


def _of_redis(pid: int, name: str, port: int, used: int) -> t.Iterator[Record]:
    own = unix_sockets.setting(_MAXCLIENTS, unix_sockets.words_of(pid), unix_sockets.directory_of(pid))
    most = int(re.findall(r"\d+", own["text"])[-1]) if own else 0
    if own and used >= most:
        yield limit(name, [pid], "maxclients", most, port=port, used=used, file=own["file"], line=own["line"])


def limit(program: str, pids: t.Sequence[int], setting: str, most: int, **more: t.Any) -> Record:
    """`port`: the only one that it is about; `section`: of the configuration; `times`: the seconds in which it was logged."""
    known: Record = {"port": None, "section": None, "used": None, "file": None, "line": None, "times": []}
    return {"program": program, "pids": list(pids), "setting": setting, "most": most, **known, **more}
