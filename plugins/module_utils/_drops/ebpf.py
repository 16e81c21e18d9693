# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""An assembler for eBPF (RFC 9669): labels instead of offsets. `_bpf` is that of classic BPF, which is another machine."""

from __future__ import annotations

import struct

# R0 has results, R1 to R5 are arguments and lost in calls, R6 to R9 are kept, FP is the end of the stack.
R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, FP = range(11)

B, H, W, DW = 0x10, 0x08, 0x00, 0x18  # how much a load or store moves: 1, 2, 4, 8 bytes
JA, JEQ, JGT, JSET, JNE, JLE = 0x00, 0x10, 0x20, 0x40, 0x50, 0xB0  # unsigned comparisons of 64 bits
_ADD, _SUB, _AND, _LSH, _RSH, _MOV = 0x00, 0x10, 0x50, 0x60, 0x70, 0xB0
# Classes of instructions, with BPF_MEM where it belongs.
_LOAD, _STORE_CONSTANT, _STORE, _JUMP, _ALU32, _ALU64, _LOAD_CONSTANT = 0x61, 0x62, 0x63, 0x05, 0x04, 0x07, 0x18
_ATOMIC_ADD, _CALL, _EXIT, _BY_REGISTER, _MAP_DESCRIPTOR, _TO_BIG_ENDIAN = 0xDB, 0x85, 0x95, 0x08, 1, 0xDC

_LAYOUT = struct.Struct("=BBhi")


class Program:
    """A program under construction. Jumps name labels further down."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int, int]] = []  # code, destination, source, offset, constant
        self._jumps: dict[int, str] = {}
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        """Name the next instruction."""
        self._labels[name] = len(self._code)

    def move(self, to: int, register: int) -> None:
        """to = register"""
        self._do(_ALU64 | _MOV | _BY_REGISTER, to, register)

    def constant(self, to: int, value: int) -> None:
        """to = a constant of 32 bits, without a sign"""
        self._do(_ALU32 | _MOV, to, 0, 0, value if value < 1 << 31 else value - (1 << 32))

    def add(self, to: int, value: int) -> None:
        """to += value, which may be negative"""
        self._do(_ALU64 | _ADD, to, 0, 0, value)

    def add_register(self, to: int, register: int) -> None:
        """to += register"""
        self._do(_ALU64 | _ADD | _BY_REGISTER, to, register)

    def subtract_register(self, to: int, register: int) -> None:
        """to -= register"""
        self._do(_ALU64 | _SUB | _BY_REGISTER, to, register)

    def big_endian(self, to: int) -> None:
        """Put the lowest 16 bits in network order, and clear the others."""
        self._do(_TO_BIG_ENDIAN, to, 0, 0, 16)

    def mask(self, to: int, value: int) -> None:
        """to &= value, whose sign is extended: -8 keeps all but the lowest three bits"""
        self._do(_ALU64 | _AND, to, 0, 0, value)

    def shift_left(self, to: int, bits: int) -> None:
        """to <<= bits"""
        self._do(_ALU64 | _LSH, to, 0, 0, bits)

    def shift_right(self, to: int, bits: int) -> None:
        """to >>= bits"""
        self._do(_ALU64 | _RSH, to, 0, 0, bits)

    def load(self, size: int, to: int, base: int, offset: int) -> None:
        """to = memory[base + offset]"""
        self._do(_LOAD | size, to, base, offset)

    def store(self, size: int, base: int, offset: int, register: int) -> None:
        """memory[base + offset] = register"""
        self._do(_STORE | size, base, register, offset)

    def store_constant(self, size: int, base: int, offset: int, value: int) -> None:
        """memory[base + offset] = a constant"""
        self._do(_STORE_CONSTANT | size, base, 0, offset, value)

    def atomic_add(self, base: int, register: int) -> None:
        """memory[base] += register, 64 bits wide"""
        self._do(_ATOMIC_ADD, base, register)

    def map(self, to: int, descriptor: int) -> None:
        """to = the map that this process has under a descriptor"""
        self._do(_LOAD_CONSTANT, to, _MAP_DESCRIPTOR, 0, descriptor)
        self._do(0, 0)

    def call(self, helper: int) -> None:
        """R0 = what a function of the kernel (bpf-helpers(7)) answers to R1 to R5"""
        self._do(_CALL, 0, 0, 0, helper)

    def leave(self) -> None:
        """Return R0."""
        self._do(_EXIT, 0)

    def jump(self, label: str) -> None:
        """Continue at a label."""
        self._jumps[len(self._code)] = label
        self._do(_JUMP | JA, 0)

    def when(self, comparison: int, register: int, value: int, label: str) -> None:
        """Compare a register with a constant of 31 bits and jump."""
        self._jumps[len(self._code)] = label
        self._do(_JUMP | comparison, register, 0, 0, value)

    def when_register(self, comparison: int, register: int, other: int, label: str) -> None:
        """Compare two registers and jump."""
        self._jumps[len(self._code)] = label
        self._do(_JUMP | comparison | _BY_REGISTER, register, other)

    def assemble(self) -> bytes:
        """The program as an array of struct bpf_insn."""
        code = []
        for place, (operation, to, source, offset, constant) in enumerate(self._code):
            if place in self._jumps:
                offset = self._labels[self._jumps[place]] - place - 1
            code.append(_LAYOUT.pack(operation, source << 4 | to, offset, constant))
        return b"".join(code)

    def _do(self, operation: int, to: int, source: int = 0, offset: int = 0, constant: int = 0) -> None:
        self._code.append((operation, to, source, offset, constant))
