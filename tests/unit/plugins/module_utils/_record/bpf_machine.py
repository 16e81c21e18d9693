# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for classic BPF, written from the kernel's documentation, to run filters without sockets."""

from __future__ import annotations

from collections.abc import Sequence

METADATA = 0xFFFFF000


def run(program: Sequence[tuple[int, int, int, int]], data: bytes, metadata: dict[int, int]) -> int:
    """What a filter returns for a packet; `metadata` by offset from SKF_AD_OFF. A load beyond the data returns 0."""
    a = x = at = 0
    memory = [0] * 16
    while True:
        code, yes, no, k = program[at]
        at += 1
        kind, mode, size = code & 7, code & 0xE0, {0x00: 4, 0x08: 2, 0x10: 1}.get(code & 0x18, 0)
        if kind in (0, 1):
            if mode == 0x00:
                value = k
            elif mode == 0x60:
                value = memory[k]
            elif mode == 0x80:
                value = len(data)
            elif mode == 0x20 and k >= METADATA:
                value = metadata[k - METADATA]
            else:
                offset = k + (x if mode == 0x40 else 0)
                wanted = 1 if mode == 0xA0 else size
                if offset + wanted > len(data):
                    return 0
                value = int.from_bytes(data[offset : offset + wanted], "big")
                if mode == 0xA0:
                    value = (value & 15) * 4
            if kind == 0:
                a = value
            else:
                x = value
        elif kind == 2:
            memory[k] = a
        elif kind == 4:
            operand = x if code & 8 else k
            a = {0x00: a + operand, 0x10: a - operand, 0x50: a & operand, 0x60: a << operand, 0x70: a >> operand}[code & 0xF0] & 0xFFFFFFFF
        elif kind == 5 and code & 0xF0 == 0:
            at += k
        elif kind == 5:
            at += yes if {0x10: a == k, 0x20: a > k, 0x30: a >= k, 0x40: bool(a & k)}[code & 0xF0] else no
        elif kind == 6:
            return a if code & 0x10 else k
        else:
            assert code == 0x07, f"instruction {code:#x} is unknown here"
            x = a
