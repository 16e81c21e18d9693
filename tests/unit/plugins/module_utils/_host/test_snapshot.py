# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._host import conntrack, counters, links
from ansible_collections.threeway.handshake.plugins.module_utils._host import snapshot as _snapshot
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

ORDER: dict[str, t.Any] = {
    "run": "20261121T040000-3f2a91",
    "host": "db1",
    "phases": ["open", "close"],
    "ports": [5432],
    "addresses": ["192.0.2.1", "192.0.2.2"],
    "units": {},
    "pairs": [{"local": "192.0.2.1", "remote": "192.0.2.2", "mark": 0}],
}
PARTS = {
    *("time", "kernel", "root", "netns", "boot", "counters", "sysctls", "links", "addresses", "rules", "routes", "neighbours", "conntrack"),
    *("uptime", "raw_protocols", "hooks", "listeners", "sockets", "socket_counts", "ephemeral", "read_only_sysctls"),
}


def unused_run(_arguments: list[str]) -> tuple[int, str, str]:
    raise AssertionError("no tool is run without owners")


def take(namespace: Rootless, order: dict[str, t.Any], *prefix: str, **more: t.Any) -> tuple[dict[str, t.Any], list[dict[str, str]]]:
    ends = f", destinations=[snapshot.Destination(*each) for each in {more.pop('destinations', ())!r}]"
    options = ends + "".join(f", {name}={value!r}" for name, value in more.items())
    expression = f"snapshot.take({order!r}, run=lambda arguments: (1, '', '')" + options + ")"
    snapshot, absent = namespace.python("_host.snapshot", expression, *prefix)
    return snapshot, absent


def test_a_snapshot_has_all_parts() -> None:
    with Rootless() as namespace:
        namespace.sh("""
        ip link add eth0 type veth peer name peer0; ip link set eth0 up; ip link set peer0 up; ip addr add 192.0.2.1/24 dev eth0
        ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev eth0
        python3 -c 'import socket, time; s = socket.create_server(("192.0.2.1", 5432)); time.sleep(60)' >/dev/null 2>&1 &
        until ss -Hltn | grep -q 5432; do sleep 0.05; done
        """)
        snapshot, absent = take(namespace, ORDER, owners=False, destinations=[(None, "192.0.2.2", 5432)])
        inode = int(namespace.sh("stat -L -c %i /proc/self/ns/net"))
    assert absent == []
    assert set(snapshot) == {*PARTS, "firewall"}  # as there are destinations
    assert snapshot["root"] is True
    assert snapshot["netns"] == inode
    with open("/proc/sys/kernel/random/boot_id") as file:
        assert snapshot["boot"] == file.read().strip()
    assert [(route["local"], route["interface"], route["error"]) for route in snapshot["routes"]] == [
        ("192.0.2.1", "eth0", None),
        (None, "eth0", None),
    ]
    assert [(one["address"], one["state"]) for one in snapshot["neighbours"]] == [("192.0.2.2", "PERMANENT")]
    assert snapshot["sysctls"]["net.ipv4.conf.eth0.rp_filter"] in ("0", "1", "2")
    assert [(one["address"], one["port"]) for one in snapshot["listeners"]] == [("192.0.2.1", 5432)]
    assert snapshot["hooks"]["netfilter"] == []
    assert snapshot["firewall"]["verdicts"] == []
    assert snapshot["ephemeral"] == [{"remote": "192.0.2.2", "port": 5432, "used": 0, "time_wait": 0, "listening": 0}]


def test_without_inet_diag_listeners_lack_what_proc_lacks_and_the_snapshot_says_so() -> None:
    refusing = [sys.executable, str(Path(__file__).parents[1] / "without_socket.py"), "16", "4", "93"]  # AF_NETLINK, NETLINK_SOCK_DIAG
    with Rootless() as namespace:
        namespace.sh("""
        python3 -c 'import socket, time; s = socket.create_server(("127.0.0.1", 5432)); time.sleep(60)' >/dev/null 2>&1 &
        until ss -Hltn | grep -q 5432; do sleep 0.05; done
        """)
        snapshot, absent = take(namespace, ORDER, *refusing, owners=True)
    assert [(one["port"], one["send_q"], len(one["processes"])) for one in snapshot["listeners"]] == [(5432, None, 1)]
    assert [each["what"] for each in absent] == ["inet_diag"]


def test_a_silent_port_shows_all_listeners_and_asks_who_should_listen() -> None:
    with Rootless() as namespace:
        namespace.sh("""
        python3 -c 'import socket, time; s = socket.create_server(("127.0.0.1", 5433)); time.sleep(60)' >/dev/null 2>&1 &
        until ss -Hltn | grep -q 5433; do sleep 0.05; done
        """)
        snapshot, absent = take(namespace, ORDER, owners=True)
        client, _absent = take(namespace, {**ORDER, "phases": ["try"]}, owners=True)
    assert [one["port"] for one in snapshot["listeners"]] == [5433]
    assert snapshot["listeners"][0]["processes"][0]["name"].startswith("python")
    assert snapshot["other_namespaces"] == []
    assert "units" in {one["what"] for one in absent}  # systemd does not run there
    assert "other_namespaces" not in client and "units" not in client


def test_a_question_that_cannot_be_put_costs_its_answer_only() -> None:
    order = {**ORDER, "pairs": [{"local": "192.0.2.1", "remote": "2001:db8::1"}, {"local": "127.0.0.1", "remote": "127.0.0.1"}]}
    snapshot, absent = _snapshot.take(order, owners=False, run=unused_run)
    assert [route["type"] for route in snapshot["routes"]] == ["local"]
    assert [one["what"] for one in absent] == ["route 192.0.2.1 - 2001:db8::1"]


def test_a_collector_that_fails_costs_its_part_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def undecodable(*_arguments: object) -> t.NoReturn:
        raise DecodeError("bytes of another world")

    def unreadable() -> t.NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(counters, "read", unreadable)
    monkeypatch.setattr(conntrack, "read", undecodable)
    monkeypatch.setattr(links, "addresses", undecodable)
    snapshot, absent = _snapshot.take({**ORDER, "pairs": []}, owners=False, run=unused_run)
    assert PARTS - set(snapshot) == {"counters", "conntrack", "addresses"}
    assert {(one["what"], one["why"]) for one in absent} == {
        ("counters", "[Errno 13] Permission denied"),
        ("conntrack", "bytes of another world"),
        ("addresses", "bytes of another world"),
    }


def test_an_ordinary_user_sees_less_and_says_so() -> None:
    with Rootless() as namespace:
        expression = f"snapshot.take({ORDER!r}, run=None, owners=False)"
        options = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
        snapshot, absent = namespace.python("_host.snapshot", expression, *options)
    assert {one["what"] for one in absent} == {"hooks.netfilter", "hooks.ipsec_policies"}
    assert set(snapshot) == PARTS


@pytest.mark.bench
def test_a_snapshot_takes_few_milliseconds() -> None:
    _snapshot.take(ORDER, owners=False, run=unused_run)
    times = []
    for _round in range(10):
        started = time.perf_counter()
        _snapshot.take(ORDER, owners=False, run=unused_run)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.015
