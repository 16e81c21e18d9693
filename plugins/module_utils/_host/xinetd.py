# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What xinetd's files say of services on our ports (xinetd.conf(5)): who may use them, and whether they are switched off.

It reads its files when it starts and when it is made to: they may say more than it knows.
"""

from __future__ import annotations

import os
import socket
import typing as t

CONFIGURATION = "/etc/xinetd.conf"
_INHERITED = ("only_from", "no_access")  # from what the defaults have so far; a service adds to them and takes from them
MOST_FILES, MOST_BYTES, MOST_ADDRESSES = 200, 65536, 50

Record = t.Dict[str, t.Any]
Attributes = t.Dict[str, t.List[str]]


def read(ports: t.Collection[int], listeners: t.Sequence[Record], path: str = CONFIGURATION) -> list[Record]:
    """The services on those of the ports that xinetd listens on, or that nobody does. OSError: the files cannot be read."""
    if not os.path.exists(path):
        return []
    taken = {one["port"]: one for one in listeners}
    defaults: Attributes = {}
    services: list[tuple[str, str, Attributes]] = []
    _read(path, defaults, services, set())
    found = [_service(name, file, own, defaults) for name, file, own in services]
    ours = [each for each in found if each["port"] in ports and (each["port"] not in taken or _is_xinetds(taken[each["port"]]))]
    unheard = [each for each in ours if each["port"] not in taken and not each["disabled"]]
    runs = bool(unheard) and any(map(_runs_xinetd, filter(str.isdigit, os.listdir("/proc"))))
    for each in unheard:
        each["runs"] = runs
    return ours


def _is_xinetds(listener: Record) -> bool:
    return any(_runs_xinetd(process["pid"]) for process in listener["processes"] or ())


def _runs_xinetd(pid: t.Any) -> bool:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "xinetd"
    except OSError:
        return False


def _read(path: str, defaults: Attributes, services: list[tuple[str, str, Attributes]], seen: set[str]) -> None:
    """Add what a file says, and those that it includes."""
    if path in seen or len(seen) >= MOST_FILES:
        return
    seen.add(path)
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read(MOST_BYTES).splitlines()
    section: Attributes | None = None
    for words in (line.split("#", 1)[0].split() for line in lines):
        if not words or words[0] == "{":
            continue
        if words[0] == "}":
            section = None
        elif section is not None:
            _assign(section, words, adds=section is defaults)
        elif words[0] == "defaults":
            section = defaults
        elif words[0] == "service" and len(words) > 1:
            section = {attribute: list(defaults[attribute]) for attribute in _INHERITED if attribute in defaults}
            services.append((words[1], path, section))
        elif words[0] == "include" and len(words) > 1:
            _read(words[1], defaults, services, seen)
        elif words[0] == "includedir" and len(words) > 1:
            for name in sorted(os.listdir(words[1])):
                if "." not in name and not name.endswith("~"):
                    _read(os.path.join(words[1], name), defaults, services, seen)


def _assign(section: Attributes, words: list[str], adds: bool) -> None:
    """`adds`: what is assigned is added to what is there, as the defaults have it of several lines."""
    name, operator, values = words[0], "".join(words[1:2]), words[2:]
    if operator == "=" and not adds:
        section[name] = values
    elif operator in ("=", "+="):
        section.setdefault(name, []).extend(values)
    elif operator == "-=":
        section[name] = [value for value in section.get(name, ()) if value not in values]


def _service(name: str, file: str, own: Attributes, defaults: Attributes) -> Record:
    identity = own.get("id", [name])
    disabled = own.get("disable", ["no"]) == ["yes"] or bool({name, *identity} & set(defaults.get("disabled", ())))

    def addresses(attribute: str) -> list[str] | None:
        given = own.get(attribute)
        return None if given is None or len(given) > MOST_ADDRESSES else given  # a part of them does not show who is not among them

    return {
        "port": _port(name, own),
        "service": name,
        "file": file,
        "disabled": disabled,
        "bind": " ".join(own.get("bind") or own.get("interface") or ()) or None,
        "only_from": addresses("only_from"),
        "no_access": addresses("no_access"),
        "cps": _numbers(own.get("cps") or defaults.get("cps")) or [50, 10],
        "runs": None,
    }


def _numbers(words: list[str] | None) -> list[int] | None:
    """How many connections a second a service may have, and for how many seconds it is switched off for more."""
    return [int(word) for word in words] if words and len(words) == 2 and all(word.isdigit() for word in words) else None


def _port(name: str, own: Attributes) -> int | None:
    port = own.get("port", [""])[0]
    if port.isdigit():
        return int(port)
    try:
        return socket.getservbyname(name, "tcp")
    except (OSError, OverflowError):
        return None
