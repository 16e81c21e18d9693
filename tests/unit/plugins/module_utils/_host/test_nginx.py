# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of nginx's error log as its stream module writes them; a fault of tests/faults/ has one that runs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from subprocess import Popen

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import nginx

NOW = time.mktime((2026, 11, 29, 19, 0, 0, 0, 0, -1))
REFUSED = (
    "2026/11/29 19:00:0%d [error] 12#12: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.1.11, "
    'server: 10.0.2.22:5432, upstream: "%s", bytes from/to client:0/0, bytes from/to upstream:0/0'
)


def test_a_server_that_refuses() -> None:
    (found,) = nginx.failures(REFUSED % (1, "10.0.2.21:8080"), NOW)
    assert (found["address"], found["port"], found["status"], found["told"], found["client"]) == (
        "10.0.2.21", 8080, "111", "Connection refused", "10.0.1.11"
    )  # fmt: skip


@pytest.mark.parametrize(("number", "said"), [(99, "Cannot assign requested address"), (13, "Permission denied")])
def test_what_its_own_kernel_refuses_is_critical_for_it(number: int, said: str) -> None:
    """ngx_event_connect_peer(): another level and other words than those for what connect() says later."""
    line = REFUSED.replace("[error]", "[crit]").replace(
        "connect() failed (111: Connection refused)", f"connect() to %s failed ({number}: {said})"
    )
    (found,) = nginx.failures(line % (1, "10.0.2.21:5432", "10.0.2.21:5432"), NOW)
    assert (found["address"], found["port"], found["status"], found["told"]) == ("10.0.2.21", 5432, str(number), said)


def test_an_address_that_it_cannot_take() -> None:
    line = REFUSED.replace("connect() failed (111: Connection refused)", "bind(10.0.2.99) failed (99: Cannot assign requested address)")
    (found,) = nginx.failures(line.replace("[error]", "[crit]") % (1, "10.0.2.21:5432"), NOW)
    assert (found["call"], found["error"], found["address"], found["client"]) == ("bind", 99, "10.0.2.21", "10.0.1.11")


def test_ipv6_and_http() -> None:
    timed_out = (REFUSED % (1, "http://[2001:db8::21]:80/")).replace("connect() failed (111: ", "upstream timed out (110: ")
    (found,) = nginx.failures(timed_out, NOW)
    assert (found["address"], found["port"], found["status"]) == ("2001:db8::21", 80, "110")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(REFUSED % (1, "unix:/run/app.sock"), id="a Unix socket"),
        pytest.param((REFUSED % (1, "10.0.2.21:8080")).replace("19:00", "18:59"), id="before"),
        pytest.param("GET /?" + REFUSED % (1, "10.0.2.21:8080"), id="what a client wrote"),
        pytest.param("2026/13/45 19:00:01 [error] 1#1: connect() failed", id="no time"),
    ],
)
def test_other_lines(line: str) -> None:
    assert list(nginx.failures(line, NOW)) == []


def test_only_files_that_are_appended_to_are_read(tmp_path: Path) -> None:
    line = time.strftime("%Y/%m/%d %H:%M:%S") + (REFUSED % (1, "10.0.2.21:8080"))[19:] + "\n"
    log, other = tmp_path / "error.log", tmp_path / "other"
    other.write_text(line.replace("8080", "8081"))
    listener = {"processes": [{"pid": os.getpid(), "name": "nginx"}]}
    with log.open("a") as appended, other.open():
        appended.write(line + line.replace("10.0.1.11", "10.0.1.12") + line)
        appended.flush()
        found, absent = nginx.read([listener])
    assert ([(each["port"], each["client"]) for each in found], absent) == ([(8080, "10.0.1.12"), (8080, "10.0.1.11")], [])
    assert [[abs(second - time.time()) < 60 for second in each["times"]] for each in found] == [[True], [True, True]]
    assert [each["pids"] for each in found] == [[os.getpid()]] * 2  # who has the log: who wrote it is none of the listeners


def test_two_that_share_a_log_are_told_apart_by_who_wrote_a_line(tmp_path: Path) -> None:
    line = time.strftime("%Y/%m/%d %H:%M:%S") + (REFUSED % (1, "10.0.2.21:8080"))[19:] + "\n"
    with (tmp_path / "error.log").open("a") as appended, Popen(["sleep", "60"], stdout=appended) as other:
        appended.write(
            line.replace("12#12", f"{other.pid}#{other.pid}") + line.replace("12#12", f"{os.getpid()}#1").replace("8080", "8081")
        )
        appended.flush()
        found, _absent = nginx.read([{"processes": [{"pid": pid, "name": "nginx"} for pid in (os.getpid(), other.pid)]}])
        other.kill()
    assert {each["port"]: each["pids"] for each in found} == {8080: [other.pid], 8081: [os.getpid()]}
    assert [len(each["times"]) for each in found] == [1, 1]  # as it was logged, however many have the log


ENDED = " [error] %d#1: *1 access forbidden by rule while initializing session, client: 10.0.1.11, server: %s\n"


def test_clients_are_turned_away_at_the_address_of_a_server_block(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    with log.open("a") as appended:
        for end in ("0.0.0.0:5432", "10.0.2.21:5432", "[2001:db8::1]:5432", "name:5432"):
            appended.write(time.strftime("%Y/%m/%d %H:%M:%S") + ENDED % (os.getpid(), end))
        appended.flush()
        found = nginx.turned_away([{"processes": [{"pid": os.getpid(), "name": "nginx"}]}])
    assert [each["address"] for each in found] == ["0.0.0.0", "10.0.2.21", "2001:db8::1", None]


def test_whom_it_turns_away_is_read_from_lines_with_an_address(tmp_path: Path) -> None:
    line = time.strftime("%Y/%m/%d %H:%M:%S") + " [error] 7#7: *1 %s while initializing session, client: %s, server: 0.0.0.0:5432\n"
    forbidden, limited = "access forbidden by rule", 'limiting connections by zone "port"'
    with (tmp_path / "error.log").open("a") as appended:
        appended.write(line % (forbidden, "1.2") + line % (forbidden, "10.0.1.11") * 2 + line % (limited, "2001:DB8::1"))
        appended.flush()
        found = nginx.turned_away([{"processes": [{"pid": os.getpid(), "name": "nginx"}]}])
    assert [(each["client"], each["port"], each["zone"], len(each["times"])) for each in found] == [
        ("10.0.1.11", 5432, None, 2),
        ("2001:db8::1", 5432, "port", 1),
    ]
