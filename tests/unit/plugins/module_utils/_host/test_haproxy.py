# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy's own socket says, by an HAProxy that runs here on loopback, and by texts of other versions."""

from __future__ import annotations

import errno
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import haproxy

STATISTICS = """# pxname,svname,status,check_status,last_chk,addr
orders,FRONTEND,OPEN,,,
orders,db1,UP 1/3,L4OK,,10.0.2.21:5432
orders,db2,DOWN,L4CON,Connection refused,[2001:db8:2::22]:5432
orders,db3,no check,,,10.0.2.23:5432
orders,db4,MAINT,,,
orders,db5,UP,,,/run/socket
orders,BACKEND,UP,,,
"""


def test_servers_of_a_text() -> None:
    found = haproxy.servers(STATISTICS)
    assert [(each["server"], each["address"], each["port"], each["up"], each["told"]) for each in found] == [
        ("db1", "10.0.2.21", 5432, True, None),
        ("db2", "2001:db8:2::22", 5432, False, "Connection refused"),
        ("db3", "10.0.2.23", 5432, True, None),
        ("db4", None, None, False, None),
        ("db5", None, None, True, None),
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("Connection refused", ("connect", errno.ECONNREFUSED)),
        ("Connection refused at initial connection step of tcp-check", ("connect", errno.ECONNREFUSED)),
        ("Connection refused at step 1 of tcp-check (connect port 9) comment: 'No route to host'", ("connect", errno.ECONNREFUSED)),
        (
            "Can't bind to source address (Address already in use) at initial connection step of tcp-check",
            ("bind", errno.EADDRINUSE),
        ),
        ("General socket error (No route to host)", ("connect", errno.EHOSTUNREACH)),
        ("Can't bind to source address (Cannot assign requested address)", ("bind", errno.EADDRNOTAVAIL)),
        ("SSL handshake failure", (None, None)),
        ("", (None, None)),
    ],
)
def test_which_call_failed_in_a_check(told: str, expected: tuple[str | None, int | None]) -> None:
    (server,) = haproxy.servers(f"# pxname,svname,status,check_status,last_chk,addr\norders,db1,DOWN,L4CON,{told},10.0.2.21:5432\n")
    assert (server["call"], server["error"]) == expected


@pytest.mark.parametrize("check", ["L7STS", "SOCKERR", "L4TOUT", ""])
def test_the_words_of_a_server_are_no_error_of_this_kernel(check: str) -> None:
    """HTTP/1.0 503 Permission denied"""
    row = f"orders,db1,DOWN,{check},Permission denied,10.0.2.21:80"
    (server,) = haproxy.servers(f"# pxname,svname,status,check_status,last_chk,addr\n{row}\n")
    assert server["call"] is server["error"] is None


def test_any_other_answer_is_none() -> None:
    with pytest.raises(ValueError, match="Permission denied"):
        haproxy.servers("Permission denied\n")


def test_sockets_of_a_configuration() -> None:
    text = (
        "global\n  stats socket /run/a.sock mode 600\n  stats socket unix@/run/b # c\n stats socket ipv4@127.0.0.1:9\n stats timeout 2s\n"
    )
    assert haproxy.in_configuration(text) == ["/run/a.sock", "/run/b"]


@contextmanager
def haproxy_at(directory: Path, statistics: Path, name: str = "orders") -> Iterator[int]:
    """The process id of one whose server refuses."""
    directory.mkdir(exist_ok=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = f"global\n stats socket {statistics}\nlisten {name}\n mode tcp\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n"
    config += f" bind unix@{directory}/front\n server db1 127.0.0.1:{port} check inter 100ms fall 1\n"
    (directory / "haproxy.cfg").write_text(config)
    with subprocess.Popen(
        ["haproxy", "-db", "-f", "haproxy.cfg"], cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as one:
        try:
            while not (statistics.exists() and (directory / "front").exists()) and one.poll() is None:
                time.sleep(0.05)
            yield one.pid
        finally:
            one.kill()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[int]:
    with haproxy_at(tmp_path, tmp_path / "s") as pid:
        yield pid


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is missing")
def test_one_that_runs_says_that_its_server_is_down(running: int) -> None:
    listener = {"processes": [{"pid": running, "name": "haproxy"}]}
    for _try in range(50):
        found, absent = haproxy.read([listener])
        if found and not found[0]["up"]:
            break
        time.sleep(0.1)
    assert absent == []
    assert [(each["proxy"], each["server"], each["address"], each["up"], each["check"], each["connects"]) for each in found] == [
        ("orders", "db1", "127.0.0.1", False, "L4CON", 0)
    ]


def listeners(*pids: int) -> list[dict[str, Any]]:
    return [{"processes": [{"pid": pid, "name": "haproxy"}]} for pid in pids]


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is missing")
def test_each_of_two_says_it_of_its_own_servers(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with haproxy_at(one, tmp_path / "s1") as first, haproxy_at(two, tmp_path / "s2", "billing") as second:
        found, absent = haproxy.read(listeners(first, second))
    assert absent == [] and {each["proxy"]: each["pids"] for each in found} == {"orders": [first], "billing": [second]}


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is missing")
def test_what_another_one_says_on_the_same_path_is_not_ones_own(tmp_path: Path) -> None:
    """The later one takes the path of the earlier one."""
    one, two = tmp_path / "one", tmp_path / "two"
    with haproxy_at(one, tmp_path / "s") as first, haproxy_at(two, tmp_path / "s", "billing") as second:
        found, absent = haproxy.read(listeners(first))
        both, _absent = haproxy.read(listeners(first, second))
    assert found == [] and f"is that of another one (pid {second})" in absent[0]["why"]
    assert [(each["proxy"], each["pids"]) for each in both] == [("billing", [second])]


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is missing")
def test_what_its_own_rules_have_denied(tmp_path: Path) -> None:
    with haproxy_at(tmp_path / "one", tmp_path / "s1") as first:
        denied = haproxy.denials(listeners(first))
    assert denied == [{"pids": [first], "section": "orders", "count": 0, "connections": 0}]
    assert haproxy.denials([{"processes": None}]) == []


@pytest.mark.parametrize(("mode", "count"), [("tcp", 10), ("http", 3), ("unknown", 3)])
def test_requests_that_are_denied_are_no_connections(mode: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"# pxname,svname,dreq,mode,dcon,dses,conn_tot,\norders,FRONTEND,7,{mode},1,2,12,\norders,BACKEND,5,{mode},,,,\n"
    monkeypatch.setattr(haproxy, "_answers", lambda *_asked: [(said, [7])])
    assert haproxy.denials([]) == [{"pids": [7], "section": "orders", "count": count, "connections": 12}]


SLOW = """
import socket, sys, time
open("/proc/self/comm", "w").write("haproxy")
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    connection = listener.accept()[0]
    for _second in range(100):
        connection.send(b"#")
        time.sleep(0.1)
"""


def test_an_answer_has_a_second_in_all(tmp_path: Path) -> None:
    """Any process may call itself haproxy."""
    path = tmp_path / "s"
    with subprocess.Popen([sys.executable, "-c", SLOW, str(path)]) as slow:
        try:
            while not path.exists():
                time.sleep(0.02)
            time.sleep(0.1)
            started = time.monotonic()
            with pytest.raises(OSError, match="timed out"):
                haproxy._ask(str(path))
            assert time.monotonic() - started < 5
        finally:
            slow.kill()


def test_other_programs_are_not_asked() -> None:
    assert haproxy.read([{"processes": [{"pid": 1, "name": "nginx"}]}, {"processes": None}]) == ([], [])
