# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that the kernel drops for all kinds of reasons: what the tracer tells of them, and what the kernel tells others."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
import typing as t
from collections import Counter
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._drops import bpf_call
from ansible_collections.threeway.handshake.plugins.module_utils._drops import tracer as tracer_module
from ansible_collections.threeway.handshake.plugins.module_utils._drops.event import Event
from ansible_collections.threeway.handshake.plugins.module_utils._drops.records import Flow
from ansible_collections.threeway.handshake.plugins.module_utils._drops.tracer import Tracer
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.kinds import SYN, nft, nstat
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.segments import segment4, segment6
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.wire import (
    CLIENT,
    COLLECTIONS,
    FLOW,
    FLOW6,
    PORT,
    SERVER,
    SERVER6,
    Wire,
)

pytestmark = pytest.mark.root  # BPF programs that trace

BPF_PROG_GET_FD_BY_ID = 13
PRELUDE = """
import json, os, sys, time
from ansible_collections.threeway.handshake.plugins.module_utils._drops.absence import Unavailable
from ansible_collections.threeway.handshake.plugins.module_utils._drops.tracer import Flow, Tracer
"""


@pytest.fixture
def wire() -> t.Iterator[Wire]:
    with Wire() as wire:
        yield wire


def brief(events: t.Iterable[Event]) -> list[tuple[t.Any, ...]]:
    return [(event.kind, event.flags, event.reason, event.function) for event in events]


def script(code: str, *prefix: str) -> subprocess.Popen[str]:
    """A process of its own that traces."""
    environment = {"PYTHONPATH": str(COLLECTIONS), "PATH": os.environ["PATH"]}
    text = PRELUDE + textwrap.dedent(code)
    return subprocess.Popen([*prefix, sys.executable, "-c", text], stdout=subprocess.PIPE, universal_newlines=True, env=environment)


def answer(code: str, *prefix: str) -> t.Any:
    with script(code, *prefix) as process:
        assert process.stdout is not None
        return json.loads(process.stdout.read())


@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_a_handshake_that_works_and_its_end_are_no_events(wire: Wire, address: str) -> None:
    wire.listen(address=address)
    with Tracer([FLOW, FLOW6]) as tracer:
        assert [wire.knock(address) for _turn in range(3)] == ["connected"] * 3
        assert [event for event in wire.own(tracer.events()) if event.kind != "freed"] == []


@pytest.mark.parametrize(
    ("host", "hook", "rule", "flags"),
    [
        ("client", "input", "tcp sport 5432 tcp flags & (syn | ack) == syn | ack drop", ("SYN", "ACK")),
        ("server", "output", "tcp sport 5432 tcp flags & (syn | ack) == syn | ack drop", ("SYN", "ACK")),
        ("server", "input", "tcp dport 5432 tcp flags & (syn | ack) == ack drop", ("ACK",)),
    ],
)
def test_the_later_packets_of_a_handshake(wire: Wire, host: str, hook: str, rule: str, flags: tuple[str, ...]) -> None:
    wire.listen()
    wire.sh(host, nft(host, hook, rule=rule).setup)
    with Tracer([FLOW]) as tracer:
        wire.knock()
        events = wire.own(tracer.events())
    assert ("drop", flags, "NETFILTER_DROP", "nft_do_chain") in brief(events)
    ends = {(event.source, event.destination) for event in events if event.flags == flags}
    assert ends == {(CLIENT, SERVER) if flags == ("ACK",) else (SERVER, CLIENT)}


def test_what_is_dropped_behind_a_translation_has_the_ends_behind_it(wire: Wire) -> None:
    wire.listen()
    redirect = "type nat hook prerouting priority -100; tcp dport 5432 redirect to :9090"
    wire.sh("server", f"nft 'table ip n {{ chain p {{ {redirect}; }}; }}'")
    wire.sh("server", nft("server", "input", rule="tcp dport 9090 drop").setup)
    for flows, seen in (([FLOW], []), ([FLOW, FLOW._replace(port=9090)], [("drop", SYN, "NETFILTER_DROP", "nft_do_chain")])):
        with Tracer(flows) as tracer:
            wire.knock()
            assert brief(wire.own(tracer.events())) == seen


def test_a_refusal_that_is_lost(wire: Wire) -> None:
    wire.sh("client", nft("client", "input", rule="tcp flags rst drop").setup)
    with Tracer([FLOW]) as tracer:
        wire.knock()
        events = wire.own(tracer.events())
    assert Counter(brief(events)) == Counter(
        [
            ("reset", SYN, "NO_SOCKET", "tcp_v4_send_reset"),
            ("drop", SYN, "NO_SOCKET", "tcp_v4_rcv"),
            ("drop", ("RST", "ACK"), "NETFILTER_DROP", "nft_do_chain"),
        ]
    )


@pytest.mark.parametrize("flow", [FLOW, FLOW6])
def test_a_syn_ack_that_is_sent_again(wire: Wire, flow: Flow) -> None:
    wire.listen(address=flow.server)
    wire.sh("router", nft("router", "forward", rule="tcp sport 5432 drop").setup)
    with Tracer([flow]) as tracer:
        wire.knock(flow.server, seconds=1.6)
        events = wire.own(tracer.events())
    again = [event for event in events if event.kind == "syn_ack_again"]
    assert again
    for event in again:
        assert (event.source, event.source_port, event.destination, event.flags) == (flow.server, PORT, flow.client, None)
        assert event.namespace == wire.namespaces["server"]
    lost = [event for event in events if event.flags == ("SYN", "ACK")]
    # The client's second SYN has its answer: it is freed without a word why.
    assert {(event.kind, event.flags) for event in events if event not in lost} <= {("syn_ack_again", None), ("freed", SYN)}
    assert {event.destination_port for event in again} == {event.destination_port for event in lost}


@pytest.mark.parametrize(
    ("packet", "host", "reason", "function"),
    [
        (segment4(flags=0x02, options=bytes(4) + b"\x01" * 36), "server", "NETFILTER_DROP", "nft_do_chain"),
        (segment4(ip_checksum=False), "router", "IP_CSUM", "ip_rcv_core"),
        (segment6(extensions=[60]), "server", "NETFILTER_DROP", "nft_do_chain"),
        (segment6(extensions=[60, 60]), "server", "NETFILTER_DROP", "nft_do_chain"),
    ],
    ids=["IPv4 options", "IPv4 checksum", "destination options", "destination options twice"],
)
def test_headers_of_unusual_length(wire: Wire, packet: bytes, host: str, reason: str, function: str) -> None:
    wire.introduce()
    wire.sh("server", nft("server", "input", rule="meta l4proto tcp drop").setup)
    with Tracer([FLOW, FLOW6]) as tracer:
        wire.send(packet)
        (event,) = wire.own(tracer.events())
    assert brief([event]) == [("drop", SYN, reason, function)]
    assert (event.source_port, event.destination_port, event.sequence) == (40001, PORT, 1000)
    assert event.namespace == wire.namespaces[host]


@pytest.mark.parametrize(
    ("packet", "reason", "counter"),
    [
        (segment4(tcp_checksum=False), "TCP_CSUM", "TcpInCsumErrors"),
        (segment6(tcp_checksum=False), "TCP_CSUM", "TcpInCsumErrors"),
        (segment4(flags=0x06), "TCP_RESET", None),
        (segment4(flags=0x00), "TCP_FLAGS", None),
    ],
    ids=["IPv4", "IPv6", "SYN and RST", "no flags"],
)
def test_a_segment_that_a_listener_does_not_take(wire: Wire, packet: bytes, reason: str, counter: str | None) -> None:
    wire.listen(address="::")
    wire.introduce()
    before = wire.number("server", nstat(counter)) if counter else 0
    with Tracer([FLOW, FLOW6]) as tracer:
        wire.send(packet)
        events = wire.own(tracer.events())
    assert [event.reason for event in events] == ([] if reason == "TCP_RESET" else [reason])
    assert {event.namespace for event in events} <= {wire.namespaces["server"]}
    if counter:
        assert wire.number("server", nstat(counter)) - before == 1


@pytest.mark.parametrize(("flow", "reason"), [(FLOW, "NEIGH_FAILED"), (FLOW6, "NOT_SPECIFIED")])
def test_a_next_hop_that_does_not_answer(wire: Wire, flow: Flow, reason: str) -> None:
    wire.sh("server", f"ip address del {SERVER}/24 dev eth0; ip address del {SERVER6}/64 dev eth0")
    with Tracer([flow]) as tracer:
        wire.knock(flow.server, seconds=4)
        events = wire.own(tracer.events())
    assert set(brief(events)) == {("drop", SYN, reason, "neigh_invalidate")}
    assert {event.namespace for event in events} == {wire.namespaces["router"]}


def test_a_next_hop_on_the_way_back_that_does_not_answer(wire: Wire) -> None:
    wire.listen()
    wire.introduce()
    wire.sh("server", "ip route replace default via 198.51.100.77")
    with Tracer([FLOW]) as tracer:
        wire.knock(seconds=4)
        events = wire.own(tracer.events())
    assert {event.kind for event in events} <= {"drop", "syn_ack_again", "freed"}
    assert {each for each in brief(events) if each[0] == "drop"} == {("drop", ("SYN", "ACK"), "NEIGH_FAILED", "neigh_invalidate")}


def test_what_leaves_no_event_is_left_to_counters(wire: Wire) -> None:
    wire.listen("--behaviour=silent", "--backlog=0")
    while wire.knock() == "connected":
        pass
    overflows = nstat("TcpExtListenOverflows"), nstat("TcpExtListenDrops")
    before = [wire.number("server", counter) for counter in overflows]
    with Tracer([FLOW]) as tracer:
        wire.knock()
        assert [event for event in wire.own(tracer.events()) if event.flags == SYN] == []
    assert [wire.number("server", counter) > value for counter, value in zip(overflows, before)] == [True, True]


def test_a_missing_way_back_leaves_no_event(wire: Wire) -> None:
    wire.listen()
    wire.sh("server", "ip route del default")
    with Tracer([FLOW]) as tracer:
        wire.knock()
        assert wire.own(tracer.events()) == []
    assert wire.number("server", nstat("IpOutNoRoutes")) == 1


def test_only_the_flows_and_the_namespace_are_told(wire: Wire) -> None:
    everywhere = [
        Flow(CLIENT, SERVER, PORT + 1),
        Flow(None, SERVER, PORT + 2),
        Flow(None, SERVER6, PORT + 2),
        Flow("192.0.2.9", SERVER, PORT),
    ]
    with Tracer(everywhere) as tracer, Tracer([FLOW], wire.namespaces["server"]) as here, Tracer(
        [FLOW], wire.namespaces["client"]
    ) as there:
        for port in range(PORT, PORT + 3):
            wire.knock(port=port)
            wire.knock(SERVER6, port=port)
        told = [(event.destination, event.destination_port) for event in wire.own(tracer.events()) if event.kind == "drop"]
        assert told == [(SERVER, PORT + 1), (SERVER, PORT + 2), (SERVER6, PORT + 2)]
        assert [(event.kind, event.destination_port) for event in here.events()].count(("drop", PORT)) == 1
        assert there.events() == []


def test_the_clock_is_that_of_the_epoch(wire: Wire) -> None:
    with Tracer([FLOW], wire.namespaces["server"]) as tracer:
        before = time.time_ns()
        wire.knock()
        after = time.time_ns()
        assert all(before < event.time_ns < after for event in tracer.events())


def test_bounds_end_a_trace(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer_module, "MAX_EVENTS", 3)
    with Tracer([FLOW], wire.namespaces["server"]) as tracer, Tracer([FLOW], wire.namespaces["server"], seconds=0.05) as brief_one:
        time.sleep(0.1)
        brief_one.collect()
        for _turn in range(4):
            wire.knock()
        assert (len(tracer.events()), tracer.truncated) == (3, "events")
        assert (brief_one.events(), brief_one.truncated) == ([], "deadline")


def test_what_finds_no_room_is_counted(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer_module, "RING_BYTES", 4096)
    with Tracer([FLOW], wire.namespaces["server"]) as tracer:
        for _turn in range(10):
            wire.knock()
        kept = len(tracer.events())
        assert tracer.lost > 0
        assert kept + tracer.lost == 20


def programs(pid: int) -> list[int]:
    """The identifiers of the programs that a process has attached."""
    texts = [Path(f"/proc/{pid}/fdinfo/{each}").read_text(encoding="ascii") for each in os.listdir(f"/proc/{pid}/fd")]
    return [int(text.split("prog_id:")[1].split()[0]) for text in texts if "prog_id:" in text]


def is_loaded(program: int) -> bool:
    try:
        os.close(bpf_call.command(BPF_PROG_GET_FD_BY_ID, struct.pack("=III", program, 0, 0)))
    except FileNotFoundError:
        return False
    return True


def test_nothing_stays_when_the_process_is_killed() -> None:
    with script(f"tracer = Tracer([Flow('{CLIENT}', '{SERVER}', 1)]); print(os.getpid(), flush=True); time.sleep(60)") as process:
        assert process.stdout is not None and process.stdout.readline()
        attached = programs(process.pid)
        assert len(attached) == 3 and all(map(is_loaded, attached))
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(map(is_loaded, attached)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_loaded, attached))


def test_no_descriptor_stays_behind_a_trace() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with Tracer([FLOW]):
        assert len(os.listdir("/proc/self/fd")) > len(before)
    assert sorted(os.listdir("/proc/self/fd")) == before


REFUSAL = """
try:
    Tracer([Flow("192.0.2.1", "198.51.100.2", 5432)])
except Unavailable as error:
    print(json.dumps([error.kind, error.value, str(error)]))
"""


@pytest.mark.parametrize(
    "prefix",
    [
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
        ["unshare", "--user", "--map-root-user"],
    ],
)
def test_without_privileges_it_is_absent_and_says_so(prefix: list[str]) -> None:
    kind, value, why = answer(REFUSAL, *prefix)
    assert (kind, value) == ("call", "bpf EPERM")
    assert "run with become" in why


def test_flows_that_are_none_are_refused() -> None:
    Tracer([Flow("fe80::1%lo", "FE80:0::2", 5432)]).close()
    for flow in (Flow("192.0.2.1", "nonsense", 5432), Flow("192.0.2.1", "192.0.2.2", 0)):
        with pytest.raises(ValueError, match=r"nonsense|0 is no port"):
            Tracer([flow])
