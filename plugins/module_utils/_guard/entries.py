# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read, remove and restore an entry of an open directory, without ever following a symbolic link."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t
from collections import defaultdict

from .base import Blobs, GuardError, Json
from .disk import RememberedBlobs
from .places import check, opened, opened_in

MOST_BYTES = 64 << 20
ABSENT: dict[str, Json] = {"type": "absent"}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_DRAFT = ".threeway-handshake.draft"  # beside the file that is being put back; a restore that is repeated writes the same one

Entry = t.Dict[str, t.Any]


class Restoring:
    """Puts entries back by their paths, and collects why some cannot be: those do not keep the others from being tried."""

    def __init__(self, entries: t.Mapping[str, Entry], blobs: Blobs) -> None:
        self._entries, self._blobs = entries, blobs
        self._below: defaultdict[str, set[str]] = defaultdict(set)
        for path, entry in entries.items():
            if entry != ABSENT:
                self._below[os.path.dirname(path)].add(os.path.basename(path))
        self.failures: dict[str, str] = {}

    def put_back_root(self, path: str) -> None:
        """One of the paths that were saved, and all below it."""
        with self._noting(path), opened(os.path.dirname(path)) as above:
            self._put_back(above, os.path.basename(path), path)

    def _put_back(self, above: int, name: str, path: str) -> None:
        entry = self._entries.get(path, ABSENT)
        with found(above, name) as descriptor:
            kind = _kind(descriptor)
        if kind not in (entry["type"], "absent"):
            remove_in(above, name, path)
            os.fsync(above)
        if entry["type"] == "directory":
            self._put_directory_back(above, name, path, entry)
        elif entry != ABSENT:
            _put_leaf_back(above, name, path, entry, self._blobs)

    def _put_directory_back(self, above: int, name: str, path: str, entry: Entry) -> None:
        """First it gets its owner and mode, so that nobody else changes what is in it from then on."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        with opened_in(above, name, path) as directory:
            with self._noting(path):
                if entry_of(directory, path, RememberedBlobs())[0] != entry:
                    _dress(directory, entry)
                    os.fsync(above)
            check(directory, path)
            for below in sorted({*os.listdir(directory), *self._below[path]}):
                with self._noting(os.path.join(path, below)):
                    self._put_back(directory, below, os.path.join(path, below))
            _set_time(directory, entry)
            os.fsync(directory)

    @contextlib.contextmanager
    def _noting(self, path: str) -> t.Iterator[None]:
        try:
            yield
        except GuardError as error:
            self.failures.setdefault(path, str(error))
        except OSError as error:
            self.failures.setdefault(path, error.strerror or str(error))
        except RecursionError:
            self.failures.setdefault(path, "its directories are too deep")


@contextlib.contextmanager
def found(above: int, name: str) -> t.Iterator[int | None]:
    """What has that name in an open directory, opened without touching it; None when nothing has."""
    try:
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def entry_of(descriptor: int | None, path: str, blobs: Blobs) -> tuple[Entry, int]:
    """The entry of what is open, and the size of its content in bytes."""
    kind = _kind(descriptor)
    if descriptor is None:
        return ABSENT, 0
    if kind == "special":
        raise GuardError(f"{path} is neither a file nor a directory nor a symbolic link and cannot be saved")
    status, itself = os.fstat(descriptor), _itself(descriptor)
    entry: Entry = {
        "type": kind,
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime_ns": status.st_mtime_ns,
        "attributes": {name: os.getxattr(itself, name).hex() for name in _attribute_names(itself)},
    }
    if kind == "link":
        entry["target"] = os.readlink("", dir_fd=descriptor)
    if kind != "file":
        return entry, 0
    if status.st_size > MOST_BYTES:
        return entry, status.st_size
    with open(itself, "rb") as stream:
        content = stream.read()
    entry["content"] = blobs.put(content)
    return entry, len(content)


def remove_in(above: int, name: str, path: str) -> None:
    """Remove what has that name in an open directory, and all below it."""
    try:
        os.unlink(name, dir_fd=above)
    except IsADirectoryError:
        with opened_in(above, name, path) as directory:
            for below in os.listdir(directory):
                remove_in(directory, below, os.path.join(path, below))
        os.rmdir(name, dir_fd=above)


def _kind(descriptor: int | None) -> str:
    if descriptor is None:
        return "absent"
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISLNK, "link"))
    mode = os.fstat(descriptor).st_mode
    return next((kind for is_so, kind in kinds if is_so(mode)), "special")


def _itself(descriptor: int) -> str:
    """A path that the kernel takes for what is open, be it a symbolic link: for calls that take no descriptor of that sort."""
    return f"/proc/self/fd/{descriptor}"


def _attribute_names(itself: str) -> list[str]:
    try:
        return sorted(os.listxattr(itself))
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):  # a file system without them
            return []
        raise


def _put_leaf_back(above: int, name: str, path: str, entry: Entry, blobs: Blobs) -> None:
    """Make a name what was saved, the content before the name: whoever opens it sees the old file or the new one."""
    with found(above, name) as descriptor:
        now = entry_of(descriptor, path, RememberedBlobs())[0]
        if now == entry:
            return
        if descriptor is not None and entry["type"] == "file" and now.get("content") == entry["content"]:
            _dress(descriptor, entry)
        elif entry["type"] == "link":
            _replace(above, name, entry)
        else:
            content = blobs.get(entry["content"])
            try:
                _replace(above, name, entry, content)
            except OSError as error:
                # Where something is mounted its content can be replaced, not its name; and a full disk has no room for two.
                if error.errno not in (errno.EBUSY, *_NO_ROOM) or descriptor is None:
                    raise
                _fill(above, name, 0, content, entry)
    os.fsync(above)


def _replace(above: int, name: str, entry: Entry, content: bytes | None = None) -> None:
    """Put a new file, or a new symbolic link, in the place of what has that name."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_DRAFT, dir_fd=above)
    try:
        if content is not None:
            _fill(above, _DRAFT, os.O_CREAT | os.O_EXCL, content, entry)
        else:
            os.symlink(entry["target"], _DRAFT, dir_fd=above)
            with found(above, _DRAFT) as descriptor:
                if descriptor is not None:
                    _dress(descriptor, entry)
        os.replace(_DRAFT, name, src_dir_fd=above, dst_dir_fd=above)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(_DRAFT, dir_fd=above)
        raise


def _fill(above: int, name: str, how: int, content: bytes, entry: Entry) -> None:
    """The room is taken first: a file that is there already has all of the new content at the end, or all of the old one."""
    with open(os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | how, 0o600, dir_fd=above), "wb") as stream:
        descriptor = stream.fileno()
        size = os.fstat(descriptor).st_size
        try:
            os.posix_fallocate(descriptor, 0, max(len(content), 1))
        except OSError as error:
            os.ftruncate(descriptor, size)
            if error.errno in _NO_ROOM:  # others: a file system that cannot
                raise
        stream.write(content)
        stream.flush()
        os.ftruncate(descriptor, len(content))
        _dress(descriptor, entry)
        os.fsync(descriptor)


def _dress(descriptor: int, entry: Entry) -> None:
    """Owner, attributes, mode and time, in an order in which none undoes another."""
    itself = _itself(descriptor)
    os.chown(itself, entry["uid"], entry["gid"])
    for name in set(_attribute_names(itself)) - set(entry["attributes"]):
        with contextlib.suppress(OSError):  # a label that the system gives to every file
            os.removexattr(itself, name)
    for name, value in entry["attributes"].items():
        os.setxattr(itself, name, bytes.fromhex(value))
    if entry["type"] != "link":
        os.chmod(itself, entry["mode"])
    _set_time(descriptor, entry)


def _set_time(descriptor: int, entry: Entry) -> None:
    if os.fstat(descriptor).st_mtime_ns != entry["mtime_ns"]:
        os.utime(_itself(descriptor), ns=(entry["mtime_ns"], entry["mtime_ns"]))
