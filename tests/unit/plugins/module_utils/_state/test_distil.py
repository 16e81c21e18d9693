# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a snapshot stays as it is: two looks at a host that nobody changed are one state."""

from __future__ import annotations

import copy
import random
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._state import distil as _distil

PROCESS = {"pid": 7, "name": "nginx", "state": "S", "unit": "nginx.service", "container": None, "fds": 31, "fd_limit": 1024, "netns": 1}
LISTENER: dict[str, t.Any] = {
    "family": "ipv4", "address": "0.0.0.0", "port": 80, "v6only": False, "device": None, "recv_q": 3, "send_q": 511, "uid": 0,
    "inode": 12, "cgroup": 1, "mark": 0, "md5": [], "filtered": False, "min_ttl": 0, "defer_accept": 0, "processes": [PROCESS],
}  # fmt: skip
ROUTE: dict[str, t.Any] = {
    "local": None, "remote": "10.0.2.21", "mark": 0, "uid": None, "iif": None, "oif": None, "local_port": None, "remote_port": 80,
    "error": None, "type": "unicast", "interface": "eth0", "gateway": "10.0.1.1", "source": "10.0.1.11", "table": 254,
    "prefix": "0.0.0.0/0", "mtu": None, "multipath": [], "rule": 32766,
}  # fmt: skip
RULE = {"family": "inet", "table": "filter", "chain": "input", "handle": 12, "number": 3, "text": "tcp dport 80 accept",
        "manager": "nftables", "origin": None, "packets": 3}  # fmt: skip
VERDICT: dict[str, t.Any] = {
    "packet": "syn", "direction": "in", "source": "10.0.1.11", "source_port": None, "destination": "10.0.2.21", "port": 80,
    "interface": "eth0", "out_interface": None, "state": "new", "mark": 0, "uid": None, "verdict": "accept", "reject_with": None,
    "queue": None, "undecided_because": None, "rewritten": None, "rule": RULE, "change": None, "shadowed": [],
    "path": [{"chain": {}, "rule": RULE, "matched": True, "parts": [], "effect": "accept"},
             {"chain": {}, "rule": {**RULE, "text": "no"}, "matched": False, "parts": [], "effect": None}], "passed": 4,
}  # fmt: skip


def test_a_listener() -> None:
    told = {"port": 80, "family": "ipv4", "address": "0.0.0.0", "backlog": 511, "uid": 0, "process": "nginx", "unit": "nginx.service"}
    assert _distil.listeners([LISTENER], {80}) == [told]
    assert _distil.listeners([LISTENER], {81}) == []
    busy = {**LISTENER, "recv_q": 9, "inode": 99, "processes": [PROCESS, {**PROCESS, "pid": 6000, "name": "sh", "unit": "x.service"}]}
    assert _distil.listeners([busy, LISTENER], {80}) == [told]  # a fork that holds the socket for a moment, and SO_REUSEPORT
    nobody = _distil.listeners([{**LISTENER, "processes": None, "md5": None, "filtered": None}], {80})
    assert "process" not in nobody[0]
    assert _distil.listeners([{**LISTENER, "processes": []}], {80})[0]["process"] == "kernel"
    strict = _distil.listeners([{**LISTENER, "md5": ["10.0.0.0/8"], "filtered": True, "min_ttl": 255, "v6only": True}], {80})[0]
    assert {name: strict[name] for name in ("md5", "filtered", "min_ttl", "v6only")} == {
        "md5": ["10.0.0.0/8"], "filtered": True, "min_ttl": 255, "v6only": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "stable"),
    [
        ("session-12.scope", "session-*"),
        ("session-c1.scope", "session-*"),
        ("run-u7.service", "run-*"),
        ("docker-" + "0a" * 32 + ".scope", "docker-*"),
        ("postgresql@15-main.service", "postgresql@15-main.service"),
        ("user@1000.service/web.service", "user@1000.service/web.service"),
        (None, None),
    ],
)
def test_units_without_numbers_of_the_day(unit: str | None, stable: str | None) -> None:
    assert _distil.listeners([{**LISTENER, "processes": [{**PROCESS, "unit": unit}]}], {80})[0].get("unit") == stable


def test_a_verdict() -> None:
    rule = "inet filter input: tcp dport 80 accept"
    (told,) = _distil.verdicts([VERDICT, {**VERDICT, "state": "invalid", "verdict": "drop"}])
    assert (told["verdict"], told["decided_by"], told["rules"]) == ("accept", rule, [rule])
    assert not {"handle", "packets", "path", "passed", "number"} & set(told)
    counted = copy.deepcopy(VERDICT)
    counted["path"][0]["rule"].update(packets=10_000, handle=77, number=8)
    assert _distil.verdicts([counted]) == [told]


def test_a_way() -> None:
    (told,) = _distil.routes([ROUTE, {**ROUTE, "remote_port": 443}])
    assert told == {"to": "10.0.2.21", "type": "unicast", "table": 254, "prefix": "0.0.0.0/0", "source": "10.0.1.11",
                    "interface": "eth0", "gateway": "10.0.1.1"}  # fmt: skip
    assert _distil.routes([{**ROUTE, "mtu": 1400}]) == [told]  # path MTU discovery learned it
    by_port = _distil.routes([ROUTE, {**ROUTE, "remote_port": 443, "gateway": "10.0.1.2"}])
    assert [(each["port"], each["gateway"]) for each in by_port] == [(80, "10.0.1.1"), (443, "10.0.1.2")]
    hops = [{"interface": "eth0", "gateway": gateway, "weight": 1} for gateway in ("10.0.1.2", "10.0.1.1")]
    one, other = (_distil.routes([{**ROUTE, "multipath": hops, "gateway": gateway}]) for gateway in ("10.0.1.1", "10.0.1.2"))
    assert one == other and one[0]["hops"] == ["10.0.1.1 dev eth0 weight 1", "10.0.1.2 dev eth0 weight 1"] and "gateway" not in one[0]


def test_next_hops() -> None:
    for state in ("STALE", "REACHABLE", "FAILED", "DELAY", "NOARP"):
        entry = {"address": "10.0.1.1", "interface": "eth0", "mac": "02:00:00:00:00:01", "state": state}
        assert _distil.neighbours([ROUTE], [entry]) == _distil.neighbours([ROUTE], []) == [{"address": "10.0.1.1", "interface": "eth0"}]
    pinned = [{"address": "10.0.1.1", "interface": "eth0", "mac": "02:00:00:00:00:01", "state": "PERMANENT"}]
    assert _distil.neighbours([ROUTE], pinned)[0]["permanent_mac"] == "02:00:00:00:00:01"
    on_link = {**ROUTE, "gateway": None}
    assert _distil.neighbours([on_link], []) == [{"address": "10.0.2.21", "interface": "eth0"}]


@given(st.integers(0, 1 << 30))
def test_the_order_in_which_a_kernel_tells_has_no_meaning(seed: int) -> None:
    dice = random.Random(seed)
    listeners = [{**LISTENER, "port": port, "address": address} for port in (80, 443) for address in ("0.0.0.0", "10.0.0.1")]
    verdicts = [{**VERDICT, "packet": packet, "port": port} for packet in ("syn", "ack") for port in (80, 443, 8080)]
    routes = [{**ROUTE, "remote": f"10.0.0.{number}", "remote_port": port} for number in range(3) for port in (80, 443)]
    for distil, told in (
        (lambda each: _distil.listeners(each, {80, 443}), listeners),
        (_distil.verdicts, verdicts),
        (_distil.routes, routes),
    ):
        shuffled = dice.sample(told, len(told))
        assert distil(shuffled) == distil(told)
