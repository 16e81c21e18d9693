# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The output of the script of script.py, as the snapshot of docs/evidence.md. It comes from a host: bounded, and read part by part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._host import counters
from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from . import network, sockets
from .script import MARKER, MOST_LINES, questions, route_title

MOST_CHARACTERS = 4 << 20
WITHOUT = "it needs Python on the host"
_LACKING = ("recording", "hooks", "firewall", "conntrack", "owners of listeners", "units", "policy rules")
_BIG_ENDIAN = ("s390x", "s390", "ppc", "ppc64", "mips", "mips64")
_NETNS = re.compile(r"net:\[(\d{1,20})\]")

Absent = list[dict[str, str]]


class NoShell(Exception):
    """What came back is not the output of the script; the message is the end of a sentence."""


def sections(stdout: str) -> dict[str, str]:
    """The script's output by part. NoShell."""
    if len(stdout) > MOST_CHARACTERS:
        raise NoShell(f"the host returned {len(stdout)} characters; the limit is {MOST_CHARACTERS}")
    parts: dict[str, str] = {}
    for part in stdout.replace("\r\n", "\n").split(f"\n{MARKER}")[1:]:
        title, _newline, text = part.partition("\n")
        parts.setdefault(title.strip(), text)
    if "end" not in parts:
        raise NoShell("no POSIX shell ran the snapshot commands" if not parts else "the output of the snapshot commands is incomplete")
    return parts


def snapshot(parts: Mapping[str, str], order: Mapping[str, Any]) -> tuple[dict[str, Any], Absent]:
    """The parts of a snapshot that the shell provides, and what is missing."""
    absent: Absent = [{"what": what, "why": WITHOUT} for what in _LACKING]
    state: dict[str, Any] = {"time": float(_number(parts, "time") or 0), "kernel": parts.get("kernel", "").strip()[:100]}
    uid = _number(parts, "uid")
    state["root"] = None if uid is None else uid == 0
    if match := _NETNS.search(parts.get("netns", "")):
        state["netns"] = int(match[1])
    if boot := parts.get("boot", "").strip():
        state["boot"] = boot[:64]
    _add(state, absent, "counters", lambda: _counters(parts))
    state["sysctls"] = dict(_sysctls(parts.get("sysctls", "")))
    for what, read in (("links", network.links), ("addresses", network.addresses)):
        if found := read(parts.get(what, "")):
            state[what] = found
        else:
            absent.append({"what": what, "why": "the program ip listed none"})
    _network(state, absent, parts, order)
    _sockets(state, absent, parts, order)
    return state, absent


def addresses_of(parts: Mapping[str, str], name: str) -> list[str]:
    """What `getent ahosts` on the host has for a name."""
    words = [line.split() for line in parts.get(f"name {name}", "").splitlines()]
    return list(dict.fromkeys(found for line in words if line and (found := canonical_or_none(line[0]))))


def _network(snapshot: dict[str, Any], absent: Absent, parts: Mapping[str, str], order: Mapping[str, Any]) -> None:
    snapshot["routes"] = []
    hops = set()
    for local, remote in questions(order):
        answer = network.route(parts.get(route_title(local, remote), ""), local, remote)
        if answer is None:
            absent.append({"what": f"route {local or '*'} - {remote}", "why": "ip route get gave no answer"})
            continue
        snapshot["routes"].append(answer)
        if answer["type"] == "unicast" and answer["interface"]:
            hops.add((answer["gateway"] or remote, answer["interface"]))
    snapshot["neighbours"] = network.neighbours(parts.get("neighbours", ""), hops)


def _sockets(snapshot: dict[str, Any], absent: Absent, parts: Mapping[str, str], order: Mapping[str, Any]) -> None:
    little = parts.get("machine", "").strip() not in _BIG_ENDIAN
    ss, listening, others = (parts.get(title, "") for title in ("ss", "listeners", "sockets"))
    if not (ss.strip() or listening.strip()) and "Tcp" not in (snapshot.get("counters") or {}):
        absent.append({"what": "listeners and sockets", "why": "neither ss nor /proc/net/tcp can be read"})
        return
    if _cut(ss if ss.strip() else listening):  # the one that is asked for may be among those left out
        absent.append({"what": "listeners", "why": f"there are {MOST_LINES} or more"})
    else:
        snapshot["listeners"] = sockets.listeners(ss, listening, little)
    if _cut(others):
        absent.append({"what": "sockets", "why": f"there are {MOST_LINES} or more"})
    else:
        snapshot["sockets"], snapshot["socket_counts"] = sockets.sockets(others, order.get("ports") or (), little)


def _cut(text: str) -> bool:
    return len(text.strip().splitlines()) >= MOST_LINES


def _counters(parts: Mapping[str, str]) -> dict[str, dict[str, int]]:
    found = {**counters.parse_pairs(parts.get("netstat", "").strip()), **counters.parse_pairs(parts.get("snmp", "").strip())}
    found.update(counters.parse_names(parts.get("snmp6", "").strip(), "Ip6", "Icmp6"))
    if softnet := parts.get("softnet", "").strip():
        found["Softnet"] = counters.parse_softnet(softnet)
    if not found:
        raise ObserveError("/proc/net cannot be read")
    return counters.kept(found)


def _sysctls(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        path, colon, value = line.partition(":")
        if colon and path.startswith(("net/", "fs/")):
            yield path.replace("/", "."), " ".join(value.split())


def _add(snapshot: dict[str, Any], absent: Absent, what: str, read: Callable[[], Any]) -> None:
    try:
        snapshot[what] = read()
    except (ObserveError, ValueError) as error:
        absent.append({"what": what, "why": str(error)})


def _number(parts: Mapping[str, str], title: str) -> int | None:
    text = parts.get(title, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
