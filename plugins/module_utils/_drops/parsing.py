# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The part of a program that identifies a packet: it fills the key of the map of flows, except its port, and the ports."""

from __future__ import annotations

import socket

from . import records
from .ebpf import DW, FP, JEQ, JGT, JNE, JSET, R1, R2, R3, B, H, W
from .routines import (
    DESTINATION,
    DESTINATION_PORT,
    DIRECTION,
    FLAGS,
    HEADER,
    NETWORK,
    NETWORK_HEADER,
    POINTER,
    PROTOCOL,
    SEGMENT,
    SKB,
    SOCK,
    SOURCE,
    SOURCE_PORT,
    Routines,
)

_IPV4, _IPV6 = (socket.htons(protocol) for protocol in (0x0800, 0x86DD))  # as a little-endian machine loads them
_UNSET = 0xFFFF  # an offset of a header within a packet that has none
_FRAGMENT = socket.htons(0x1FFF)
_EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140)  # see `_headers.IPV6_EXTENSIONS`


class Parsing(Routines):
    """It goes on at the label `flow`, or at `out`."""

    def packet(self) -> None:
        """Of a packet, or of the socket that sends one."""
        program = self.program
        self.read_fields()
        program.load(H, R1, FP, self.field("skb_protocol"))
        program.store(DW, FP, PROTOCOL, R1)
        program.when(JEQ, R1, _IPV4, "packet")
        program.when(JEQ, R1, _IPV6, "packet")
        program.when(JNE, R1, 0, "out")
        self._of_socket()
        program.label("packet")
        self._network_header()
        program.load(H, R1, FP, PROTOCOL)
        program.when(JEQ, R1, _IPV6, "IPv6")
        self._of_ipv4()
        self._of_ipv6()

    def _network_header(self) -> None:
        """Where the packet says it is, or else where its data begins: what is dropped early (XDP, a full backlog) may not say it yet."""
        program = self.program
        program.load(H, NETWORK_HEADER, FP, self.field("skb_network_header"))
        program.load(H, R1, FP, self.field("skb_mac_header"))
        program.when(JEQ, R1, _UNSET, "no link header")
        program.when_register(JGT, R1, NETWORK_HEADER, "data")
        program.label("no link header")
        program.store(DW, FP, NETWORK, NETWORK_HEADER)
        program.load(DW, R1, FP, self.field("skb_head"))
        program.add_register(NETWORK_HEADER, R1)
        self.read(HEADER, 40, NETWORK_HEADER)
        program.load(B, R1, FP, HEADER)
        program.shift_right(R1, 4)
        program.load(H, R2, FP, PROTOCOL)
        for protocol, version in ((_IPV4, 4), (_IPV6, 6)):
            program.when(JNE, R2, protocol, f"not version {version}")
            program.when(JEQ, R1, version, "network header")
            program.label(f"not version {version}")
        program.label("data")
        program.load(DW, NETWORK_HEADER, FP, self.field("skb_data"))
        program.load(DW, R1, FP, self.field("skb_head"))
        program.move(R2, NETWORK_HEADER)
        program.subtract_register(R2, R1)
        program.store(DW, FP, NETWORK, R2)
        self.read(HEADER, 40, NETWORK_HEADER)
        program.label("network header")

    def _of_ipv4(self) -> None:
        program = self.program
        program.load(B, R3, FP, HEADER)
        program.move(R2, R3)
        program.shift_right(R2, 4)
        program.when(JNE, R2, 4, "out")
        program.load(B, R2, FP, HEADER + 9)
        program.when(JNE, R2, socket.IPPROTO_TCP, "out")
        program.load(H, R2, FP, HEADER + 6)
        program.when(JSET, R2, _FRAGMENT, "out")
        program.mask(R3, 15)
        program.when(JNE, R3, 5, "IPv4 options")
        for at in range(0, 16, 4):
            program.load(W, R1, FP, HEADER + 20 + at)
            program.store(W, FP, SEGMENT + at, R1)
        program.jump("IPv4 segment")
        program.label("IPv4 options")
        program.shift_left(R3, 2)
        program.add_register(R3, NETWORK_HEADER)
        self.read(SEGMENT, 14, R3)
        program.label("IPv4 segment")
        self._leave_at_fin()
        for place, offset in ((SOURCE, 12), (DESTINATION, 16)):
            program.load(W, R2, FP, HEADER + offset)
            self.mapped(place, R2)
        program.jump("flow")

    def _of_ipv6(self) -> None:
        program = self.program
        program.label("IPv6")
        program.load(B, R1, FP, HEADER)
        program.shift_right(R1, 4)
        program.when(JNE, R1, 6, "out")
        for at in range(0, 32, 8):  # both addresses
            program.load(DW, R2, FP, HEADER + 8 + at)
            program.store(DW, FP, SOURCE + at, R2)
        program.load(B, R1, FP, HEADER + 6)
        for extension in _EXTENSIONS:  # who reads the record finds the ports behind them
            program.when(JEQ, R1, extension, "addresses")
        program.when(JNE, R1, socket.IPPROTO_TCP, "out")
        self.read(SEGMENT, 14, NETWORK_HEADER, 40)
        self._leave_at_fin()
        program.jump("flow")
        program.label("addresses")
        program.store_constant(H, FP, DIRECTION, records.ANY_PORT)
        self.look_up()
        if self.choice.wildcards:
            self.look_up_of_any(SOURCE)
            self.look_up_of_any(DESTINATION)
        program.jump("out")

    def _leave_at_fin(self) -> None:
        """A FIN without a SYN is no handshake's, and freed like a dropped packet at the end of most connections."""
        program = self.program
        program.load(B, R1, FP, FLAGS)
        program.mask(R1, records.FIN | records.SYN)
        program.when(JEQ, R1, records.FIN, "out")

    def _of_socket(self) -> None:
        """A packet that has no header yet, or none that can be seen."""
        program = self.program
        program.when(JNE, SOCK, 0, "socket")
        self.pointer(SOCK, SKB, "skb_sk")
        program.when(JEQ, SOCK, 0, "out")
        program.label("socket")
        self.read(POINTER, 2, SOCK, self.offsets["sk_local_port"])
        program.load(H, R1, FP, POINTER)
        program.big_endian(R1)
        program.store(H, FP, SOURCE_PORT, R1)
        self.read(DESTINATION_PORT, 2, SOCK, self.offsets["sk_remote_port"])
        self.read(POINTER, 2, SOCK, self.offsets["sk_family"])
        program.load(H, R1, FP, POINTER)
        if "sk_local6" in self.offsets and "sk_remote6" in self.offsets:
            program.when(JEQ, R1, socket.AF_INET6, "socket of IPv6")
        program.when(JNE, R1, socket.AF_INET, "out")
        for place, name in ((SOURCE, "sk_local"), (DESTINATION, "sk_remote")):
            self.read(POINTER, 4, SOCK, self.offsets[name])
            program.load(W, R2, FP, POINTER)
            self.mapped(place, R2)
        program.jump("flow")
        if "sk_local6" in self.offsets and "sk_remote6" in self.offsets:
            program.label("socket of IPv6")
            self.read(SOURCE, 16, SOCK, self.offsets["sk_local6"])
            self.read(DESTINATION, 16, SOCK, self.offsets["sk_remote6"])
            program.jump("flow")
