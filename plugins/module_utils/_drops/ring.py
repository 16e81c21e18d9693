# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read a BPF ring buffer (Documentation/bpf/ringbuf.rst), which the kernel writes and we read without system calls."""

from __future__ import annotations

import mmap
import os
import struct
import typing as t

from .bpf_call import RINGBUF, create_map

_BUSY, _DISCARDED = 1 << 31, 1 << 30  # in the length of a record
_POSITION, _LENGTH = struct.Struct("=Q"), struct.Struct("=I")
_RECORD_HEADER = 8


class RingBuffer:
    """Of so many bytes, a power of two that is at least a page. Descriptors are closed by `close`. OSError where the kernel has none."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._descriptor = create_map(RINGBUF, 0, 0, size)
        try:
            page = mmap.PAGESIZE
            self._read_up_to = mmap.mmap(self._descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            # What was written up to where, and the data twice, so that a record never has two parts.
            self._written = mmap.mmap(self._descriptor, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        except OSError:
            os.close(self._descriptor)
            raise

    def fileno(self) -> int:
        """Of the map; readable when there are records."""
        return self._descriptor

    def records(self) -> t.Iterator[bytes]:
        """Those that are complete, oldest first; each makes room when the next one is asked for.

        The kernel writes a record before it clears its mark, with a barrier in between; so many instructions of the interpreter lie
        between looking at the mark and reading the record that no processor does the latter first.
        """
        (at,) = _POSITION.unpack_from(self._read_up_to)
        while at < _POSITION.unpack_from(self._written)[0]:
            place = mmap.PAGESIZE + at % self._size
            (length,) = _LENGTH.unpack_from(self._written, place)
            if length & _BUSY:
                return
            begin, bare = place + _RECORD_HEADER, length & ~_DISCARDED
            if not length & _DISCARDED:
                yield self._written[begin : begin + bare]
            at += (_RECORD_HEADER + bare + 7) & ~7
            _POSITION.pack_into(self._read_up_to, 0, at)

    def close(self) -> None:
        """Let go of the memory; the kernel frees it when no program writes into it any more."""
        self._read_up_to.close()
        self._written.close()
        os.close(self._descriptor)
