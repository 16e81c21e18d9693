# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Directories of the controller that only their owner can write to: opened without following links that others may have made."""

from __future__ import annotations

import os
import pwd
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_SEARCH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS_WRITE = 0o022
_MOST_LINKS = 40


@contextmanager
def private(path: Path | str, *, make: bool = False) -> Iterator[int]:
    """A descriptor of a directory that is this user's and that nobody else may write to; `make`: mode 0700, where there is none.

    Its parents may be anybody's, as in a job of AWX, but a link on the way must be root's or this user's, and the directory itself
    must not be one. OSError whose text is a sentence, or the kernel's own.
    """
    descriptor = _open(os.path.abspath(path), make)
    try:
        _refuse_others(descriptor, os.path.abspath(path))
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def any_owner(path: Path | str) -> Iterator[int]:
    """A descriptor of a directory that may be shared. OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def replace(directory: int, name: str, content: bytes | Sequence[bytes], *, durable: bool = False, mode: int = 0o600) -> None:
    """Replace a file by some content, or its parts, in one step: a reader sees the old one or the new one.

    Also after a power cut if it is `durable`. OSError.
    """
    draft = f".{name[:40]}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if durable:
                os.fsync(file.fileno())
        os.replace(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=directory)
        raise


def create(directory: int, name: str, content: bytes) -> None:
    """Write a file unless there is one of that name; readers may see it empty. OSError."""
    with suppress(FileExistsError):
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(content)


def read(directory: int, name: str, most: int | None = None) -> bytes:
    """The content of a file that is no link; of no more than `most` bytes, if that is given. OSError."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PermissionError(f"{name} is not a plain file: remove it")
        content = file.read() if most is None else file.read(most + 1)
        if most is not None and len(content) > most:
            raise PermissionError(f"{name} is larger than {most} bytes, and cannot be read")
        return content


def _open(path: str, make: bool) -> int:
    """The directory at an absolute path, reached from descriptor to descriptor."""
    here = os.open("/", _SEARCH)
    ahead, links = [part for part in path.split("/") if part] or ["."], 0
    try:
        while ahead:
            name, ahead = ahead[0], ahead[1:]
            if (target := _target(here, name, path, last=not ahead)) is not None:
                links += 1
                if links > _MOST_LINKS:
                    raise NotADirectoryError(f"{path} leads through more than {_MOST_LINKS} links")
                ahead = [*(part for part in target.split("/") if part), *ahead]
                there = os.open("/" if target.startswith("/") else ".", _SEARCH, dir_fd=here)
            else:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=here)
                there = os.open(name, _SEARCH if ahead else _LIST, dir_fd=here)
            os.close(here)
            here = there
    except BaseException:
        os.close(here)
        raise
    return here


def _target(directory: int, name: str, path: str, last: bool) -> str | None:
    """Where a link leads that may be followed; None for what is no link."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(status.st_mode):
        return None
    target = os.readlink(name, dir_fd=directory)
    if last:
        raise NotADirectoryError(f"{path} is a link to {target}: give the directory itself")
    if status.st_uid not in (0, os.geteuid()):
        raise NotADirectoryError(
            f"{path} leads through {name}, a link to {target} that {_user(status.st_uid)} made: give another directory"
        )
    return target


def _refuse_others(directory: int, path: str) -> None:
    status = os.fstat(directory)
    mode, owner = stat.S_IMODE(status.st_mode), _user(status.st_uid)
    if status.st_uid != os.geteuid():
        us = _user(os.geteuid())
        raise PermissionError(f"{path} belongs to {owner} (mode {mode:04o}), and this play runs as {us}: give a directory of {us}'s own")
    if mode & _OTHERS_WRITE:
        raise PermissionError(
            f"others may write to {path} (owner {owner}, mode {mode:04o}): run 'chmod go-w {path}', or give another directory; "
            "one that does not exist is made"
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
