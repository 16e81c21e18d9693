# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Listeners and sockets from `ss` and from /proc/net/tcp and tcp6 (Documentation/networking/proc_net_tcp.rst)."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Collection
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._host.inet_diag import LISTEN, STATES
from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical

_LINE = re.compile(
    r"^\s*[0-9]+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2}) "
    r"[0-9A-F]{8}:([0-9A-F]{8}) \S+ \S+\s+([0-9]{1,10})\s+[0-9]+ ([0-9]{1,19})"
)
_SS = re.compile(r"^LISTEN\s+([0-9]{1,10})\s+([0-9]{1,10})\s+(\S+):([0-9]{1,5})\s+\S+\s*(.*)")
_NUMBER = re.compile(r"[0-9]{1,19}")
_NEW_SYN_RECV = 12  # TCP_NEW_SYN_RECV, which /proc shows as SYN_RECV


def listeners(ss: str, proc: str, little_endian: bool = True) -> list[dict[str, Any]]:
    """Of `ss -Hltne`, which knows the backlog and whether IPv6 alone is served; else of /proc, which does not."""
    found = [each for line in ss.splitlines() if (each := _of_ss(line))]
    if found:
        return found
    return [
        {**_listener(local, port), "v6only": None, "recv_q": queue, "send_q": None, "uid": uid, "inode": inode}
        for local, port, _remote, _port, state, queue, uid, inode in _sockets(proc, little_endian)
        if state == LISTEN
    ]


def sockets(proc: str, ports: Collection[int], little_endian: bool = True) -> tuple[list[dict[str, Any]], dict[str, dict[str, int]]]:
    """The sockets on these ports, and how many there are of each state."""
    found = []
    counts: dict[str, Counter[str]] = {str(port): Counter() for port in ports}
    for local, port, remote, remote_port, state, *_more in _sockets(proc, little_endian):
        name = STATES.get(3 if state == _NEW_SYN_RECV else state)
        if name is None or state == LISTEN or not {port, remote_port}.intersection(ports):
            continue
        if port and remote_port:
            found.append({"state": name, "local": local, "local_port": port, "remote": remote, "remote_port": remote_port})
        if port in ports:
            counts[str(port)][name] += 1
    return found, {port: dict(states) for port, states in counts.items()}


def _of_ss(line: str) -> dict[str, Any] | None:
    match = _SS.match(line)
    if match is None:
        return None
    where, _percent, device = match[3].partition("%")
    any_address = where == "*"  # of both families
    try:
        address = "::" if any_address else str(ipaddress.ip_address(where.strip("[]")))
    except ValueError:
        return None
    facts = dict(word.partition(":")[::2] for word in match[5].split())
    numbers = {key: int(facts[name]) if _NUMBER.fullmatch(facts.get(name, "")) else 0 for key, name in (("uid", "uid"), ("inode", "ino"))}
    queues = {"recv_q": int(match[1]), "send_q": int(match[2])}
    v6only = facts["v6only"] == "1" if "v6only" in facts else None if ":" in address else False
    return {**_listener(address, int(match[4])), "v6only": v6only, **queues, **numbers, "device": device.strip("]") or None}


def _listener(address: str, port: int) -> dict[str, Any]:
    return {"family": "ipv6" if ":" in address else "ipv4", "address": address, "port": port, "device": None, "processes": None}


def _sockets(proc: str, little_endian: bool) -> list[tuple[str, int, str, int, int, int, int, int]]:
    found = []
    for line in proc.splitlines():
        if match := _LINE.match(line):
            local, remote = (_address(match[group], little_endian) for group in (1, 3))
            ports = int(match[2], 16), int(match[4], 16)
            found.append((local, ports[0], remote, ports[1], int(match[5], 16), int(match[6], 16), int(match[7]), int(match[8])))
    return found


def _address(digits: str, little_endian: bool) -> str:
    """The kernel writes 32-bit words of the address as numbers in its own byte order."""
    words = [bytes.fromhex(digits[at : at + 8]) for at in range(0, len(digits), 8)]
    return canonical(str(ipaddress.ip_address(b"".join(word[::-1] if little_endian else word for word in words))))
