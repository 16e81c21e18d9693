# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Open directories so that no other user decides where a path leads.

Root follows a path that somebody else may change into whatever they put there. So each directory of a path is opened from the one above
it, never through a symbolic link, and the open directory is checked, not its name: only root may own it or write to it. What is below it
then can be changed by root alone, for as long as it stays open. Symbolic links that root made are resolved once, when something is saved.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .base import GuardError

_MOST_LINKS = 40  # as the kernel has it
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def resolved(path: str) -> str:
    """The path without symbolic links above its last component; where directories are missing, the uppermost missing one.

    GuardError when somebody else than root could change where it leads.
    """
    return _resolved(path, directory=False)


def real_directory(path: str) -> str:
    """The path of a directory without any symbolic links. GuardError as `resolved`; FileNotFoundError."""
    return _resolved(path, directory=True)


def _resolved(path: str, directory: bool) -> str:
    todo, done, links = os.path.normpath(path).split("/")[::-1], "/", 0
    while todo:
        name = todo.pop()
        if name in ("", "."):
            continue
        if name == "..":
            done = os.path.dirname(done)
            continue
        here = os.path.join(done, name)
        with opened(done) as above:
            try:
                status = os.stat(name, dir_fd=above, follow_symlinks=False)
            except FileNotFoundError:
                if directory:
                    raise
                return here
            if not stat.S_ISLNK(status.st_mode) or not (todo or directory):
                done = here
                continue
            if not _is_roots(status.st_uid) and status.st_uid != _unknown():
                raise GuardError(f"{here} belongs to user {status.st_uid}, who may put something else in its place")
            target = os.readlink(name, dir_fd=above)
        links += 1
        if links > _MOST_LINKS:
            raise GuardError(f"{path} leads through more than {_MOST_LINKS} symbolic links")
        if target.startswith("/"):
            done = "/"
        todo += target.split("/")[::-1]
    return done


@contextlib.contextmanager
def opened(path: str) -> t.Iterator[int]:
    """A directory by its path without symbolic links. GuardError when others could change it or what is above; FileNotFoundError."""
    with contextlib.ExitStack() as above:
        here, directory = "/", os.open("/", _DIRECTORY)
        above.callback(os.close, directory)
        check(directory, here)
        for name in path.strip("/").split("/") if path != "/" else ():
            here = os.path.join(here, name)
            directory = above.enter_context(opened_in(directory, name, here))
            check(directory, here)
        yield directory


@contextlib.contextmanager
def opened_in(above: int, name: str, path: str) -> t.Iterator[int]:
    """The directory of that name in one that is open. It is not checked."""
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=above)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise GuardError(f"{path} is not a directory, or is a symbolic link that was put in its place") from error
        raise
    try:
        yield directory
    finally:
        os.close(directory)


def check(directory: int, path: str) -> None:
    """GuardError unless root alone can change what is in an open directory."""
    status = os.fstat(directory)
    if not (_is_roots(status.st_uid) or (status.st_uid == _unknown() and _is_above_us(directory))):
        raise GuardError(f"{path} belongs to user {status.st_uid}, who may put something else in its place")
    mode = stat.S_IMODE(status.st_mode)
    shared = mode & 0o022
    if shared and _is_alone() and (mode & stat.S_ISVTX or not mode & 0o002):
        return  # a group without other members, or names that nobody else can take
    if shared:
        raise GuardError(f"{path} has mode {mode:04o}: others than root may put something else in the place of what is in it")


def _is_roots(owner: int) -> bool:
    return owner in (0, os.geteuid())


def _unknown() -> int:
    """As which user the kernel shows those whom this user namespace does not have."""
    with open("/proc/sys/kernel/overflowuid", encoding="ascii") as stream:
        return int(stream.read())


def _is_above_us(directory: int) -> bool:
    """Whether its owner is none of this user namespace's, but of the host outside, which could do everything here anyway.

    The kernel does not let our root do what only an owner may do then, such as reading without a trace.
    """
    try:
        os.close(os.open(".", _DIRECTORY | os.O_NOATIME, dir_fd=directory))
    except PermissionError:
        return True
    return False


def _is_alone() -> bool:
    """Whether this user namespace has no user but us."""
    with open("/proc/self/uid_map", encoding="ascii") as stream:
        return sum(int(line.split()[2]) for line in stream) == 1
