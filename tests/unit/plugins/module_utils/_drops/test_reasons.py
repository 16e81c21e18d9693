# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of packets that are lost in all kinds of ways, against its counters and the text of its own tracepoint."""

from __future__ import annotations

import time
import typing as t
from collections import Counter

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._drops import reasons
from ansible_collections.threeway.handshake.plugins.module_utils._drops.tracer import Tracer
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.kernel_text import KernelText
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.kinds import AT, CASES, SYN
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.wire import FLOW, FLOW6, PORT, Wire


@pytest.fixture
def wire() -> t.Iterator[Wire]:
    with Wire() as wire:
        yield wire


@pytest.fixture(scope="module")
def kernel_text() -> t.Iterator[KernelText]:
    with KernelText() as text:
        yield text


@pytest.mark.root  # BPF programs that trace
@pytest.mark.parametrize("name", CASES)
def test_a_lost_packet_is_told_with_its_reason(wire: Wire, kernel_text: KernelText, name: str) -> None:
    case = CASES[name]
    client, server, _port = case.flow
    if case.listen is not None:
        wire.listen(*case.listen, address=server)
    wire.introduce()
    if case.setup:
        wire.sh(case.host, case.setup.replace("{lab}", str(wire.lab)))
    before = wire.number(case.host, case.counter) if case.counter else 0
    with kernel_text.of(case.reason), Tracer([FLOW, FLOW6]) as tracer:
        assert wire.knock(server) != "connected"
        events = wire.own(tracer.events())
        assert (tracer.lost, tracer.truncated, tracer.missing) == (0, None, [])
    assert Counter([(event.kind, event.flags, event.reason, event.function) for event in events]) == Counter(
        [*case.also, ("drop", SYN, case.reason, case.function)]
    )
    assert {(event.source, event.destination, event.destination_port) for event in events} == {(client, server, PORT)}
    assert {event.namespace for event in events} == {wire.namespaces[AT.get(name, case.host)]}
    if case.caller:
        assert case.caller in events[-1].callers
    if case.counter:
        assert wire.number(case.host, case.counter) - before == 1
    assert not Counter([(case.reason, case.function)]) - Counter(kernel_text.drops())
    assert all(abs(event.time_ns - time.time_ns()) < 5e9 for event in events)


def test_reasons_have_the_names_of_the_kernel() -> None:
    names = {0: "NOT_DROPPED_YET", 1: "CONSUMED", 2: "NOT_SPECIFIED", 12: "NETFILTER_DROP", 45: "TCP_RESET"}
    assert reasons.name(12, names, {}) == "NETFILTER_DROP"
    assert reasons.name(99, names, {}) == "99"
    assert reasons.name(2 << 16 | 5, names, {2: "OPENVSWITCH"}) == "OPENVSWITCH:5"
    assert reasons.name(12, {}, {}) is None
    assert reasons.normal(names) == [0, 1, 45]
    assert [
        reasons.is_freed(*each) for each in (("NOT_SPECIFIED", "tcp_v4_rcv"), ("NOT_SPECIFIED", "ip_error"), ("TCP_CSUM", "tcp_v4_rcv"))
    ] == [
        True,
        False,
        False,
    ]
