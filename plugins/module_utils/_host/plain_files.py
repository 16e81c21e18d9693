# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read plain files whose path, or content, somebody else may choose: a process by its arguments, a setting, a user's link.

What a path names is looked at before it is opened (O_PATH, see open(2)), and that very file is then read, whatever the path names by then.
To open a device or a pipe may wait, or do something; and so may a read of the files by which kernels are asked and configured.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import struct
import typing as t

_KERNELS = {  # linux/magic.h: file systems whose files are the kernel's answers. In some of them, files have no size either.
    0x9FA0,  # proc
    0x62656572,  # sysfs
    0x74726163,  # tracefs
    0x64626720,  # debugfs
    0x73636673,  # securityfs
    0x62656570,  # configfs
    0xF97CFF8C,  # selinuxfs
    0xDE5E81E4,  # efivarfs
    0x42494E4D,  # binfmt_misc
    0x65735543,  # fusectl
    0x27E0EB,  # cgroup
    0x63677270,  # cgroup2
    0x6E736673,  # nsfs
    0xCAFE4A11,  # bpf
}


class NotPlainError(OSError):
    """It is no file that people or programs write."""


def beginning(path: str, most: int) -> str:
    """The text of a file, up to so many bytes. OSError."""
    with _opened(path) as (file, size):
        return _text(_read(file, 0, min(size, most)))


def whole(path: str, most: int) -> str | None:
    """The text of a file; None where it has more bytes than that. OSError."""
    with _opened(path) as (file, size):
        return _text(_read(file, 0, size)) if size <= most else None


def end(path: str, most: int, *, links: bool = True) -> tuple[bytes, int]:
    """The last bytes of a file, up to so many, and the size of all of it. OSError. `links`: a symbolic link is followed."""
    with _opened(path, 0 if links else os.O_NOFOLLOW) as (file, size):
        return _read(file, max(0, size - most), min(size, most)), size


@contextlib.contextmanager
def _opened(path: str, how: int = 0) -> t.Iterator[tuple[int, int]]:
    """A descriptor, and the file's size."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC | how)
    except ValueError as error:  # a zero byte
        raise NotPlainError(f"{path!r} is no path") from error
    try:
        about = os.fstat(place)
        if stat.S_ISLNK(about.st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if not stat.S_ISREG(about.st_mode) or _is_kernels(place):
            raise NotPlainError(f"{path} is no plain file")
        file = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # who holds a lease may let others wait
    except OSError as error:
        if error.filename:
            error.filename = path
        raise
    finally:
        os.close(place)
    try:
        yield file, about.st_size
    finally:
        os.close(file)


def _is_kernels(place: int) -> bool:
    """By statfs(2): what a process has mounted for itself, too. Its first field is a long; 32 bits on s390.

    Not by fstatfs(2): up to Linux 3.11 it takes no descriptor that is only a place.
    """
    about = ctypes.create_string_buffer(512)
    if ctypes.CDLL(None, use_errno=True).statfs(b"/proc/self/fd/%d" % place, about) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return not _KERNELS.isdisjoint((*struct.unpack_from("@L", about), *struct.unpack_from("@I", about)))


def _text(content: bytes) -> str:
    """With the line ends of text files."""
    return content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def _read(file: int, start: int, count: int) -> bytes:
    parts: list[bytes] = []
    while count > 0:
        part = os.pread(file, count, start)
        if not part:
            break
        parts.append(part)
        start, count = start + len(part), count - len(part)
    return b"".join(parts)
