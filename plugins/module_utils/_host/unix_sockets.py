# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find services that listen in the file system instead of on TCP ports on which nobody listens, and which setting has them do so."""

from __future__ import annotations

import functools
import glob
import itertools
import os
import re
import typing as t

from . import owners, plain_files

_FILE = "/proc/thread-self/net/unix"  # see proc_net_unix(5)
_LINE = re.compile(r"[0-9a-f]+: [0-9A-F]{8} [0-9A-F]{8} ([0-9A-F]{8}) ([0-9A-F]{4}) [0-9A-F]{2} +(\d+) (.+)")
_ACCEPTING, _STREAM = 0x10000, 1  # __SO_ACCEPTCON, SOCK_STREAM
MOST_SOCKETS, MOST_FILES, LARGEST = 100_000, 100, 256 * 1024
_MOST_WORDS = 4096  # bytes of a command line


class Program(t.NamedTuple):
    """A program that listens on a well-known TCP port unless it is configured otherwise.

    `files`: its configuration; `without_tcp`: the lines that keep it from TCP; `words`: the arguments that do.
    """

    ports: tuple[int, ...]
    files: tuple[str, ...]
    without_tcp: str
    words: str


_MYSQL = Program(
    (3306,),
    ("/etc/mysql/my.cnf", "/etc/mysql/*.d/*.cnf", "/etc/my.cnf", "/etc/my.cnf.d/*.cnf"),
    r"skip[-_]networking(?!\s*=\s*(?:0|off|false)\b)|port\s*=\s*0\b",
    r"--skip[-_]networking(?!=(?:0|off|false)\b)|--port=0",
)
_POSTGRES = Program(
    (5432,),
    ("/etc/postgresql/*/*/postgresql.conf", "/etc/postgresql/*/*/conf.d/*.conf", "{D}/postgresql.conf", "{D}/postgresql.auto.conf"),
    r"listen_addresses\s*=?\s*''",
    r"(?:-c|--)?listen_addresses=(?:'')?",
)
_REDIS = Program((6379,), ("{1}", "/etc/redis/*.conf", "/etc/redis.conf", "/etc/valkey/*.conf"), r"port\s+0\b", r"--port 0")
_PHP = Program((9000,), ("/etc/php/*/fpm/pool.d/*.conf", "/etc/php-fpm.d/*.conf"), r"listen\s*=\s*/\S+", r"(?!)")
_DOCKER = Program(
    (2375, 2376),
    ("/etc/docker/daemon.json",),
    r'"hosts"\s*:\s*\[\s*"(?:fd|unix):[^"]*"(?:\s*,\s*"(?:fd|unix):[^"]*")*\s*\]',
    r"(?:-H|--host)[ =](?:fd|unix):\S*",
)
_MEMCACHED = Program((11211,), ("/etc/memcached.conf",), r"-s\s*\S+", r"-s \S+")
PROGRAMS = {
    "mysqld": _MYSQL,
    "mariadbd": _MYSQL,
    "postgres": _POSTGRES,
    "redis-server": _REDIS,
    "valkey-server": _REDIS,
    "php-fpm": _PHP,
    "dockerd": _DOCKER,
    "memcached": _MEMCACHED,
}


def read(ports: t.Collection[int]) -> list[dict[str, t.Any]]:
    """Of each program that would listen on one of `ports`: `port`, `path` of its socket, `process`, and the `setting` that has it so."""
    known = {name: each for name, each in PROGRAMS.items() if not set(each.ports).isdisjoint(ports)}
    named = ((pid, _program(pid, known)) for pid in map(int, filter(str.isdigit, os.listdir("/proc"))))
    running = {pid: name for pid, name in named if name}
    if not running:
        return []
    sockets = dict(itertools.islice(_listening(), MOST_SOCKETS))
    held = owners.find(set(sockets), pids=running)[0]
    found: dict[str, dict[str, t.Any]] = {}
    for inode, pids in held.items():
        pid = next((each for each in pids if each in running), None)
        process = owners.describe(pid) if pid else None
        if pid and process and running[pid] not in found:
            program = known[running[pid]]
            port = next(each for each in program.ports if each in ports)
            by = setting(program, words_of(pid), directory_of(pid))
            found[running[pid]] = {"port": port, "path": sockets[inode], "process": process, "setting": by}
    return list(found.values())


def _program(pid: int, known: t.Container[str]) -> str | None:
    """Which of the programs a process is, by its name, which may say a version."""
    name = re.sub(r"-?\d[\d.]*$", "", owners.text_of(f"/proc/{pid}/comm").strip())
    return name if name in known else None


def _listening() -> t.Iterator[tuple[int, str]]:
    """(inode, path) of the sockets that listen in the file system, or, beginning with @, in the abstract namespace."""
    with open(_FILE, encoding="utf-8", errors="replace") as file:
        next(file, None)
        for line in file:
            words = _LINE.match(line)  # a path may have any bytes in it, line ends, too
            if words and int(words[1], 16) & _ACCEPTING and int(words[2], 16) == _STREAM:
                yield int(words[3]), words[4]


def setting(program: Program, words: t.Sequence[str], directory: str) -> dict[str, t.Any] | None:
    """{text, file, line}: the argument or the line that keeps it from TCP; None where neither is seen.

    `words`: its command line; `directory`: where it works.
    """
    argument = re.search(rf"(?:^| )({program.words})(?= |$)", " ".join(words))
    if argument:
        return {"text": argument[1], "file": None, "line": None}
    pattern = re.compile(rf"^\s*({program.without_tcp})")
    found = None
    for name in _files(program, words, directory):
        for number, line in enumerate(_lines(name), 1):
            text = pattern.search(line)
            if text:
                found = {"text": text[1].strip(), "file": name, "line": number}  # of several the last one counts
    return found


def _files(program: Program, words: t.Sequence[str], directory: str) -> list[str]:
    places = {"{1}": words[1] if len(words) > 1 and words[1].startswith("/") else "", "{D}": directory}
    patterns = [pattern for pattern in program.files if all(path or place not in pattern for place, path in places.items())]
    named = [functools.reduce(lambda text, one: text.replace(one, glob.escape(places[one])), places, pattern) for pattern in patterns]
    return list(dict.fromkeys(name for pattern in named for name in sorted(glob.glob(pattern))))[:MOST_FILES]


def directory_of(pid: int) -> str:
    """PostgreSQL works in its data directory."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def words_of(pid: int) -> list[str]:
    return owners.text_of(f"/proc/{pid}/cmdline", _MOST_WORDS).rstrip("\0").split("\0")


def _lines(name: str) -> list[str]:
    try:
        return (plain_files.whole(name, LARGEST) or "").splitlines()
    except OSError:
        return []
