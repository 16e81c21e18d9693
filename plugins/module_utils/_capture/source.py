# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The bytes of a capture file from front to back, unpacked where it is compressed, in constant memory."""

from __future__ import annotations

import os
import stat
import zlib

from .._errors import ObserveError

PIECE = 1 << 18
_GZIP = b"\x1f\x8b"


class CaptureError(ObserveError):
    """A file that is not a capture, or cannot be read."""


class Source:
    """A file that is read once. `complaint`: why its bytes end earlier than they should."""

    def __init__(self, path: str) -> None:
        """CaptureError when it cannot be opened."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # of a FIFO, to open it otherwise waits for a writer
            self._file = os.fdopen(descriptor, "rb", buffering=0)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                self._file.close()
                raise CaptureError(f"{path} is not a regular file: give the path of a capture file")
            self._packed = self._file.read(2) == _GZIP
            self._file.seek(0)
        except OSError as error:
            raise CaptureError(f"{path} cannot be read: {error.strerror}") from error
        self.complaint: str | None = None
        self._inflate = zlib.decompressobj(31)
        self._rest = b""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()

    def read(self) -> bytes:
        """The next bytes, b"" at the end."""
        return self._unpacked() if self._packed else self._raw()

    def read_on(self, rest: bytes) -> bytes:
        """The last bytes that were read, and the next ones. Of a file that is not compressed they are read again rather than copied,
        as long as they are few: that is faster."""
        if self._packed or len(rest) > PIECE // 4:
            return rest + self.read()
        self._file.seek(-len(rest), os.SEEK_CUR)
        again = self._raw()
        return again if len(again) >= len(rest) else rest  # it became shorter meanwhile

    def skip(self, count: int) -> int:
        """Pass over bytes; returns how many of them are missing."""
        if not self._packed:
            left = os.fstat(self._file.fileno()).st_size - self._file.tell()
            self._file.seek(min(left, count), os.SEEK_CUR)
            return max(0, count - left)
        while count:
            piece = self.read()
            if not piece:
                break
            self._rest = piece[count:]
            count = max(0, count - len(piece))
        return count

    def _raw(self) -> bytes:
        try:
            return self._file.read(PIECE) or b""
        except OSError as error:
            self.complaint = f"reading it failed: {error.strerror}"
            return b""

    def _unpacked(self) -> bytes:
        if self._rest:
            piece, self._rest = self._rest, b""
            return piece
        while self.complaint is None:
            packed = self._inflate.unconsumed_tail or self._inflate.unused_data or self._raw()
            if not packed:
                if not self._inflate.eof and self.complaint is None:
                    self.complaint = "its gzip compression is cut off"
                return b""
            if self._inflate.eof:
                if not packed.strip(b"\0"):
                    return b""  # padding, as of tapes
                self._inflate = zlib.decompressobj(31)  # a file may be several that were put together (RFC 1952, 2.2)
            try:
                piece = self._inflate.decompress(packed, PIECE)
            except zlib.error as error:
                self.complaint = f"its gzip compression is damaged ({error})"
                return b""
            if piece:
                return piece
        return b""
