# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What HAProxy says of the servers behind it, on the socket that its configuration offers (management guide, "show stat")."""

from __future__ import annotations

import csv
import errno
import os
import re
import socket
import struct
import time
import typing as t

from .._wire.addresses import canonical
from . import plain_files
from .owners import describe

PROGRAM, SERVER_MAXCONN = "haproxy", "maxconn of a server"
MOST_FILES, MOST_BYTES, MOST_SERVERS = 50, 1 << 20, 200
ANSWER_SECONDS = 1.0
_ROLES = ("FRONTEND", "BACKEND")
_NOT_CONNECTED = "L4CON"
_NO_BIND = "Can't bind to source address"
_STEP = re.compile(r" at (?:initial connection step|step \d{1,9}) of tcp-check")  # and more behind it
_ERRORS = {os.strerror(number): number for number in errno.errorcode}
_DENIED = ("dcon", "dses")

Record = t.Dict[str, t.Any]


def read(listeners: t.Sequence[Record]) -> tuple[list[Record], list[dict[str, str]]]:
    """The servers of each HAProxy that owns one of the listeners, and why some could not be asked; ``proxy`` is the section's name.

    Several may run here. ``pids`` are those of the processes with listeners that one consists of.
    """
    absent: list[dict[str, str]] = []
    found = [{**each, "pids": pids} for answer, pids in _answers(listeners, "balancers", absent) for each in servers(answer)]
    return found[:MOST_SERVERS], absent


def limits(listeners: t.Sequence[Record], absent: list[dict[str, str]]) -> t.Iterator[Record]:
    """The sections that take connections and have as many as they may."""
    from .limits import limit

    waiting = any(each["recv_q"] for each in listeners)
    for answer, pids in _answers(listeners, "limits", absent):
        for section, used, most in full(answer) if waiting else ():
            yield limit(PROGRAM, pids, "maxconn", most, section=section, used=used)
        for server, used, most in full_servers(answer):
            yield limit(PROGRAM, pids, SERVER_MAXCONN, most, section=server, used=used)


def denials(listeners: t.Sequence[Record]) -> list[Record]:
    """How many connections the rules of each section have turned away since its start (tcp-request connection, session, content), of those
    that take connections, and how many came to it; of those for HTTP, content is left out, as that counts requests as well. `read` says
    whom it could not ask."""
    return [
        {
            "pids": pids,
            "section": row["pxname"],
            "count": sum(int(row[name]) for name in counted),
            "connections": _number(row, "conn_tot"),
        }
        for answer, pids in _answers(listeners, "denials", [])
        for row in _rows(answer)
        if row.get("svname") == "FRONTEND"
        for names in [(*_DENIED, "dreq") if row.get("mode") == "tcp" else _DENIED]
        for counted in [[name for name in names if (row.get(name) or "").isdigit()]]
        if counted
    ][:MOST_SERVERS]


def full(text: str) -> t.Iterator[tuple[str, int, int]]:
    """The name, how many connections it has and may have."""
    for row in _rows(text):
        used, most = row.get("scur") or "", row.get("slim") or ""
        if row.get("svname") == "FRONTEND" and used.isdigit() and most.isdigit() and int(used) >= int(most) > 0:
            yield row["pxname"], int(used), int(most)


def full_servers(text: str) -> t.Iterator[tuple[str, int, int]]:
    """A server of each section that has none with room, how many connections it has and may have: others wait in HAProxy's own queue."""
    sections: dict[str, list[t.Mapping[str, t.Any]]] = {}
    for row in _rows(text):
        if row.get("svname") not in _ROLES and _up(row):
            sections.setdefault(row["pxname"], []).append(row)
    for section, rows in sections.items():
        counts = [(_number(row, "scur") or 0, _number(row, "slim") or 0) for row in rows]
        if all(used >= most > 0 for used, most in counts):
            yield (f"{section}/{rows[0]['svname']}", *counts[0])


def _up(row: t.Mapping[str, t.Any]) -> bool:
    return (row.get("status") or "").split(" ")[0] in ("UP", "no")  # "UP 1/3", "no check"


def _answers(listeners: t.Sequence[Record], what: str, absent: list[dict[str, str]]) -> t.Iterator[tuple[str, list[int]]]:
    """What each HAProxy says that owns one of the listeners, and its processes; why some could not be asked is added to `absent`."""
    pids = {process["pid"] for each in listeners for process in each["processes"] or () if process["name"] == PROGRAM}
    instances: dict[str, list[int]] = {}
    for pid in sorted(pids):
        try:
            for path in sockets_of(pid)[:1]:
                instances.setdefault(path, []).append(pid)
        except OSError as error:
            absent.append({"what": what, "why": f"{PROGRAM} (pid {pid}): {error}"})
    for path, members in instances.items():
        try:
            answer, peer = _ask(path)
            # A master opens the sockets of its workers.
            ours = [pid for pid in members if peer in (pid, (describe(pid) or {}).get("parent"))]
            if not ours:  # who binds a path takes it from who had it
                raise OSError(f"{path} is that of another one (pid {peer})")
            _rows(answer)
        except (OSError, ValueError) as error:
            absent.append({"what": what, "why": f"{PROGRAM} (pid {members[0]}): {error}"})
            continue
        yield answer, ours


def sockets_of(pid: int) -> list[str]:
    """The Unix sockets for its statistics that a process' configuration files name. OSError: they cannot be read."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = [os.fsdecode(word) for word in file.read(65536).split(b"\0")]
    names = [words[at + 1] for at, word in enumerate(words[:-1]) if word == "-f"]
    if os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
        raise OSError("its files are those of a container")
    home = os.readlink(f"/proc/{pid}/cwd")
    paths: list[str] = []
    for name in names[:MOST_FILES]:
        for path in _files(os.path.join(home, name)):
            paths += in_configuration(plain_files.beginning(path, MOST_BYTES))
    return paths


def _files(path: str) -> list[str]:
    """A file, or the configuration files of a directory."""
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".cfg")][:MOST_FILES]


def in_configuration(text: str) -> list[str]:
    """The Unix sockets that ``stats socket`` lines name; those of other kinds are left alone."""
    found = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words[:2] == ["stats", "socket"] and len(words) > 2:
            path = words[2].rpartition("unix@")[2]
            if path.startswith("/"):
                found.append(path)
    return found


def _ask(path: str) -> tuple[str, int]:
    """The answer, and the process that has opened the socket. OSError: also for an answer that takes longer."""
    until = time.monotonic() + ANSWER_SECONDS
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(ANSWER_SECONDS)
        sock.connect(path)
        pid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]  # unix(7)
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            if file.read().strip() != PROGRAM:
                raise OSError(f"{path} is another program's")
        sock.sendall(b"show stat\n")
        parts: list[bytes] = []
        while sum(map(len, parts)) < MOST_BYTES:
            sock.settimeout(max(0.001, until - time.monotonic()))
            part = sock.recv(65536)
            if not part:
                break
            parts.append(part)
    return b"".join(parts).decode("utf-8", "replace"), pid


def servers(text: str) -> list[Record]:
    """The servers of a "show stat". ValueError: it is none."""
    return [_server(row) for row in _rows(text) if row.get("svname") and row["svname"] not in _ROLES]


def _rows(text: str) -> t.Iterable[t.Mapping[str, t.Any]]:
    lines = text.lstrip("# ").splitlines()
    if not lines or "svname" not in lines[0]:
        raise ValueError(f"no statistics on its socket, but {text[:60]!r}")
    return csv.DictReader(lines)


def _server(row: t.Mapping[str, t.Any]) -> Record:
    host, _colon, port = (row.get("addr") or "").rpartition(":")
    address = _address(host)
    check = (row.get("check_status") or "").lstrip("* ")  # a check under way has the last one's status behind an asterisk
    return {
        "program": PROGRAM,
        "proxy": row["pxname"],
        "server": row["svname"],
        "address": address,
        "port": int(port) if address and port.isdigit() else None,
        "up": _up(row),
        "status": row.get("status") or "",
        "check": check or None,
        "told": row.get("last_chk") or None,
        **_failure(check, row.get("last_chk") or ""),
        "client": None,
        "connects": _number(row, "connect"),
        "failed": _sum(_number(row, name) for name in ("econ", "wretr", "wredis")),  # given up, tried again here, or elsewhere
    }


def _failure(check: str, said: str) -> Record:
    """Which call of the last check failed, and with what: ``Can't bind to source address (Cannot assign requested address)``, as
    conn_err_code_str() and strerror() have it. What is said of other checks may be the server's own words."""
    what, _bracket, inside = _STEP.split(said, maxsplit=1)[0].partition(" (")
    error = _ERRORS.get(inside.rstrip(")") or what) if check == _NOT_CONNECTED else None
    return {"call": None if error is None else "bind" if what == _NO_BIND else "connect", "error": error}


def _number(row: t.Mapping[str, t.Any], name: str) -> int | None:
    text = row.get(name) or ""
    return int(text) if text.isdigit() else None


def _sum(numbers: t.Iterable[int | None]) -> int | None:
    known = list(numbers)
    return None if None in known else sum(each for each in known if each is not None)


def _address(host: str) -> str | None:
    try:
        return canonical(host.strip("[]"))
    except (OSError, ValueError):
        return None
