# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Files of a transaction, written so that neither a crash nor the loss of power leaves half of one."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
import typing as t

from ._base import GuardError


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

    The lock ends with the process that holds it, however that ends.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        give_up = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    raise GuardError(f"another transaction of this host is at work: {directory} is locked") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


class StoredBlobs:
    """Contents in files of a directory, each named by its SHA-256."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def put(self, content: bytes) -> str:
        """Keep a content. Raises OSError."""
        name = hashlib.sha256(content).hexdigest()
        path = os.path.join(self._directory, name)
        if not os.path.exists(path):
            write_durably(path, content)
        return name

    def get(self, name: str) -> bytes:
        """The content; GuardError when the file is not what was written."""
        with open(os.path.join(self._directory, name), "rb") as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() != name:
            raise GuardError(f"{self._directory}/{name} is damaged: its content does not fit its name")
        return content


class RememberedBlobs:
    """Contents in memory, to compare the present state with a saved one."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """Keep a content."""
        name = hashlib.sha256(content).hexdigest()
        self._contents[name] = content
        return name

    def get(self, name: str) -> bytes:
        """The content."""
        return self._contents[name]
