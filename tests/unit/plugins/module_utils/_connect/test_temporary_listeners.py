# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners that only complete handshakes: where they listen, what they take, and that they are gone, in namespaces of their own."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
PRELUDE = """
import errno, json, os, signal, socket, time
from ansible_collections.threeway.handshake.plugins.module_utils._connect.temporary_listeners import TemporaryListeners
from ansible_collections.threeway.handshake.plugins.module_utils._host.sockets import listeners, socket_counts
from ansible_collections.threeway.handshake.plugins.module_utils._record.detached import detach, stop_detached
from ansible_collections.threeway.handshake.plugins.module_utils._work import vantage
def tell(value):
    print(json.dumps(value))
def dial(address, port=5432):
    dialler = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    dialler.settimeout(5)
    dialler.connect((address, port))
    return dialler
def listen(address, port=5432, **options):
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if ":" in address:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options.get("v6only", 0))
    listener.bind((address, port))
    if options.get("listens", True):
        listener.listen()
    return listener
def where(*ends):
    worker = TemporaryListeners(ends)
    told = [[each["address"], each["port"]] for each in worker.ends()], worker.lacking
    worker.close()
    return told
"""


@pytest.fixture(scope="module")
def net() -> Iterator[Rootless]:
    with Rootless() as rootless:
        rootless.sh("ip link set lo up; ip address add 192.0.2.1/32 dev lo; ip address add 2001:db8::1/128 dev lo nodad")
        yield rootless


def script(net: Rootless, code: str) -> Any:
    text = PRELUDE + textwrap.dedent(code)
    return json.loads(net.sh(f"export PYTHONPATH={COLLECTIONS}\n{sys.executable} - <<'PYTHON'\n{text}\nPYTHON"))


def listening(net: Rootless) -> bool:
    return bool(net.sh("ss -Htnl sport = :5432"))


def gone(net: Rootless) -> None:
    for _turn in range(200):
        if not listening(net) and not net.sh("pgrep -x handshake-lsn | while read p; do ps -o state= -p $p | grep -v Z; done", check=False):
            return
        time.sleep(0.05)
    pytest.fail("still listening")


def test_it_completes_handshakes_of_both_families_and_tells_whose(net: Rootless) -> None:
    told = script(
        net,
        """
        worker = TemporaryListeners([("192.0.2.1", 5432), ("2001:db8::1", 5432)])
        handle = detach(worker, 30, 0, "handshake-lsn")
        diallers = [dial("192.0.2.1"), dial("2001:db8::1")]
        diallers[0].sendall(b"nobody reads this")
        ends = [list(each.getsockname()[:2]) for each in diallers]
        diallers[0].close()
        answer = stop_detached(handle)
        tell([ends, answer, [each["port"] for each in listeners([5432])], socket_counts([5432])])
        """,
    )
    ends, answer, left, counts = told
    assert sorted([each["remote"], each["remote_port"]] for each in answer["taken"]) == sorted(ends)
    assert answer["count"] == 2
    assert {each["address"] for each in answer["ends"]} == {"192.0.2.1", "2001:db8::1"}
    assert left == []
    assert set(counts["5432"]) <= {"LAST_ACK", "CLOSE"}, "nothing is left that keeps a service from the port"
    gone(net)


@pytest.mark.parametrize(
    ("service", "end", "listens"),
    [
        ("0.0.0.0", "192.0.2.1", False),
        ("192.0.2.1", "192.0.2.1", False),
        ("::", "192.0.2.1", False),
        ("::", "2001:db8::1", False),
        ("127.0.0.1", "192.0.2.1", True),
        ("2001:db8::1", "192.0.2.1", True),
        ("0.0.0.0", "2001:db8::1", True),
    ],
)
def test_it_never_listens_where_something_else_would_take_the_handshake(net: Rootless, service: str, end: str, listens: bool) -> None:
    ends, lacking = script(net, f"service = listen({service!r}); tell(where(({end!r}, 5432)))")
    assert (ends, lacking) == ([[end, 5432]] if listens else [], [])


def test_an_ipv6_only_socket_takes_no_ipv4(net: Rootless) -> None:
    assert script(net, "service = listen('::', v6only=1); tell(where(('192.0.2.1', 5432)))")[0] == [["192.0.2.1", 5432]]


WITHOUT_THE_CAPABILITY = """
import ctypes, struct
header, data, libc = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24), ctypes.CDLL(None)
assert libc.capget(header, data) == 0
words = list(struct.unpack("6I", data.raw))
words[0] &= ~(1 << 10)  # CAP_NET_BIND_SERVICE
assert libc.capset(header, struct.pack("6I", *words)) == 0
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("service = listen('192.0.2.1', listens=False)\ntell(where(('192.0.2.1', 5432)))", "a socket is bound to it"),
        ("tell(where(('198.51.100.1', 5432)))", "none on 198.51.100.1:5432: it is no address of this host"),
        (f"{WITHOUT_THE_CAPABILITY}tell(where(('192.0.2.1', 80)))", "CAP_NET_BIND_SERVICE"),
    ],
)
def test_it_says_why_it_does_not_listen(net: Rootless, code: str, says: str) -> None:
    ends, lacking = script(net, code)
    assert (ends, len(lacking)) == ([], 1)
    assert says in lacking[0]


def test_an_address_of_what_stands_in_front_is_no_complaint_beside_the_hosts_own(net: Rootless) -> None:
    assert script(net, "tell(where(('198.51.100.1', 5432), ('192.0.2.1', 5432)))") == [[["192.0.2.1", 5432]], []]


def test_what_the_firewall_translates_gets_no_listener(net: Rootless) -> None:
    told = script(net, "worker = TemporaryListeners([('192.0.2.1', 5432)], {('192.0.2.1', 5432)}); tell([worker.ends(), worker.lacking])")
    assert told[0] == []
    assert "translates" in told[1][0]


def test_it_ends_at_its_deadline_when_nobody_comes_back(net: Rootless) -> None:
    """As when the controller is killed between the phases."""
    script(
        net,
        """
        order = {"record": False, "recorder_seconds": 2, "ports": [5432], "phases": ["open"],
                 "temporary_listeners": [{"address": "192.0.2.1", "port": 5432}]}
        opened = vantage.open_(order, lambda *_arguments, **_more: (127, "", ""))
        assert opened["temporary_listeners"]["ends"] == [{"address": "192.0.2.1", "port": 5432}], opened
        assert not [each for each in opened["snapshot"]["listeners"] if each["port"] == 5432]
        tell(dial("192.0.2.1") is not None)
        """,
    )
    gone(net)
    assert net.sh("ss -Htna sport = :5432") == ""


def test_nothing_is_left_when_its_process_is_killed(net: Rootless) -> None:
    script(net, "detach(TemporaryListeners([('192.0.2.1', 5432)]), 60, 0, 'handshake-lsn'); tell(None)")
    assert listening(net)
    net.sh("kill -KILL $(pgrep -x handshake-lsn)")
    gone(net)


def test_it_is_closed_before_the_closing_snapshot(net: Rootless) -> None:
    _opened, closed = script(
        net,
        """
        run = lambda *_arguments, **_more: (127, "", "")
        order = {"record": False, "recorder_seconds": 60, "ports": [5432], "phases": ["open"],
                 "temporary_listeners": [{"address": "192.0.2.1", "port": 5432}]}
        opened = vantage.open_(order, run)
        held = dial("192.0.2.1")
        tell([opened, vantage.close(order, run, None, opened["temporary_listeners"]["handle"])])
        """,
    )
    assert closed["temporary_listeners"]["count"] == 1
    assert not [each for each in closed["after"]["listeners"] if each["port"] == 5432]
    assert [each for each in closed["absent"] if each["what"] == "temporary listeners"] == []
    gone(net)


def test_it_waits_quietly_where_no_descriptor_is_left(net: Rootless) -> None:
    """Its handshakes are told and reset, and it takes no processor time of anybody."""
    told = script(
        net,
        """
        import resource
        diallers = [socket.socket() for _each in range(3)]
        worker = TemporaryListeners([("192.0.2.1", 5432)])
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        fill = []
        try:
            while True:
                fill.append(os.dup(0))
        except OSError as error:
            full = errno.errorcode[error.errno]
        for dialler in diallers:
            dialler.connect(("192.0.2.1", 5432))
        import select
        turns = 0
        while select.select([worker.fileno()], [], [], 0.2)[0] and turns < 50:
            worker.collect()
            turns += 1
        ended = []
        for dialler in diallers:
            dialler.settimeout(2)
            try:
                ended.append(len(dialler.recv(1)))
            except OSError as error:
                ended.append(errno.errorcode[error.errno])
        os.close(fill.pop())
        worker.collect()
        answer = worker.finish()
        tell([full, turns, answer["count"], ended])
        """,
    )
    full, turns, count, ended = told
    assert (full, count, ended) == ("EMFILE", 3, ["ECONNRESET"] * 3)
    assert turns <= 5
