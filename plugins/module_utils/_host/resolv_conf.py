# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What the C library reads of resolv.conf(5): the nameservers that it asks, for how long, and for which names."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
from typing import Any, NamedTuple

CONFIGURATION = "/etc/resolv.conf"
MOST_SECONDS = 30.0
"""For all names of a client together; plans of the controller allow for it."""
_LEAST_SECONDS = 10.0
_SPARE = 2.0
_MOST_SERVERS, _MOST_TIMEOUT, _MOST_ATTEMPTS, _MOST_DOTS = 3, 30, 5, 15  # resolv.conf(5): MAXNS, RES_MAXRETRANS, RES_MAXRETRY, RES_MAXNDOTS
_MOST_SEARCHED = 6  # resolv.conf(5): domains of the search list that older C libraries take
_MOST_READ = 65536  # bytes
_MOST_PASSED_OVER = 5
_PORT = re.compile(r"(?<=[0-9\]])[:#][0-9]{1,5}$")


class Resolver(NamedTuple):
    """What resolv.conf says, with the C library's defaults."""

    nameservers: tuple[str, ...]
    timeout: int
    attempts: int
    search: tuple[str, ...] = ()
    ndots: int = 1

    def names(self, name: str) -> list[str]:
        """What it asks for in turn until one of them has an address: a name with few dots goes through the search list first."""
        if name.endswith("."):
            return [name.rstrip(".")]
        searched = [f"{name}.{domain}" for domain in self.search]
        return [name, *searched] if name.count(".") >= self.ndots else [*searched, name]

    @property
    def patience(self) -> float:
        """Seconds within which the C library itself gives up, and some to spare; bounded.

        It asks each nameserver `attempts` times for each name.
        """
        servers, names = max(1, len(self.nameservers)), 1 + len(self.search)
        return min(MOST_SECONDS, max(_LEAST_SECONDS, names * servers * self.timeout * self.attempts + _SPARE))


def configured(path: str = CONFIGURATION) -> Resolver:
    """Whatever cannot be read is the C library's default."""
    servers = []  # type: list[str]
    search = ()  # type: tuple[str, ...]
    timeout, attempts, ndots = 5, 2, 1
    try:
        lines = _lines(path)
    except OSError:
        lines = []
    for words in (_words(line) for line in lines if not line[:1].isspace()):
        if words[:1] == ["nameserver"] and len(words) > 1 and len(servers) < _MOST_SERVERS and _address(words[1]):
            servers.append(words[1])
        if words[:1] in (["search"], ["domain"]):  # the last one counts
            search = tuple(word.strip().rstrip(".") for word in words[1 : 1 + _MOST_SEARCHED] if word.strip("."))
        for word in words[1:] if words[:1] == ["options"] else ():
            name, _colon, value = word.partition(":")
            if value.isdigit() and name == "timeout":
                timeout = min(_MOST_TIMEOUT, max(1, int(value[:3])))
            elif value.isdigit() and name == "attempts":
                attempts = min(_MOST_ATTEMPTS, max(1, int(value[:3])))
            elif value.isdigit() and name == "ndots":
                ndots = min(_MOST_DOTS, int(value[:3]))
    return Resolver(tuple(servers), timeout, attempts, search, ndots)


def unconfigured(path: str = CONFIGURATION) -> dict[str, Any] | None:
    """Why the C library has no nameserver to ask but this host itself: the file cannot be read, or names none; None where it does.

    As {"error": null or an errno's name, "link": where the file, as a symbolic link, leads}.
    """
    try:
        with open(path, encoding="utf-8", errors="replace"):
            wrong = None if configured(path).nameservers else ""
    except OSError as error:
        wrong = errno.errorcode.get(error.errno or 0, str(error))
    if wrong is None:
        return None
    return {"error": wrong or None, "link": os.path.realpath(path) if os.path.islink(path) else None}


def passed_over(path: str = CONFIGURATION) -> list[dict[str, Any]]:
    """The lines for nameservers that the C library does not heed, at most `_MOST_PASSED_OVER`: each as {"line": its number, "address", null
    where it has none, "why": "indented", "malformed" (an address with a port, a name), "line_end" (an address with a carriage return), or
    "beyond" the third}.
    """
    try:
        lines = _lines(path)
    except OSError:
        return []
    found, heeded = [], 0
    for number, line in enumerate(lines, 1):
        words = _words(line)
        if words[:1] != ["nameserver"] or not line.split()[1:]:
            continue
        if line[:1].isspace():
            why = "indented"
        elif not _address(words[1]):
            why = "line_end" if _address(words[1].rstrip("\r")) else "malformed"
        elif heeded < _MOST_SERVERS:
            heeded += 1
            continue
        else:
            why = "beyond"
        word = words[1].rstrip("\r")
        found.append({"line": number, "address": _address(word) or _address(_PORT.sub("", word).strip("[]")), "why": why})
    return found[:_MOST_PASSED_OVER]


def _lines(path: str) -> list[str]:
    """Without the newlines that end them, which is all that ends them for the C library. OSError: it cannot be read."""
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        return file.read(_MOST_READ).split("\n")


def _words(line: str) -> list[str]:
    """What blanks and tabs part: the carriage return at the end of a line belongs to its last word."""
    return [word for word in line.replace("\t", " ").split(" ") if word]


def _address(word: str) -> str | None:
    """As the C library takes it: numbers alone, also such as 127.1, and those of IPv6 with a scope if need be."""
    try:
        return str(ipaddress.ip_address(word.partition("%")[0]))
    except ValueError:
        pass
    if any(map(str.isspace, word)):  # inet_aton() leaves aside what follows a carriage return, but the C library's reader does not
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(word))
    except OSError:
        return None
