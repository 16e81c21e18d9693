# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program run by the kernel (BPF_PROG_TEST_RUN) on packets that lie in a map: also those that no network here can produce."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import struct
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._drops import bpf_call, layout, program, records
from ansible_collections.threeway.handshake.plugins.module_utils._drops.ebpf import DW, FP, JEQ, R0, R1, R2, Program, W
from ansible_collections.threeway.handshake.plugins.module_utils._drops.records import Flow, Segment
from ansible_collections.threeway.handshake.plugins.module_utils._drops.ring import RingBuffer
from ansible_collections.threeway.handshake.plugins.module_utils._drops.routines import Choice, Maps
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils import packets
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.segments import segment4, segment6
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.wire import (
    CLIENT,
    CLIENT6,
    FLOW,
    FLOW6,
    PORT,
    SERVER,
    SERVER6,
)

pytestmark = pytest.mark.root

PROG_TEST_RUN, MAP_LOOKUP = 10, 1
SIZE, SKB, SOCK, HEAD = 4096, 0, 512, 2048  # of the map's one element, and what lies where in it
LINK, UNSET = 64, 0xFFFF  # where a link header begins
IPV4, IPV6 = 0x0800, 0x86DD
DROPPED, CONSUMED = 12, 1
FLOWS = frozenset((FLOW, FLOW6, Flow(None, SERVER, PORT + 1)))


class Machine:
    """The program for drops with some flows, and memory of the kernel in which packets are put together."""

    def __init__(self) -> None:
        self._undo = contextlib.ExitStack()
        self.layout = layout.read()
        self._memory = self._map(bpf_call.ARRAY, 4, SIZE, 1)
        self._address = self._find_memory()
        self._ring = RingBuffer(1 << 16)
        self._undo.callback(self._ring.close)
        flows, lost = self._map(bpf_call.HASH, records.KEY_SIZE, 1, 64), self._map(bpf_call.ARRAY, 4, 8, 1)
        for flow in FLOWS:
            for key in records.keys(flow):
                bpf_call.update(flows, key, b"\1")
        maps, choice = Maps(flows, self._ring.fileno(), lost), Choice(None, True, (CONSUMED,))
        self._arguments = self.layout.arguments[layout.KFREE_SKB]
        code = program.build(records.DROP, self._arguments, self.layout, maps, choice)
        self._program = self._load(code)

    def close(self) -> None:
        self._undo.close()

    def run(
        self,
        packet: bytes,
        protocol: int,
        network: int | None = LINK + 14,
        link: int = LINK,
        data: int = LINK + 14,
        reason: int = DROPPED,
        sock: bytes = b"",
    ) -> records.Raw | None:
        """What is told of a packet that lies behind its link header. `network`, `link`, `data`: what it says of where they are."""
        memory = bytearray(SIZE)
        at = self.layout.offsets
        for name, form, value in (
            ("skb_protocol", "!H", protocol),
            ("skb_network_header", "=H", network or 0),
            ("skb_mac_header", "=H", link),
            ("skb_tail", "=I", LINK + 14 + len(packet)),
            ("skb_head", "=Q", self._address + HEAD),
            ("skb_data", "=Q", self._address + HEAD + data),
            ("skb_sk", "=Q", self._address + SOCK if sock else 0),
        ):
            struct.pack_into(form, memory, SKB + at[name], value)
        memory[SOCK : SOCK + len(sock)] = sock
        memory[HEAD + LINK + 14 : HEAD + LINK + 14 + len(packet)] = packet
        bpf_call.update(self._memory, bytes(4), bytes(memory))
        context = [0] * 5
        for place, value in ((self._arguments.skb, self._address + SKB), (self._arguments.reason, reason)):
            assert place is not None
            context[place] = value
        self._run(self._program, struct.pack("=5Q", *context))
        told = [records.decode(record) for record in self._ring.records()]
        assert len(told) <= 1
        return told[0] if told else None

    def _find_memory(self) -> int:
        """Have a program write down where its map is."""
        finder = Program()
        finder.store_constant(W, FP, -4, 0)
        finder.map(R1, self._memory)
        finder.move(R2, FP)
        finder.add(R2, -4)
        finder.call(MAP_LOOKUP)
        finder.when(JEQ, R0, 0, "out")
        finder.store(DW, R0, 0, R0)
        finder.label("out")
        finder.constant(R0, 0)
        finder.leave()
        self._run(self._load(finder.assemble()), bytes(40))
        return int(struct.unpack("=Q", bpf_call.look_up(self._memory, bytes(4), SIZE)[:8])[0])

    def _map(self, *shape: int) -> int:
        descriptor = bpf_call.create_map(*shape)
        self._undo.callback(os.close, descriptor)
        return descriptor

    def _load(self, code: bytes) -> int:
        descriptor = bpf_call.load(bpf_call.RAW_TRACEPOINT, code, "test")
        self._undo.callback(os.close, descriptor)
        return descriptor

    @staticmethod
    def _run(descriptor: int, context: bytes) -> None:
        held = ctypes.create_string_buffer(context, len(context))
        order = struct.pack("=IIIIQQIIIIQQIII4x", descriptor, 0, 0, 0, 0, 0, 0, 0, len(context), 0, ctypes.addressof(held), 0, 0, 0, 0)
        bpf_call.command(PROG_TEST_RUN, order)


@pytest.fixture(scope="module")
def machine() -> t.Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.close()


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"link": UNSET},  # sent by this host
        {"network": 0},  # as a driver delivers it
        {"network": LINK},  # as some packet sockets send it
        {"network": LINK, "link": UNSET},
        {"network": 500},
        {"data": LINK + 34},  # the IP layer has done its work
    ],
)
@pytest.mark.parametrize(("packet", "protocol"), [(segment4(), IPV4), (segment6(), IPV6)])
def test_headers_are_found_wherever_the_packet_says_they_are(machine: Machine, packet: bytes, protocol: int, where: dict[str, int]) -> None:
    raw = machine.run(packet, protocol, **where)  # type: ignore[arg-type]
    ends = (CLIENT, SERVER) if protocol == IPV4 else (CLIENT6, SERVER6)
    assert raw is not None
    assert raw.segment == Segment(source=ends[0], source_port=40001, destination=ends[1], destination_port=PORT, flags=2, sequence=1000)
    assert (raw.reason, raw.namespace, raw.cgroup) == (DROPPED, 0, 0)


def test_what_is_no_drop_or_no_ip_is_not_told(machine: Machine) -> None:
    assert machine.run(segment4(), IPV4, reason=CONSUMED) is None
    assert machine.run(segment4(), 0x0806) is None
    assert machine.run(segment4(), 0) is None
    assert machine.run(segment4(), IPV6) is None
    assert machine.run(segment6(), IPV4) is None


@pytest.mark.parametrize("family", [2, 10])
def test_a_packet_without_headers_is_told_by_its_socket(machine: Machine, family: int) -> None:
    sock, at = bytearray(1024), machine.layout.offsets
    ends = (CLIENT, SERVER) if family == 2 else (CLIENT6, SERVER6)
    names = ("sk_local", "sk_remote") if family == 2 else ("sk_local6", "sk_remote6")
    for name, address in zip(names, ends):
        packed = ipaddress.ip_address(address).packed
        sock[at[name] : at[name] + len(packed)] = packed
    struct.pack_into("=H", sock, at["sk_family"], family)
    struct.pack_into("=H", sock, at["sk_local_port"], 40001)
    struct.pack_into("!H", sock, at["sk_remote_port"], PORT)
    raw = machine.run(b"\0" * 40, 0, sock=bytes(sock))
    assert raw is not None
    assert raw.segment == Segment(source=ends[0], source_port=40001, destination=ends[1], destination_port=PORT, sequence=None)


ADDRESSES4 = st.sampled_from([CLIENT, SERVER, "192.0.2.77"]).map(lambda text: ipaddress.ip_address(text).packed)
ADDRESSES6 = st.sampled_from([CLIENT6, SERVER6]).map(lambda text: ipaddress.ip_address(text).packed)
PORTS = st.sampled_from([PORT, PORT + 1, 40001])
SEGMENTS = st.builds(packets.tcp, flags=st.integers(0, 255), sport=PORTS, dport=PORTS)
PACKETS4 = st.builds(
    packets.ipv4,
    SEGMENTS,
    protocol=st.sampled_from([6, 6, 6, 17]),
    options=st.sampled_from([b"", b"\x01" * 4, b"\x01" * 40]),
    flags_offset=st.sampled_from([0x4000, 0x2000, 1]),
    src=ADDRESSES4,
    dst=ADDRESSES4,
)


def _extended(segment: bytes, extensions: list[int], src: bytes, dst: bytes) -> bytes:
    body, following = segment, 6
    for extension in reversed(extensions):
        body, following = bytes((following, 0, 0 if extension == 44 else 1, 0 if extension == 44 else 4, 0, 0, 0, 0)) + body, extension
    return packets.ipv6(body, following, src, dst)


PACKETS6 = st.builds(_extended, SEGMENTS, st.lists(st.sampled_from([0, 43, 44, 60, 17]), max_size=3), ADDRESSES6, ADDRESSES6)


@given(st.one_of(PACKETS4.map(lambda packet: (packet, IPV4)), PACKETS6.map(lambda packet: (packet, IPV6))))
def test_the_kernel_tells_what_the_decoder_takes_for_a_flows(machine: Machine, sent: tuple[bytes, int]) -> None:
    packet, protocol = sent
    raw = machine.run(packet, protocol)
    told = raw.segment if raw and records.belongs(raw.segment, FLOWS) else None
    expected = records._of_packet(packet, protocol)
    assert told == (expected if expected and records.belongs(expected, FLOWS) else None)
