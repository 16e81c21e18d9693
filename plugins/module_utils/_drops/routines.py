# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Common parts of programs on tracepoints: registers, their stack, and how they read the kernel's memory.

It is read with a function that answers zeros where there is nothing to read, so that pointers need no check.
"""

from __future__ import annotations

import typing as t

from .absence import Unavailable
from .ebpf import DW, FP, JNE, R0, R1, R2, R3, R6, R7, R8, R9, Program, W
from .layout import Arguments, Layout

MAP_LOOKUP, TIME, GET_STACK, READ_KERNEL, RESERVE, SUBMIT = 1, 5, 67, 113, 131, 132  # BPF_FUNC_*

# On the stack, below its end
KEY = -48  # of the map of flows, see `records.keys`
SOURCE, DESTINATION, PORT, DIRECTION = KEY, KEY + 16, KEY + 32, KEY + 34
HEADER = -96  # 40 bytes
POINTER = -104
SEGMENT = -120  # 16 bytes: the beginning of the TCP header
SOURCE_PORT, DESTINATION_PORT, FLAGS = SEGMENT, SEGMENT + 2, SEGMENT + 13
INODE, INTERFACE, CGROUP, PROTOCOL, NETWORK = range(-128, -168, -8)
FIELDS, FIELDS_SIZE = -224, 64  # of the packet's description, which lie side by side
STACK = range(FIELDS, KEY + 40, 8)

CONTEXT, SKB, SOCK, NETWORK_HEADER, RECORD = R6, R7, R8, R9, R8  # registers; the record comes when the socket is not needed any more

_TOGETHER = ("skb_protocol", "skb_mac_header", "skb_network_header", "skb_tail", "skb_head", "skb_data")


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


class Routines:
    """A program under construction. It ends at the label `out`, and goes on at `wanted` with what is a flow's."""

    def __init__(self, kind: int, arguments: Arguments, layout: Layout, maps: Maps, choice: Choice) -> None:
        self.program = Program()
        self.kind, self.arguments, self.offsets, self.maps, self.choice = kind, arguments, layout.offsets, maps, choice
        self._fields_at = min(self.offsets[name] for name in _TOGETHER) & -8
        self._fields_size = max(self.offsets[name] for name in _TOGETHER) + 8 - self._fields_at
        if self._fields_size > FIELDS_SIZE:
            where = ", ".join(f"{name}: {self.offsets[name]}" for name in _TOGETHER)
            raise Unavailable("member", "struct sk_buff", f"the members of struct sk_buff lie too far apart to be read at once: {where}")

    def read_fields(self) -> None:
        """Read what describes a packet; see `field`."""
        self.read(FIELDS, self._fields_size, SKB, self._fields_at)

    def mapped(self, place: int, register: int) -> None:
        """Put an IPv4 address into the key, as IPv6 writes it (::ffff:192.0.2.1)."""
        self.program.store_constant(W, FP, place + 8, -0x10000)  # 0, 0, 0xff, 0xff
        self.program.store(W, FP, place + 12, register)

    def look_up_of_any(self, client: int) -> None:
        """The same for flows of any client; `client`: which address of the key is the client's."""
        program = self.program
        for at in range(0, 40, 8):
            program.load(DW, R1, FP, KEY + at)
            program.store(DW, FP, HEADER + at, R1)
        for at in (0, 8):
            program.store_constant(DW, FP, client - KEY + HEADER + at, 0)
        self.look_up(HEADER)

    def look_up(self, key: int = KEY) -> None:
        """Go on with the record where there is a flow."""
        program = self.program
        program.map(R1, self.maps.flows)
        program.move(R2, FP)
        program.add(R2, key)
        program.call(MAP_LOOKUP)
        program.when(JNE, R0, 0, "wanted")

    def argument(self, to: int, place: int | None) -> None:
        """An argument of the tracepoint; 0 where it has none."""
        if place is None:
            self.program.constant(to, 0)
        else:
            self.program.load(DW, to, CONTEXT, 8 * place)

    def field(self, name: str) -> int:
        """Where on the stack a member of the packet's description is."""
        return FIELDS + self.offsets[name] - self._fields_at

    def pointer(self, to: int, base: int, name: str) -> None:
        """A pointer that lies in a structure."""
        self.read(POINTER, 8, base, self.offsets[name])
        self.program.load(DW, to, FP, POINTER)

    def read(self, to: int, size: int, base: int, offset: int = 0) -> None:
        """Copy bytes of the kernel's memory to the stack; zeros where there is none."""
        program = self.program
        program.move(R3, base)
        program.add(R3, offset)
        program.move(R1, FP)
        program.add(R1, to)
        program.constant(R2, size)
        program.call(READ_KERNEL)
