# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The registers of nf_tables: 64 bytes, in which some bits may be unknown."""

from __future__ import annotations

from ..bits import Partial, Value

_SIZE = 64


class Registers:
    """As in the kernel, values lie in memory and overlap: a key of several fields is read across the registers that it was put into."""

    __slots__ = ("_drawn", "_known", "_memory", "_why")

    def __init__(self) -> None:
        self._memory = bytearray(_SIZE)
        self._known: bytearray | None = None  # None: every bit is known, as nearly always
        self._why, self._drawn = "", False

    def copy(self) -> Registers:
        other = Registers()
        other._memory, other._why, other._drawn = bytearray(self._memory), self._why, self._drawn
        other._known = None if self._known is None else bytearray(self._known)
        return other

    def put(self, at: int, value: Value) -> None:
        """Store a value, zeros after it up to the next multiple of four bytes."""
        if isinstance(value, bytes):
            end = min(at + (len(value) + 3 & ~3), _SIZE)
            self._memory[at:end] = value[: end - at].ljust(end - at, b"\0")
            if self._known is not None:
                self._known[at:end] = b"\xff" * (end - at)
            return
        if self._known is None:
            self._known = bytearray(b"\xff" * _SIZE)
        end = min(at + (len(value.value) + 3 & ~3), _SIZE)
        self._memory[at:end] = value.value[: end - at].ljust(end - at, b"\0")
        self._known[at:end] = value.known[: end - at].ljust(end - at, b"\xff")
        self._why, self._drawn = value.why, value.drawn

    def get(self, at: int, length: int) -> Value:
        """`length` bytes from `at` on."""
        taken = bytes(self._memory[at : at + length])
        if self._known is not None:
            sure = bytes(self._known[at : at + length])
            if sure != b"\xff" * len(sure):
                return Partial(taken, sure, self._why, self._drawn)
        return taken
