# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The program that runs at each event of a tracepoint: it selects those of the flows, and writes a record of each (see `records`)."""

from __future__ import annotations

from . import records
from .ebpf import DW, FP, JEQ, JLE, JNE, R0, R1, R2, R3, R4, B, H, W
from .layout import Arguments, Layout
from .parsing import Parsing
from .routines import (
    CGROUP,
    CONTEXT,
    DESTINATION,
    DESTINATION_PORT,
    DIRECTION,
    GET_STACK,
    INODE,
    INTERFACE,
    MAP_LOOKUP,
    NETWORK,
    NETWORK_HEADER,
    POINTER,
    PORT,
    PROTOCOL,
    READ_KERNEL,
    RECORD,
    RESERVE,
    SEGMENT,
    SKB,
    SOCK,
    SOURCE,
    SOURCE_PORT,
    STACK,
    SUBMIT,
    TIME,
    Choice,
    Maps,
)

_NO_WHOLE_SOCKET = (6, 12)  # TCP_TIME_WAIT, TCP_NEW_SYN_RECV: the kernel keeps the first members of a socket only


def build(kind: int, arguments: Arguments, layout: Layout, maps: Maps, choice: Choice) -> bytes:
    """The machine code of a program for a raw tracepoint; `kind`: one of `records.KINDS`."""
    return _Builder(kind, arguments, layout, maps, choice).build()


class _Builder(Parsing):
    def build(self) -> bytes:
        program = self.program
        program.move(CONTEXT, R1)
        if self.choice.normal and self.arguments.reason is not None:
            program.load(W, R1, CONTEXT, 8 * self.arguments.reason)
            for reason in sorted(self.choice.normal):
                program.when(JEQ, R1, reason, "out")
        self.argument(SKB, self.arguments.skb)
        self.argument(SOCK, self.arguments.sock)
        for slot in STACK:
            program.store_constant(DW, FP, slot, 0)
        self.packet()
        self._flow()
        program.label("wanted")
        self._namespace()
        self._control_group()
        self._record()
        program.label("out")
        program.constant(R0, 0)
        program.leave()
        return program.assemble()

    def _flow(self) -> None:
        """Whether a flow has these addresses and ports, in either direction."""
        program = self.program
        program.label("flow")
        for direction, port, client in (
            (records.TO_SERVER, DESTINATION_PORT, SOURCE),
            (records.FROM_SERVER, SOURCE_PORT, DESTINATION),
        ):
            program.load(H, R1, FP, port)
            program.store(H, FP, PORT, R1)
            program.store_constant(H, FP, DIRECTION, direction)
            self.look_up()
            if self.choice.wildcards:
                self.look_up_of_any(client)
        program.jump("out")

    def _namespace(self) -> None:
        """The network namespace and the interface: those of the device, or else of the socket, or of the route."""
        program, offsets = self.program, self.offsets
        program.when(JNE, SOCK, 0, "socket is known")
        self.pointer(SOCK, SKB, "skb_sk")
        program.label("socket is known")
        self.read(INTERFACE, 4, SKB, offsets["skb_iif"])
        self.pointer(NETWORK_HEADER, SKB, "skb_dev")
        program.when(JNE, NETWORK_HEADER, 0, "device")
        if {"sk_net", "dev_net", "net_inode"} <= offsets.keys():
            program.when(JEQ, SOCK, 0, "no socket")
            self.pointer(NETWORK_HEADER, SOCK, "sk_net")
            program.jump("network")
        program.label("no socket")
        self.pointer(NETWORK_HEADER, SKB, "skb_dst")
        program.mask(NETWORK_HEADER, -8)  # SKB_DST_PTRMASK
        self.pointer(NETWORK_HEADER, NETWORK_HEADER, "dst_dev")
        program.jump("network of a device")
        program.label("device")
        self.read(INTERFACE, 4, NETWORK_HEADER, offsets["dev_ifindex"])
        program.label("network of a device")
        if {"sk_net", "dev_net", "net_inode"} <= offsets.keys():
            self.pointer(NETWORK_HEADER, NETWORK_HEADER, "dev_net")
            program.label("network")
            self.read(INODE, 4, NETWORK_HEADER, offsets["net_inode"])
            if self.choice.namespace is not None:
                program.load(W, R1, FP, INODE)
                program.when(JEQ, R1, 0, "here")  # unknown: the flow is right
                program.constant(R2, self.choice.namespace)
                program.when_register(JNE, R1, R2, "out")
                program.label("here")

    def _control_group(self) -> None:
        """That of the socket."""
        if not {"sk_cgroup", "cgroup_kn", "kn_id"} <= self.offsets.keys():
            return
        program = self.program
        self.read(POINTER, 1, SOCK, self.offsets["sk_state"])
        program.load(B, R1, FP, POINTER)
        for state in _NO_WHOLE_SOCKET:
            program.when(JEQ, R1, state, "no control group")
        self.pointer(R3, SOCK, "sk_cgroup")
        self.pointer(R3, R3, "cgroup_kn")
        self.read(CGROUP, 8, R3, self.offsets["kn_id"])
        program.label("no control group")

    def _record(self) -> None:
        program, place = self.program, records.PLACES
        program.map(R1, self.maps.ring)
        program.constant(R2, records.SIZE)
        program.constant(R3, 0)
        program.call(RESERVE)
        program.when(JEQ, R0, 0, "lost")
        program.move(RECORD, R0)
        program.call(TIME)
        program.store(DW, RECORD, place["time"], R0)
        for name, argument in (("location", self.arguments.location), ("reason", self.arguments.reason)):
            self.argument(R1, argument)
            program.store(DW, RECORD, place[name], R1)
        for name, slot in (("cgroup", CGROUP), ("namespace", INODE), ("interface", INTERFACE), ("protocol", PROTOCOL)):
            program.load(DW, R1, FP, slot)
            program.store(DW, RECORD, place[name], R1)
        program.store_constant(DW, RECORD, place["kind"], self.kind)
        for at in range(0, 32, 8):
            program.load(DW, R1, FP, SOURCE + at)
            program.store(DW, RECORD, place["addresses"] + at, R1)
        program.load(DW, R1, FP, SEGMENT)
        program.store(DW, RECORD, place["ports"], R1)
        program.move(R1, CONTEXT)
        program.move(R2, RECORD)
        program.add(R2, place["stack"])
        program.constant(R3, 8 * records.FRAMES)
        program.constant(R4, records.SKIPPED_FRAMES)
        program.call(GET_STACK)
        program.store(DW, RECORD, place["stack_length"], R0)
        self._headers()
        program.move(R1, RECORD)
        program.constant(R2, 0)
        program.call(SUBMIT)
        program.jump("out")
        program.label("lost")
        program.map(R1, self.maps.lost)
        program.move(R2, FP)
        program.add(R2, POINTER)
        program.store_constant(DW, FP, POINTER, 0)
        program.call(MAP_LOOKUP)
        program.when(JEQ, R0, 0, "out")
        program.constant(R1, 1)
        program.atomic_add(R0, R1)

    def _headers(self) -> None:
        """The packet's first bytes, as far as they lie together and are used."""
        program, place = self.program, records.PLACES
        program.load(DW, R3, FP, self.field("skb_head"))
        program.load(W, R2, FP, self.field("skb_tail"))
        program.load(DW, R1, FP, NETWORK)
        program.add_register(R3, R1)
        program.subtract_register(R2, R1)
        program.when(JLE, R2, records.PACKET, "measured")
        program.constant(R2, records.PACKET)
        program.label("measured")
        program.store(DW, RECORD, place["length"], R2)
        program.move(R1, RECORD)
        program.add(R1, place["packet"])
        program.call(READ_KERNEL)
