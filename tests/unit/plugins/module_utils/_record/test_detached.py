# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds and life of the recorder, in namespaces of its own."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._record.interest import Interest, RecorderError
from ansible_collections.threeway.handshake.plugins.module_utils._wire.describe import describe
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
PRELUDE = """
import json, os, signal, socket, subprocess, time
from ansible_collections.threeway.handshake.plugins.module_utils._record.detached import *
from ansible_collections.threeway.handshake.plugins.module_utils._errors import *
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import unpack
from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._record.recorder import *
def knock(port=5432, address="127.0.0.1"):
    with socket.socket() as dialler:
        dialler.connect_ex((address, port))
def tell(value):
    print(json.dumps(value))
def failure(function, *arguments, **more):
    try:
        function(*arguments, **more)
    except ObserveError as error:
        return type(error).__name__, str(error)
"""


@pytest.fixture
def net() -> Iterator[Rootless]:
    with Rootless() as rootless:
        yield rootless


def script(net: Rootless, code: str, prefix: str = "") -> Any:
    text = PRELUDE + textwrap.dedent(code)
    return json.loads(net.sh(f"export PYTHONPATH={COLLECTIONS}\n{prefix} {sys.executable} - <<'PYTHON'\n{text}\nPYTHON"))


def start(net: Rootless, seconds: float) -> str:
    """A detached recorder whose starter has ended."""
    handle: str = script(net, f"tell(start_detached([5432], ['127.0.0.1'], {seconds}))")
    return handle


def recorders(net: Rootless) -> list[str]:
    return net.sh("pgrep -x handshake-rec | while read p; do [ $(ps -o state= -p $p) = Z ] || echo $p; done", check=False).split()


def gone(net: Rootless) -> None:
    """Wait until neither a recorder nor its directory is there."""
    for _turn in range(100):
        if not recorders(net) and net.sh("test -e /run/threeway-handshake || echo gone"):
            return
        time.sleep(0.05)
    pytest.fail(f"still there: {recorders(net)}, {net.sh('ls -R /run/threeway-handshake', check=False)}")


def test_a_detached_recorder_outlives_its_starter_and_keeps_to_itself(net: Rootless) -> None:
    handle = start(net, 30)
    script(net, "tell(knock())")
    (pid,) = recorders(net)
    place = f"/run/threeway-handshake/{handle}"
    assert net.sh(f"stat -c '%a %F' {place}/.. {place} {place}/*").splitlines() == ["700 directory", "700 directory", "600 socket"]
    assert net.sh(f"readlink /proc/{pid}/cwd /proc/{pid}/fd/0 /proc/{pid}/fd/1 /proc/{pid}/fd/2").split() == ["/", *["/dev/null"] * 3]
    assert len(net.sh(f"ls /proc/{pid}/fd").split()) == 7, (
        "those, its ring (mapped memory holds a second one), what polls it, and its control socket"
    )
    assert net.sh(f"ps -o tty=,ppid= -p {pid}").split() == ["?", "1"]
    assert "unlimited" not in net.sh(f"grep 'Max address space' /proc/{pid}/limits")

    so_far = script(net, f"tell(read_detached('{handle}'))")
    script(net, "tell(knock())")
    recording = script(net, f"tell(stop_detached('{handle}'))")
    assert [packet["flags"] for packet in describe(so_far)] == [["SYN"], ["RST", "ACK"]]
    assert [packet["flags"] for packet in describe(recording)] == [["SYN"], ["RST", "ACK"]] * 2
    assert recording["interfaces"] == {"1": "lo"} and recording["from"] == so_far["from"] < so_far["to"] < recording["to"]
    gone(net)


def test_every_packet_after_the_start_is_recorded(net: Rootless) -> None:
    recording = script(net, "handle = start_detached([5432], [], 10); knock(); tell(stop_detached(handle))")
    assert recording["count"] == 2 and recording["dropped"] == 0


def test_at_its_deadline_a_recorder_is_gone_without_a_trace(net: Rootless) -> None:
    handle = start(net, 0.3)
    gone(net)
    assert script(net, f"tell(failure(stop_detached, '{handle}'))") == [
        "RecorderError",
        f"there is no recorder {handle}: its deadline has passed, or something on this host ended it",
    ]


def test_a_terminated_recorder_removes_itself(net: Rootless) -> None:
    start(net, 30)
    net.sh(f"kill {recorders(net)[0]}")
    gone(net)


def test_the_next_recorder_removes_what_a_killed_one_left_but_no_living_one(net: Rootless) -> None:
    alive = start(net, 30)
    (first,) = recorders(net)
    killed = start(net, 30)
    net.sh(f"kill -9 {' '.join(set(recorders(net)) - {first})}")
    assert set(net.sh("ls /run/threeway-handshake").split()) == {alive, killed}
    third = start(net, 30)
    assert set(net.sh("ls /run/threeway-handshake").split()) == {alive, third}
    for handle in (alive, third):
        assert script(net, f"tell(stop_detached('{handle}'))")["count"] == 0


def test_recorders_that_start_while_others_end_find_their_place(net: Rootless) -> None:
    """The last one takes the place of all of them along."""
    code = """
    import sys
    loop = "from ansible_collections.threeway.handshake.plugins.module_utils._record.detached import *\\n"
    loop += "for _ in range(40): stop_detached(start_detached([5432], [], 30))"
    several = [subprocess.Popen([sys.executable, "-B", "-c", loop], env=os.environ, stderr=subprocess.PIPE) for _ in range(6)]
    tell([process.communicate()[1].decode()[-300:] for process in several])
    """
    assert script(net, code) == [""] * 6


def test_a_recorder_that_is_too_busy_to_answer_is_neither_dead_nor_lost(net: Rootless) -> None:
    """More look whether it is alive than its queue has room for."""
    code = """
    import threading
    handle = start_detached([5432], [], 30)
    pid = int(subprocess.run(["pgrep", "-x", "handshake-rec"], stdout=subprocess.PIPE, check=True).stdout)
    os.kill(pid, signal.SIGSTOP)
    others = [start_detached([5432], [], 30) for _ in range(8)]
    threading.Timer(0.5, os.kill, (pid, signal.SIGCONT)).start()
    tell([stop_detached(each)["count"] for each in [handle, *others]])
    """
    assert script(net, code) == [0] * 9


def test_an_idle_recorder_uses_no_time(net: Rootless) -> None:
    handle = start(net, 30)
    (pid,) = recorders(net)
    counters = f"grep -h ctxt /proc/{pid}/status"
    before = net.sh(counters)
    time.sleep(1)
    assert net.sh(counters) == before, "it has not even been woken"
    script(net, f"tell(stop_detached('{handle}'))")


@pytest.mark.parametrize("handle", ["../../etc", "", "0123456789abcdeg", "0123456789abcdef/", "0123456789abcdef\\n"])
def test_a_handle_is_no_path(net: Rootless, handle: str) -> None:
    kind, message = script(net, f"tell(failure(stop_detached, '{handle}'))")
    assert kind == "RecorderError" and "is not a handle that a recorder gave out" in message


def test_a_directory_of_somebody_else_is_not_used(net: Rootless) -> None:
    net.sh("mkdir -m 777 /run/threeway-handshake; mkdir -m 700 /run/elsewhere")
    try:
        handle = script(net, "tell(start_detached([5432], [], 30))", "TMPDIR=/run/elsewhere")
        assert net.sh("ls /run/threeway-handshake; ls /run/elsewhere/threeway-handshake-0").split() == [handle]
        assert script(net, f"tell(stop_detached('{handle}'))", "TMPDIR=/run/elsewhere")["count"] == 0
        net.sh("chmod 777 /run/elsewhere; mkdir -m 755 /run/elsewhere/threeway-handshake-0 2>/dev/null || chmod 755 /run/elsewhere/*")
        kind, message = script(net, "tell(failure(start_detached, [5432], [], 30))", "TMPDIR=/run/elsewhere")
        assert kind == "RecorderError" and "a directory that belongs to this user alone" in message
    finally:
        net.sh("rm -r /run/threeway-handshake /run/elsewhere")


def test_without_cap_net_raw_it_says_what_to_do(net: Rootless) -> None:
    failure = script(net, "tell(failure(start_detached, [5432], [], 30))", "setpriv --bounding-set=-net_raw")
    assert failure == ["NotPermittedError", "recording packets needs CAP_NET_RAW in the network namespace of this host: run with become"]
    assert not net.sh("ls /run/threeway-handshake 2>/dev/null || true")


def test_packets_bound_a_recording(net: Rootless) -> None:
    recording = script(
        net,
        """
        recording = Recording([5432], [], max_packets=3)
        for _turn in range(4):
            knock()
        tell(recording.finish())""",
    )
    assert (recording["count"], recording["truncated"]) == (3, "packets")


def test_bytes_bound_a_recording(net: Rootless) -> None:
    recording = script(
        net,
        """
        recording = Recording([5432], [], max_bytes=20_000)
        for _turn in range(200):
            knock(); recording.collect(); time.sleep(0.001)
        tell(recording.finish())""",
    )
    assert recording["truncated"] == "bytes" and 30 < recording["count"] < 400


def test_a_deadline_bounds_a_recording_in_this_process(net: Rootless) -> None:
    recording = script(
        net,
        """
        recording = Recording([5432], [], seconds=0.2)
        knock(); time.sleep(0.3); recording.collect(); knock()
        tell(recording.finish())""",
    )
    assert (recording["count"], recording["truncated"]) == (2, "deadline")


def test_when_room_is_short_handshakes_stay_and_chatter_goes(net: Rootless) -> None:
    recording = script(
        net,
        """
        server = socket.socket(); server.bind(("127.0.0.1", 5432)); server.listen()
        old = socket.create_connection(("127.0.0.1", 5432)); far, _ = server.accept()
        recording = Recording([5432], ["127.0.0.1"], max_packets=50)
        def chat():
            for _turn in range(200):
                old.send(b"x"); far.recv(1); far.send(b"y"); old.recv(1)
        chat()
        new = socket.create_connection(("127.0.0.1", 5432)); new.close(); server.accept()[0].close()
        knock(5433)
        chat()
        tell(recording.finish())""",
    )
    packets = describe(recording)
    assert recording["truncated"] is None
    assert [packet["flags"] for packet in packets][:3] == [["SYN"], ["SYN", "ACK"], ["ACK"]] and len(packets) < 10


def test_interest_selects_the_handshakes_that_were_tried(net: Rootless) -> None:
    code = """
        recording = Recording([5432, 5433], ["127.0.0.1"])
        for port in (5432, 5433):
            knock(port)
        everything = recording.result()
        isn = decode(unpack(everything["frames"])[0].data, 0x800).tcp.seq
        by_isn = recording.result({"isns": [isn], "ports": [], "addresses": []})
        by_port = recording.result({"isns": [], "ports": [5433], "addresses": []})
        nothing = recording.finish({"isns": [], "ports": [1], "addresses": ["192.0.2.1"]})
        tell([everything, by_isn, by_port, nothing])"""
    everything, by_isn, by_port, nothing = script(net, code)
    assert [recording["count"] for recording in (everything, by_isn, by_port, nothing)] == [4, 2, 2, 0]
    assert {packet["destination_port"] for packet in describe(by_isn) if packet["flags"] == ["SYN"]} == {5432}
    assert {packet["destination_port"] for packet in describe(by_port) if packet["flags"] == ["SYN"]} == {5433}


@pytest.mark.parametrize(
    "interest",
    [
        {},
        {"isns": ["x"], "ports": [], "addresses": []},
        {"isns": [], "ports": [0], "addresses": []},
        {"isns": [], "ports": [], "addresses": ["db"]},
        {"isns": None, "ports": [], "addresses": []},
    ],
)
def test_an_interest_that_is_none(interest: dict[str, Any]) -> None:
    with pytest.raises(RecorderError, match="the interest of a recording needs isns, ports and addresses"):
        Interest.of(interest)


def test_what_the_recorder_refuses_is_an_observe_error() -> None:
    assert issubclass(RecorderError, ObserveError)
