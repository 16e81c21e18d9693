# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Write the files of a transaction so that neither a crash nor a power failure leaves half of one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
import typing as t

from .base import GuardError
from .places import opened, real_directory


def write_durably(path: str, content: bytes, mode: int = 0o600) -> None:
    """Replace a file; when this returns, the new one survives the loss of power, and until then the old one does. Raises OSError."""
    draft = draft_of(path)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    sync_directory(os.path.dirname(path))


def read_file(path: str, most: int | None = None) -> bytes:
    """The content of a regular file. ValueError for anything else and for more bytes than that; OSError when it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise ValueError("is not a regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("is not a regular file")
    with open(descriptor, "rb") as stream:
        content = stream.read(-1 if most is None else most + 1)
    if most is not None and len(content) > most:
        raise ValueError(f"is larger than {most} bytes")
    return content


def reserve(path: str, size: int) -> None:
    """Take the room that a restore will need; OSError (ENOSPC) when there is none."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, size)
        os.fsync(stream.fileno())


def remove(path: str) -> None:
    """Remove whatever has that name, if anything has. Raises OSError."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def draft_of(path: str) -> str:
    """Where `write_durably` writes; it is left behind by a process that is killed meanwhile."""
    return f"{path}.draft"


def sync_directory(path: str) -> None:
    """Let what was created, renamed or removed in a directory survive the loss of power. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(directory: str, patience: float) -> t.Iterator[None]:
    """Hold the directory's lock; GuardError when somebody else holds it for more than so many seconds.

    The lock ends with the process that holds it, however that ends. GuardError, too, when others may put something else in its place.
    """
    with opened(real_directory(directory)) as descriptor:
        give_up = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    raise GuardError(f"another transaction of this host is at work: {directory} is locked") from None
                time.sleep(0.02)
        if os.fstat(descriptor).st_nlink == 0:
            raise GuardError(f"{directory} was removed at this moment: try again")
        yield


def is_locked(directory: str) -> bool:
    """Whether somebody else holds the directory's lock."""
    try:
        with locked(directory, 0.0):
            return False
    except GuardError:
        return True


class StoredBlobs:
    """Contents in files of a directory, each named by its SHA-256."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.names: set[str] = set()

    def put(self, content: bytes) -> str:
        """Keep a content. Raises OSError."""
        name = hashlib.sha256(content).hexdigest()
        path = os.path.join(self._directory, name)
        if name not in self.names:
            write_durably(path, content)
            self.names.add(name)
        return name

    def get(self, name: str) -> bytes:
        """The content; GuardError when the file is not what was written."""
        path = os.path.join(self._directory, name)
        try:
            content = read_file(path)
        except OSError as error:
            raise GuardError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise GuardError(f"{path} {error}") from error
        if hashlib.sha256(content).hexdigest() != name:
            raise GuardError(f"{path} is damaged: its content does not match its name")
        return content


class RememberedBlobs:
    """Contents in memory, to compare the present state with a saved one; others are asked of those that are `stored`."""

    def __init__(self, stored: StoredBlobs | None = None) -> None:
        self._contents: dict[str, bytes] = {}
        self._stored = stored

    def put(self, content: bytes) -> str:
        """Keep a content."""
        name = hashlib.sha256(content).hexdigest()
        self._contents[name] = content
        return name

    def get(self, name: str) -> bytes:
        """The content."""
        if name not in self._contents and self._stored is not None:
            return self._stored.get(name)
        return self._contents[name]
