# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What iproute2 and busybox print."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._bare.network import addresses, links, neighbours, route


def test_links() -> None:
    text = (
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT\\    link/loopback 00:00:00:00:00:00\n"
        "7: eth0@if8: <NO-CARRIER,BROADCAST,UP> mtu 1400 qdisc noqueue master br0 state DOWN \\    link/ether 02:00:00:00:00:07\n"
        "garbage\n"
    )
    found = links(text)
    assert [(each["name"], each["up"], each["carrier"], each["mac"], each["master"], each["operstate"]) for each in found] == [
        ("lo", True, True, None, None, "unknown"),
        ("eth0", True, False, "02:00:00:00:00:07", "br0", "down"),
    ]


def test_addresses() -> None:
    text = (
        "2: eth0    inet 10.0.1.11/24 brd 10.0.1.255 scope global eth0\\       valid_lft forever\n"
        "2: eth0    inet6 fe80::1/64 scope link tentative \\       valid_lft forever\n"
        "3: tun0    inet 10.8.0.1 peer 10.8.0.2/32 scope global tun0\n"
        "4: x inet 999.1.1.1/24\n"
    )
    assert [(each["interface"], each["address"], each["prefix"], each["flags"]) for each in addresses(text)] == [
        ("eth0", "10.0.1.11", 24, []),
        ("eth0", "fe80::1", 64, ["tentative"]),
        ("tun0", "10.8.0.1", 32, []),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10.0.2.21 via 10.0.1.1 dev eth0 src 10.0.1.11 uid 0 \n    cache \n", (None, "unicast", "eth0", "10.0.1.1", "10.0.1.11")),
        ("10.0.2.21 dev eth0  src 10.0.1.11 \n", (None, "unicast", "eth0", None, "10.0.1.11")),
        ("local 10.0.2.21 dev lo table local src 10.0.2.21 uid 0\n", (None, "local", "lo", None, "10.0.2.21")),
        ("RTNETLINK answers: Network is unreachable\n", ("ENETUNREACH", None, None, None, None)),
        ("RTNETLINK answers: No route to host\n", ("EHOSTUNREACH", None, None, None, None)),
    ],
)
def test_routes(text: str, told: tuple[object, ...]) -> None:
    answer = route(text, None, "10.0.2.21")
    assert answer is not None
    assert tuple(answer[key] for key in ("error", "type", "interface", "gateway", "source")) == told


@pytest.mark.parametrize("text", ["", "sh: ip: not found\n", "10.0.9.9 via 10.0.1.1 dev eth0\n"])
def test_what_is_no_answer(text: str) -> None:
    assert route(text, None, "10.0.2.21") is None


def test_neighbours_that_were_asked_for() -> None:
    text = "10.0.1.1 dev eth0 lladdr 02:00:00:00:00:01 used 0/0/0 REACHABLE\n10.0.1.9 dev eth0  FAILED\n10.0.1.8 dev eth0 FAILED"
    assert neighbours(text, {("10.0.1.1", "eth0"), ("10.0.1.9", "eth0")}) == [
        {"address": "10.0.1.1", "interface": "eth0", "mac": "02:00:00:00:00:01", "state": "REACHABLE"},
        {"address": "10.0.1.9", "interface": "eth0", "mac": None, "state": "FAILED"},
    ]
