# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Where detached recorders listen: a directory and a Unix socket for each, which its handle names."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import socket
import struct
from typing import Iterator

from .interest import RecorderError

_HANDLE = re.compile(r"[0-9a-f]{16}")
_SOCKET = "control"
CONVERSATION_SECONDS = 20.0


def is_handle(name: str) -> bool:
    return _HANDLE.fullmatch(name) is not None


def _base_directories() -> Iterator[str]:
    yield "/run/threeway-handshake"
    yield os.path.join(os.environ.get("TMPDIR", "/tmp"), f"threeway-handshake-{os.geteuid()}")


def _base_directory() -> str:
    """The first place that can be made, and is ours alone."""
    for base in _base_directories():
        try:
            os.mkdir(base, 0o700)
        except FileExistsError:
            status = os.lstat(base)
            if status.st_uid == os.geteuid() and status.st_mode & 0o170077 == 0o040000:
                return base
        except OSError:
            continue
        else:
            return base
    raise RecorderError("neither /run nor $TMPDIR has room for a directory that belongs to this user alone")


@contextlib.contextmanager
def _locked(base: str) -> Iterator[None]:
    """Else two recorders that start together might take each other for dead, or one that ends take the place from one that starts.

    Raises FileNotFoundError when the directory was removed while this waited for it, also where another has its name by now.
    """
    lock = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.samestat(os.fstat(lock), os.stat(base)):
            raise FileNotFoundError(f"{base} was removed and recreated")
        yield
    finally:
        os.close(lock)


def publish() -> tuple[str, socket.socket]:
    """Remove what dead recorders left, make a new recorder's directory, listen in it."""
    while True:
        with contextlib.suppress(FileNotFoundError):  # the last recorder has ended meanwhile, and taken the place along
            return _publish_in(_base_directory())


def _publish_in(base: str) -> tuple[str, socket.socket]:
    with _locked(base):
        for name in os.listdir(base):
            if is_handle(name) and not _is_alive(os.path.join(base, name)):
                shutil.rmtree(os.path.join(base, name), ignore_errors=True)
        directory = os.path.join(base, os.urandom(8).hex())
        os.mkdir(directory, 0o700)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            listener.bind(os.path.join(directory, _SOCKET))
            listener.listen(4)
        except OSError:
            listener.close()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        finally:
            os.umask(mask)
        return directory, listener


def remove(directory: str) -> None:
    """Remove a recorder's directory, and the place of all of them when this was the last one."""
    shutil.rmtree(directory, ignore_errors=True)
    base = os.path.dirname(directory)
    with contextlib.suppress(OSError), _locked(base):
        os.rmdir(base)


def _is_alive(directory: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.setblocking(False)
        return peer.connect_ex(os.path.join(directory, _SOCKET)) in (0, errno.EAGAIN)  # the latter: too busy to take one more


def connect(peer: socket.socket, handle: str) -> None:
    """Raises RecorderError when there is no such recorder, or none that takes a request in time."""
    # A connection that has to wait for room in the listener's queue would fail at once with a timeout of Python's (EAGAIN). The kernel's
    # timeval is of 64-bit numbers also on 32-bit machines whose programs are built for times after 2038.
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("qq", int(CONVERSATION_SECONDS), 0))
    for base in _base_directories():
        try:
            peer.connect(os.path.join(base, handle, _SOCKET))
        except BlockingIOError:
            raise RecorderError(f"recorder {handle} took no request for {CONVERSATION_SECONDS:.0f} s") from None
        except OSError:
            continue
        else:
            return
    raise RecorderError(f"there is no recorder {handle}: its deadline has passed, or something on this host ended it")
