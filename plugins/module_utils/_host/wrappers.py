# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Programs on our ports that have TCP wrappers decide whom they serve, as Debian's sshd, and the rules of these (hosts_access(5))."""

from __future__ import annotations

import re
import typing as t

FILES = ("/etc/hosts.allow", "/etc/hosts.deny")
MOST_BYTES, MOST_RULES, MOST_WORDS = 65536, 50, 100
_LIBRARY = "/libwrap.so"
_MOST_MAPS = 1 << 20

Record = t.Dict[str, t.Any]


def read(listeners: t.Sequence[t.Mapping[str, t.Any]], files: t.Sequence[str] = FILES) -> list[Record]:
    """The programs, each with all rules in the order in which they count; none where no rule exists."""
    programs = {process["pid"]: process["name"] for each in listeners for process in each["processes"] or ()}
    wrapped = {pid: name for pid, name in programs.items() if _is_wrapped(pid)}
    found = [rule for file in files for rule in _rules(file)][:MOST_RULES] if wrapped else []
    return [{"pid": pid, "program": name, "rules": found} for pid, name in sorted(wrapped.items())] if found else []


def _is_wrapped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            return _LIBRARY in file.read(_MOST_MAPS)
    except OSError:  # it is gone, or may not be looked into
        return False


def _rules(path: str) -> t.Iterator[Record]:
    """Those of a file; one that is not known as a whole is `partial`, as is one in place of those that could not be read."""
    unread = {"file": path, "daemons": [], "clients": [], "options": False, "partial": True}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(MOST_BYTES)
            more = file.read(1)
    except FileNotFoundError:
        return
    except OSError:
        yield {**unread, "line": 1}
        return
    number = 1
    lines = text.replace("\\\n", " \f").split("\n")
    for line in lines[:-1] if more else lines:
        first, number = number, number + 1 + line.count("\f")
        fields = re.split(r":(?![^\[]*\])", line.replace("\f", " ").strip())
        if len(fields) < 2 or fields[0].startswith("#"):
            continue
        daemons, clients = (re.split(r"[\s,]+", field.strip()) for field in fields[:2])
        rule = {"file": path, "line": first, "daemons": daemons[:MOST_WORDS], "clients": clients[:MOST_WORDS], "options": len(fields) > 2}
        yield {**rule, "partial": max(len(daemons), len(clients)) > MOST_WORDS}
    if more:
        yield {**unread, "line": number}
