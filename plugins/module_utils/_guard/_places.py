# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Directories, opened so that no other user decides where a path leads.

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

from ._base import GuardError

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
            _check_owner(status, here)
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
    _check_owner(status, path)
    mode = stat.S_IMODE(status.st_mode)
    shared = mode & 0o022
    if shared and _is_alone() and (mode & stat.S_ISVTX or not mode & 0o002):
        return  # a group without other members, or names that nobody else can take
    if shared:
        raise GuardError(f"{path} has mode {mode:04o}: others than root may put something else in the place of what is in it")


def _check_owner(status: os.stat_result, path: str) -> None:
    owner = status.st_uid
    if owner not in (0, os.geteuid()) and not _is_above_us(owner):
        raise GuardError(f"{path} belongs to user {owner}, who may put something else in its place")


def _is_above_us(owner: int) -> bool:
    """Whether an owner is shown as unknown: then it belongs to the host of this user namespace, which could do everything here anyway."""
    with open("/proc/sys/kernel/overflowuid", encoding="ascii") as stream:
        unknown = int(stream.read())
    return owner == unknown and not any(first <= owner < first + count for first, count in _users())


def _is_alone() -> bool:
    """Whether this user namespace has no user but us."""
    return sum(count for _first, count in _users()) == 1


def _users() -> list[tuple[int, int]]:
    """The users of this user namespace, as first number and count."""
    with open("/proc/self/uid_map", encoding="ascii") as stream:
        return [(int(words[0]), int(words[2])) for words in map(str.split, stream)]
