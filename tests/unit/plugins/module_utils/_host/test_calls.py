# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that a program has begun, and that nobody answers."""

from __future__ import annotations

import typing as t

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

CALLING = """
import os, socket
calling = []
for port in (80, 80, 443):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("192.0.2.9", port))
    calling.append(one)
"""
READ = """(lambda scope: (exec(CODE, scope), calls.read([
    {"processes": [{"pid": os.getpid() + MORE, "name": "proxy"}]}, {"processes": None}
])))({})[1]"""


def called(more: int, calling: str = CALLING) -> list[dict[str, t.Any]]:
    with Rootless() as namespace:
        namespace.sh(
            "ip link add eth0 type veth peer name peer0; ip link set peer0 up; ip link set eth0 up; ip addr add 192.0.2.1/24 dev eth0"
        )
        namespace.sh("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0")
        expression = READ.replace("CODE", repr(calling)).replace("MORE", str(more)).replace("os.getpid()", "__import__('os').getpid()")
        found: list[dict[str, t.Any]] = namespace.python("_host.calls", expression)
        return found


def test_calls_by_their_ends() -> None:
    found = called(0)
    assert [(each["program"], each["source"], each["address"], each["port"], each["count"]) for each in found] == [
        ("proxy", "192.0.2.1", "192.0.2.9", 80, 2),
        ("proxy", "192.0.2.1", "192.0.2.9", 443, 1),
    ]


def test_those_of_others_are_left_out() -> None:
    assert called(1) == []


def test_those_of_what_it_has_started_are_its_own() -> None:
    """As socat's, which starts a process for each connection."""
    started = "import os, time\nready, tell = os.pipe()\nif os.fork() == 0:\n"
    child = (
        "".join(f"    {line}\n" for line in CALLING.strip().splitlines())
        + "    os.write(tell, b'1')\n    os.closerange(0, 3)\n    time.sleep(60)\n"
    )
    found = called(0, started + child + "os.read(ready, 1)\n")
    assert [(each["program"], each["port"], each["count"]) for each in found] == [("proxy", 80, 2), ("proxy", 443, 1)]
