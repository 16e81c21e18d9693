# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Programs that take connections and pass each on to one address, which their command lines name: a container's, for a published port.

docker-proxy (moby, cmd/docker-proxy), systemd-socket-proxyd(8), socat(1).
"""

from __future__ import annotations

import os
import typing as t

from .._wire.addresses import canonical

MOST = 8
_COMMAND_LINE = 64 * 1024
_SOCAT = ("TCP", "TCP4", "TCP6", "TCP-CONNECT", "TCP4-CONNECT", "TCP6-CONNECT")

Target = t.Tuple[str, int]  # address, port
Record = t.Dict[str, t.Any]


def read(listeners: t.Sequence[Record]) -> list[Record]:
    """Where each known program that owns one of the listeners passes connections on to; a target that is a name or a Unix socket is left
    out."""
    found: dict[tuple[int, int], Record] = {}
    for listener in listeners:
        for process in listener["processes"] or ():
            words = _command_line(process["pid"])
            target = target_of(words)
            if target:
                program = os.path.basename(words[0])  # the kernel keeps 15 letters of a process's name
                relay = {"port": listener["port"], "program": program, "pid": process["pid"], "address": target[0], "to": target[1]}
                found[listener["port"], process["pid"]] = relay
    return list(found.values())[:MOST]


def _command_line(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read(_COMMAND_LINE).split(b"\0") if word]
    except OSError:  # it is gone
        return []


def target_of(words: t.Sequence[str]) -> Target | None:
    """Where a command line has connections passed on to."""
    known = _PROGRAMS.get(os.path.basename(words[0])) if words else None
    return known(words[1:]) if known else None


def _docker_proxy(words: t.Sequence[str]) -> Target | None:
    options = {word.lstrip("-"): value for word, value in zip(words, words[1:])}
    if options.get("proto", "tcp") != "tcp":
        return None
    return _end(options.get("container-ip", ""), options.get("container-port", ""))


def _socket_proxyd(words: t.Sequence[str]) -> Target | None:
    """Its only word that is no option: HOST:PORT, or a path."""
    return next((end for end in (_end(*_split(word)) for word in words if not word.startswith("-")) if end), None)


def _socat(words: t.Sequence[str]) -> Target | None:
    """Of its two addresses the one that connects, such as TCP:10.0.2.21:80,retry=3."""
    for word in words:
        kind, _colon, rest = word.partition(":")
        if kind.upper() in _SOCAT:
            return _end(*_split(rest.partition(",")[0]))
    return None


def _split(text: str) -> tuple[str, str]:
    host, _colon, port = text.rpartition(":")
    return host, port


def _end(host: str, port: str) -> Target | None:
    try:
        return ("127.0.0.1" if host == "localhost" else canonical(host.strip("[]"))), int(port)
    except (OSError, ValueError):
        return None


_PROGRAMS: dict[str, t.Callable[[t.Sequence[str]], Target | None]] = {
    "docker-proxy": _docker_proxy,
    "systemd-socket-proxyd": _socket_proxyd,
    "socat": _socat,
}
