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

from ansible_collections.threeway.handshake.plugins.module_utils._host import proc_tcp
from ansible_collections.threeway.handshake.plugins.module_utils._host.inet_diag import LISTEN, STATES, address_of

_SS = re.compile(r"^LISTEN\s+([0-9]{1,10})\s+([0-9]{1,10})\s+(\S+):([0-9]{1,5})\s+\S+\s*(.*)")
_NUMBER = re.compile(r"[0-9]{1,19}")


def listeners(ss: str, proc: str, little_endian: bool = True) -> list[dict[str, Any]]:
    """Of `ss -Hltne`, which knows the backlog and whether IPv6 alone is served; else of /proc, which does not."""
    found = [each for line in ss.splitlines() if (each := _of_ss(line))]
    if found:
        return found
    return [
        {**_listener(_text(each.family, each.local), each.local_port), "v6only": None, "recv_q": each.waiting, "send_q": None}
        | {"uid": each.uid, "inode": each.inode}
        for each in proc_tcp.entries(proc.splitlines(), little_endian)
        if each.state == LISTEN
    ]


def sockets(proc: str, ports: Collection[int], little_endian: bool = True) -> tuple[list[dict[str, Any]], dict[str, dict[str, int]]]:
    """The sockets on these ports, and how many there are of each state."""
    found = []
    counts: dict[str, Counter[str]] = {str(port): Counter() for port in ports}
    for each in proc_tcp.entries(proc.splitlines(), little_endian):
        name, port, remote_port = STATES.get(each.state), each.local_port, each.remote_port
        if name is None or each.state == LISTEN or not {port, remote_port}.intersection(ports):
            continue
        if port and remote_port:
            local, remote = _text(each.family, each.local), _text(each.family, each.remote)
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


def _text(family: int, address: bytes) -> str:
    return address_of(family, address)[1]
