# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The program that runs at each event of a tracepoint: it lets those of the flows pass, and writes a record of each (see `records`).

It reads the kernel's memory with a function that answers zeros where there is nothing to read, so that pointers need no check.
"""

from __future__ import annotations

import socket
import typing as t

from . import records
from .absence import Unavailable
from .ebpf import DW, FP, JEQ, JGT, JLE, JNE, JSET, R0, R1, R2, R3, R4, R6, R7, R8, R9, B, H, Program, W
from .layout import Arguments, Layout

_MAP_LOOKUP, _TIME, _GET_STACK, _READ_KERNEL, _RESERVE, _SUBMIT = 1, 5, 67, 113, 131, 132  # BPF_FUNC_*
_IPV4, _IPV6 = (socket.htons(protocol) for protocol in (0x0800, 0x86DD))  # as a little-endian machine loads them
_UNSET = 0xFFFF  # an offset of a header within a packet that has none
_FRAGMENT = socket.htons(0x1FFF)
_EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140)  # see `_headers.IPV6_EXTENSIONS`
_NO_WHOLE_SOCKET = (6, 12)  # TCP_TIME_WAIT, TCP_NEW_SYN_RECV: the kernel keeps the first members of a socket only

# On the stack, below its end
_KEY = -48  # of the map of flows, see `records.keys`
_SOURCE, _DESTINATION, _PORT, _DIRECTION = _KEY, _KEY + 16, _KEY + 32, _KEY + 34
_HEADER = -96  # 40 bytes
_POINTER = -104
_TCP = -120  # 16 bytes: the beginning of the TCP header
_SOURCE_PORT, _DESTINATION_PORT, _FLAGS = _TCP, _TCP + 2, _TCP + 13
_INODE, _INTERFACE, _CGROUP, _PROTOCOL, _NETWORK = range(-128, -168, -8)
_FIELDS, _FIELDS_SIZE = -224, 64  # of the packet's description, which lie side by side
_TOGETHER = ("skb_protocol", "skb_mac_header", "skb_network_header", "skb_tail", "skb_head", "skb_data")

_R_CONTEXT, _R_SKB, _R_SOCK, _R_NETWORK, _R_RECORD = R6, R7, R8, R9, R8


class Maps(t.NamedTuple):
    """Descriptors of what the programs share."""

    flows: int
    ring: int
    lost: int


class Choice(t.NamedTuple):
    """Which events are wanted besides those of the flows."""

    namespace: int | None  # the inode of a network namespace; None: any
    wildcards: bool  # whether there are flows of any client
    normal: t.Collection[int]  # reasons that are none of a drop


def build(kind: int, arguments: Arguments, layout: Layout, maps: Maps, choice: Choice) -> bytes:
    """The machine code of a program for a raw tracepoint; `kind`: one of `records.KINDS`."""
    return _Builder(kind, arguments, layout, maps, choice).build()


class _Builder:
    def __init__(self, kind: int, arguments: Arguments, layout: Layout, maps: Maps, choice: Choice) -> None:
        self._program = Program()
        self._kind, self._arguments, self._offsets, self._maps, self._choice = kind, arguments, layout.offsets, maps, choice
        self._fields_at = min(self._offsets[name] for name in _TOGETHER) & -8
        self._fields_size = max(self._offsets[name] for name in _TOGETHER) + 8 - self._fields_at
        if self._fields_size > _FIELDS_SIZE:
            where = ", ".join(f"{name}: {self._offsets[name]}" for name in _TOGETHER)
            raise Unavailable("member", "struct sk_buff", f"the members of struct sk_buff lie too far apart to be read at once: {where}")

    def build(self) -> bytes:
        program = self._program
        program.move(_R_CONTEXT, R1)
        if self._choice.normal and self._arguments.reason is not None:
            program.load(W, R1, _R_CONTEXT, 8 * self._arguments.reason)
            for reason in sorted(self._choice.normal):
                program.when(JEQ, R1, reason, "out")
        self._argument(_R_SKB, self._arguments.skb)
        self._argument(_R_SOCK, self._arguments.sock)
        for slot in range(_FIELDS, _KEY + 40, 8):
            program.store_constant(DW, FP, slot, 0)
        self._packet()
        self._flow()
        program.label("wanted")
        self._namespace()
        self._control_group()
        self._record()
        program.label("out")
        program.constant(R0, 0)
        program.leave()
        return program.assemble()

    def _packet(self) -> None:
        """The key without its port, and the ports, of a packet or of the socket that sends one."""
        program = self._program
        self._read(_FIELDS, self._fields_size, _R_SKB, self._fields_at)
        program.load(H, R1, FP, self._field("skb_protocol"))
        program.store(DW, FP, _PROTOCOL, R1)
        program.when(JEQ, R1, _IPV4, "packet")
        program.when(JEQ, R1, _IPV6, "packet")
        program.when(JNE, R1, 0, "out")
        self._of_socket()
        program.label("packet")
        self._network_header()
        program.load(H, R1, FP, _PROTOCOL)
        program.when(JEQ, R1, _IPV6, "IPv6")
        self._of_ipv4()
        self._of_ipv6()

    def _network_header(self) -> None:
        """Where the packet says it is, or else where its data begins: what is dropped early (XDP, a full backlog) may not say it yet."""
        program = self._program
        program.load(H, _R_NETWORK, FP, self._field("skb_network_header"))
        program.load(H, R1, FP, self._field("skb_mac_header"))
        program.when(JEQ, R1, _UNSET, "no link header")
        program.when_register(JGT, R1, _R_NETWORK, "data")
        program.label("no link header")
        program.store(DW, FP, _NETWORK, _R_NETWORK)
        program.load(DW, R1, FP, self._field("skb_head"))
        program.add_register(_R_NETWORK, R1)
        self._read(_HEADER, 40, _R_NETWORK)
        program.load(B, R1, FP, _HEADER)
        program.shift_right(R1, 4)
        program.load(H, R2, FP, _PROTOCOL)
        for protocol, version in ((_IPV4, 4), (_IPV6, 6)):
            program.when(JNE, R2, protocol, f"not version {version}")
            program.when(JEQ, R1, version, "network header")
            program.label(f"not version {version}")
        program.label("data")
        program.load(DW, _R_NETWORK, FP, self._field("skb_data"))
        program.load(DW, R1, FP, self._field("skb_head"))
        program.move(R2, _R_NETWORK)
        program.subtract_register(R2, R1)
        program.store(DW, FP, _NETWORK, R2)
        self._read(_HEADER, 40, _R_NETWORK)
        program.label("network header")

    def _of_ipv4(self) -> None:
        program = self._program
        program.load(B, R3, FP, _HEADER)
        program.move(R2, R3)
        program.shift_right(R2, 4)
        program.when(JNE, R2, 4, "out")
        program.load(B, R2, FP, _HEADER + 9)
        program.when(JNE, R2, socket.IPPROTO_TCP, "out")
        program.load(H, R2, FP, _HEADER + 6)
        program.when(JSET, R2, _FRAGMENT, "out")
        program.mask(R3, 15)
        program.when(JNE, R3, 5, "IPv4 options")
        for at in range(0, 16, 4):
            program.load(W, R1, FP, _HEADER + 20 + at)
            program.store(W, FP, _TCP + at, R1)
        program.jump("IPv4 segment")
        program.label("IPv4 options")
        program.shift_left(R3, 2)
        program.add_register(R3, _R_NETWORK)
        self._read(_TCP, 14, R3)
        program.label("IPv4 segment")
        self._leave_at_fin()
        for place, offset in ((_SOURCE, 12), (_DESTINATION, 16)):
            program.load(W, R2, FP, _HEADER + offset)
            self._mapped(place, R2)
        program.jump("flow")

    def _of_ipv6(self) -> None:
        program = self._program
        program.label("IPv6")
        program.load(B, R1, FP, _HEADER)
        program.shift_right(R1, 4)
        program.when(JNE, R1, 6, "out")
        for at in range(0, 32, 8):  # both addresses
            program.load(DW, R2, FP, _HEADER + 8 + at)
            program.store(DW, FP, _SOURCE + at, R2)
        program.load(B, R1, FP, _HEADER + 6)
        for extension in _EXTENSIONS:  # who reads the record finds the ports behind them
            program.when(JEQ, R1, extension, "addresses")
        program.when(JNE, R1, socket.IPPROTO_TCP, "out")
        self._read(_TCP, 14, _R_NETWORK, 40)
        self._leave_at_fin()
        program.jump("flow")
        program.label("addresses")
        program.store_constant(H, FP, _DIRECTION, records.ANY_PORT)
        self._look_up()
        if self._choice.wildcards:
            self._look_up_of_any(_SOURCE)
            self._look_up_of_any(_DESTINATION)
        program.jump("out")

    def _leave_at_fin(self) -> None:
        """A FIN without a SYN is no handshake's, and freed like a dropped packet at the end of most connections."""
        program = self._program
        program.load(B, R1, FP, _FLAGS)
        program.mask(R1, records.FIN | records.SYN)
        program.when(JEQ, R1, records.FIN, "out")

    def _of_socket(self) -> None:
        """A packet that has no header yet, or none that can be seen."""
        program = self._program
        program.when(JNE, _R_SOCK, 0, "socket")
        self._pointer(_R_SOCK, _R_SKB, "skb_sk")
        program.when(JEQ, _R_SOCK, 0, "out")
        program.label("socket")
        self._read(_POINTER, 2, _R_SOCK, self._offsets["sk_local_port"])
        program.load(H, R1, FP, _POINTER)
        program.big_endian(R1)
        program.store(H, FP, _SOURCE_PORT, R1)
        self._read(_DESTINATION_PORT, 2, _R_SOCK, self._offsets["sk_remote_port"])
        self._read(_POINTER, 2, _R_SOCK, self._offsets["sk_family"])
        program.load(H, R1, FP, _POINTER)
        if "sk_local6" in self._offsets and "sk_remote6" in self._offsets:
            program.when(JEQ, R1, socket.AF_INET6, "socket of IPv6")
        program.when(JNE, R1, socket.AF_INET, "out")
        for place, name in ((_SOURCE, "sk_local"), (_DESTINATION, "sk_remote")):
            self._read(_POINTER, 4, _R_SOCK, self._offsets[name])
            program.load(W, R2, FP, _POINTER)
            self._mapped(place, R2)
        program.jump("flow")
        if "sk_local6" in self._offsets and "sk_remote6" in self._offsets:
            program.label("socket of IPv6")
            self._read(_SOURCE, 16, _R_SOCK, self._offsets["sk_local6"])
            self._read(_DESTINATION, 16, _R_SOCK, self._offsets["sk_remote6"])
            program.jump("flow")

    def _flow(self) -> None:
        """Whether a flow has these addresses and ports, in either direction."""
        program = self._program
        program.label("flow")
        for direction, port, client in (
            (records.TO_SERVER, _DESTINATION_PORT, _SOURCE),
            (records.FROM_SERVER, _SOURCE_PORT, _DESTINATION),
        ):
            program.load(H, R1, FP, port)
            program.store(H, FP, _PORT, R1)
            program.store_constant(H, FP, _DIRECTION, direction)
            self._look_up()
            if self._choice.wildcards:
                self._look_up_of_any(client)
        program.jump("out")

    def _namespace(self) -> None:
        """The network namespace and the interface: those of the device, or else of the socket, or of the route."""
        program, offsets = self._program, self._offsets
        program.when(JNE, _R_SOCK, 0, "socket is known")
        self._pointer(_R_SOCK, _R_SKB, "skb_sk")
        program.label("socket is known")
        self._read(_INTERFACE, 4, _R_SKB, offsets["skb_iif"])
        self._pointer(_R_NETWORK, _R_SKB, "skb_dev")
        program.when(JNE, _R_NETWORK, 0, "device")
        if {"sk_net", "dev_net", "net_inode"} <= offsets.keys():
            program.when(JEQ, _R_SOCK, 0, "no socket")
            self._pointer(_R_NETWORK, _R_SOCK, "sk_net")
            program.jump("network")
        program.label("no socket")
        self._pointer(_R_NETWORK, _R_SKB, "skb_dst")
        program.mask(_R_NETWORK, -8)  # SKB_DST_PTRMASK
        self._pointer(_R_NETWORK, _R_NETWORK, "dst_dev")
        program.jump("network of a device")
        program.label("device")
        self._read(_INTERFACE, 4, _R_NETWORK, offsets["dev_ifindex"])
        program.label("network of a device")
        if {"sk_net", "dev_net", "net_inode"} <= offsets.keys():
            self._pointer(_R_NETWORK, _R_NETWORK, "dev_net")
            program.label("network")
            self._read(_INODE, 4, _R_NETWORK, offsets["net_inode"])
            if self._choice.namespace is not None:
                program.load(W, R1, FP, _INODE)
                program.when(JEQ, R1, 0, "here")  # unknown: the flow is right
                program.constant(R2, self._choice.namespace)
                program.when_register(JNE, R1, R2, "out")
                program.label("here")

    def _control_group(self) -> None:
        """That of the socket."""
        if not {"sk_cgroup", "cgroup_kn", "kn_id"} <= self._offsets.keys():
            return
        program = self._program
        self._read(_POINTER, 1, _R_SOCK, self._offsets["sk_state"])
        program.load(B, R1, FP, _POINTER)
        for state in _NO_WHOLE_SOCKET:
            program.when(JEQ, R1, state, "no control group")
        self._pointer(R3, _R_SOCK, "sk_cgroup")
        self._pointer(R3, R3, "cgroup_kn")
        self._read(_CGROUP, 8, R3, self._offsets["kn_id"])
        program.label("no control group")

    def _record(self) -> None:
        program, place = self._program, records.PLACES
        program.map(R1, self._maps.ring)
        program.constant(R2, records.SIZE)
        program.constant(R3, 0)
        program.call(_RESERVE)
        program.when(JEQ, R0, 0, "lost")
        program.move(_R_RECORD, R0)
        program.call(_TIME)
        program.store(DW, _R_RECORD, place["time"], R0)
        for name, argument in (("location", self._arguments.location), ("reason", self._arguments.reason)):
            self._argument(R1, argument)
            program.store(DW, _R_RECORD, place[name], R1)
        for name, slot in (("cgroup", _CGROUP), ("namespace", _INODE), ("interface", _INTERFACE), ("protocol", _PROTOCOL)):
            program.load(DW, R1, FP, slot)
            program.store(DW, _R_RECORD, place[name], R1)
        program.store_constant(DW, _R_RECORD, place["kind"], self._kind)
        for at in range(0, 32, 8):
            program.load(DW, R1, FP, _SOURCE + at)
            program.store(DW, _R_RECORD, place["addresses"] + at, R1)
        program.load(DW, R1, FP, _TCP)
        program.store(DW, _R_RECORD, place["ports"], R1)
        program.move(R1, _R_CONTEXT)
        program.move(R2, _R_RECORD)
        program.add(R2, place["stack"])
        program.constant(R3, 8 * records.FRAMES)
        program.constant(R4, records.SKIPPED_FRAMES)
        program.call(_GET_STACK)
        program.store(DW, _R_RECORD, place["stack_length"], R0)
        self._headers()
        program.move(R1, _R_RECORD)
        program.constant(R2, 0)
        program.call(_SUBMIT)
        program.jump("out")
        program.label("lost")
        program.map(R1, self._maps.lost)
        program.move(R2, FP)
        program.add(R2, _POINTER)
        program.store_constant(DW, FP, _POINTER, 0)
        program.call(_MAP_LOOKUP)
        program.when(JEQ, R0, 0, "out")
        program.constant(R1, 1)
        program.atomic_add(R0, R1)

    def _headers(self) -> None:
        """The packet's first bytes, as far as they lie together and are used."""
        program, place = self._program, records.PLACES
        program.load(DW, R3, FP, self._field("skb_head"))
        program.load(W, R2, FP, self._field("skb_tail"))
        program.load(DW, R1, FP, _NETWORK)
        program.add_register(R3, R1)
        program.subtract_register(R2, R1)
        program.when(JLE, R2, records.PACKET, "measured")
        program.constant(R2, records.PACKET)
        program.label("measured")
        program.store(DW, _R_RECORD, place["length"], R2)
        program.move(R1, _R_RECORD)
        program.add(R1, place["packet"])
        program.call(_READ_KERNEL)

    def _mapped(self, place: int, register: int) -> None:
        """Put an IPv4 address into the key, as IPv6 writes it (::ffff:192.0.2.1)."""
        self._program.store_constant(W, FP, place + 8, -0x10000)  # 0, 0, 0xff, 0xff
        self._program.store(W, FP, place + 12, register)

    def _look_up_of_any(self, client: int) -> None:
        """The same for flows of any client; `client`: which address of the key is the client's."""
        program = self._program
        for at in range(0, 40, 8):
            program.load(DW, R1, FP, _KEY + at)
            program.store(DW, FP, _HEADER + at, R1)
        for at in (0, 8):
            program.store_constant(DW, FP, client - _KEY + _HEADER + at, 0)
        self._look_up(_HEADER)

    def _look_up(self, key: int = _KEY) -> None:
        """Go on with the record where there is a flow."""
        program = self._program
        program.map(R1, self._maps.flows)
        program.move(R2, FP)
        program.add(R2, key)
        program.call(_MAP_LOOKUP)
        program.when(JNE, R0, 0, "wanted")

    def _argument(self, to: int, place: int | None) -> None:
        """An argument of the tracepoint; 0 where it has none."""
        if place is None:
            self._program.constant(to, 0)
        else:
            self._program.load(DW, to, _R_CONTEXT, 8 * place)

    def _field(self, name: str) -> int:
        """Where on the stack a member of the packet's description is."""
        return _FIELDS + self._offsets[name] - self._fields_at

    def _pointer(self, to: int, base: int, name: str) -> None:
        """A pointer that lies in a structure."""
        self._read(_POINTER, 8, base, self._offsets[name])
        self._program.load(DW, to, FP, _POINTER)

    def _read(self, to: int, size: int, base: int, offset: int = 0) -> None:
        """Copy bytes of the kernel's memory to the stack; zeros where there is none."""
        program = self._program
        program.move(R3, base)
        program.add(R3, offset)
        program.move(R1, FP)
        program.add(R1, to)
        program.constant(R2, size)
        program.call(_READ_KERNEL)
