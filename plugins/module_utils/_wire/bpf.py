# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""An assembler for classic BPF (Documentation/networking/filter.rst): labels instead of offsets, at any distance."""

from __future__ import annotations

import struct
from typing import Iterable, Iterator, NamedTuple, Sequence

# linux/bpf_common.h. The last letters say how an operand is addressed: a constant k, an offset from register x, the packet's length.
LD_K, LD_LEN, LD_MEM, LDX_K, ST = 0x00, 0x80, 0x60, 0x01, 0x02
LDW, LDH, LDB, LDW_X, LDH_X, LDB_X, LDX_IHL = 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0xB1
ADD, ADD_X, SUB_X, AND, LSH, RSH, TAX = 0x04, 0x0C, 0x1C, 0x54, 0x64, 0x74, 0x07
JA, JEQ, JGE, JSET, RET, RET_A = 0x05, 0x15, 0x35, 0x45, 0x06, 0x16
AD_PROTOCOL, AD_PKTTYPE, AD_IFINDEX = 0xFFFFF000, 0xFFFFF004, 0xFFFFF008  # linux/filter.h: loads from here ask for metadata
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS

_LEAF = 8  # constants that are compared one after the other at the end of a binary search
_NEXT = ""


class _Step(NamedTuple):
    code: int
    k: int
    yes: str
    no: str


class Program:
    """A filter under construction. Jumps name labels further down; `_NEXT` (empty) is the following instruction."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        """Name the next instruction."""
        self._labels[name] = len(self._steps)

    def do(self, code: int, k: int = 0) -> None:
        """Append an instruction that does not jump."""
        self._steps.append(_Step(code, k, _NEXT, _NEXT))

    def jump(self, label: str) -> None:
        """Continue at a label."""
        self._steps.append(_Step(JA, 0, label, _NEXT))

    def when(self, code: int, k: int, yes: str = _NEXT, no: str = _NEXT) -> None:
        """Compare the accumulator with k and jump."""
        self._steps.append(_Step(code, k, yes, no))

    def switch(self, cases: dict[int, str], otherwise: str) -> None:
        """Jump by the value of the accumulator."""
        for value, label in cases.items():
            self.when(JEQ, value, label)
        self.jump(otherwise)

    def search(self, values: Sequence[int], found: str, missing: str) -> None:
        """Look the accumulator up in a sorted sequence, in about 1.4 instructions a value and log2 of their number in time."""
        if len(values) > _LEAF:
            middle = len(values) // 2
            upper = f"upper half at {len(self._steps)}"
            self.when(JGE, values[middle], upper)
            self.search(values[:middle], found, missing)
            self.label(upper)
            self.search(values[middle:], found, missing)
            return
        if not values:
            self.jump(missing)
            return
        near = f"found at {len(self._steps)}"
        for value in values:
            self.when(JEQ, value, near)
        self.jump(missing)
        self.label(near)
        self.jump(found)

    def assemble(self) -> list[tuple[int, int, int, int]]:
        """Return (code, jt, jf, k) of each instruction.

        The offsets of a conditional jump are bytes, that of JA is not. Where a byte is too small, the conditional jump chooses between
        two JAs right after it; that moves what follows, so look again until all fit.
        """
        far: set[int] = set()
        while True:
            places = [0]
            for index in range(len(self._steps)):
                places.append(places[-1] + (3 if index in far else 1))
            longer = {index for index in range(len(self._steps)) if max(self._offsets(index, places)) > 255} - far
            if not longer:
                return list(self._emit(far, places))
            far |= longer

    def _offsets(self, index: int, places: list[int]) -> tuple[int, int]:
        """How far beyond the following instruction both branches of a conditional jump lead."""
        step = self._steps[index]
        if step.code == JA:
            return 0, 0
        yes, no = (0 if branch == _NEXT else places[self._labels[branch]] - places[index + 1] for branch in (step.yes, step.no))
        return yes, no

    def _emit(self, far: set[int], places: list[int]) -> Iterator[tuple[int, int, int, int]]:
        for index, step in enumerate(self._steps):
            if step.code == JA:
                yield JA, 0, 0, places[self._labels[step.yes]] - places[index + 1]
                continue
            yes, no = self._offsets(index, places)
            if index in far:
                yield step.code, 0, 1, step.k
                yield JA, 0, 0, yes + 1
                yield JA, 0, 0, no
            else:
                yield step.code, yes, no, step.k


def machine_code(program: Iterable[tuple[int, int, int, int]]) -> bytes:
    """The program as an array of struct sock_filter."""
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
