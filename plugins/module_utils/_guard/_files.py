# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Saves files and directories: content, mode, owner, time of modification, extended attributes (ACLs and labels), absence."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import typing as t

from ._base import Blobs, GuardError, Json, Run
from ._disk import RememberedBlobs, sync_directory

MOST_BYTES = 64 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_DRAFT = ".threeway-handshake.draft"  # beside the file that is being put back; a restore that is repeated writes the same one
_ABSENT = {"type": "absent"}

Entry = t.Dict[str, t.Any]


class Files:
    """State: path -> what is there, for the paths asked for and all that is below them."""

    title = "files"
    survives_reboot = True

    def save(self, wanted: list[str], blobs: Blobs, run: Run) -> Json:
        """Absolute paths of files and directories, there or not."""
        entries: dict[str, Entry] = {}
        roots = sorted({_root(path) for path in wanted})
        left = MOST_BYTES
        for root in roots:
            for path in _walk(root):
                entries[path], size = _entry(path, blobs)
                left -= size
                if left < 0:
                    raise GuardError(f"{root} holds more than {MOST_BYTES >> 20} MiB: name the files that will change instead")
        return {"roots": roots, "entries": entries}

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """What is new goes first, then what is above comes before what is below, and directories get their times last."""
        entries = {path: entry for path, entry in record["entries"].items() if entry != _ABSENT}
        failures: dict[str, str] = {}

        def attempt(action: t.Callable[..., object], path: str, *more: t.Any) -> None:
            try:
                action(path, *more)
            except GuardError as error:
                failures.setdefault(path, str(error))
            except OSError as error:
                failures.setdefault(path, error.strerror or str(error))

        for path in reversed([path for root in record["roots"] for path in _walk(root)]):
            if path not in entries or _kind(path) != entries[path]["type"]:
                attempt(_remove, path)
        for path in sorted(entries):
            attempt(_put_back, path, entries[path], blobs)
        for path in sorted(entries, reverse=True):
            if entries[path]["type"] == "directory":
                attempt(_finish_directory, path, entries[path])
        if failures:
            raise GuardError("; ".join(f"{path} cannot be put back: {why}" for path, why in sorted(failures.items())))

    def essence(self, record: Json) -> Json:
        """All of it."""
        return record

    def lines(self, record: Json, blobs: Blobs) -> list[str]:
        """Each entry, and the lines of those that are text."""
        found = []
        for path, entry in sorted(record["entries"].items()):
            if entry == _ABSENT:
                found.append(f"{path}: absent")
                continue
            found.append(
                f"{path}: {entry['type']} mode {entry['mode']:04o} owner {entry['uid']}:{entry['gid']} {entry.get('target', '')}".rstrip()
            )
            if entry["type"] == "file":
                content = blobs.get(entry["content"])
                with contextlib.suppress(UnicodeDecodeError):
                    found += [f"    {line}" for line in content.decode("utf-8").splitlines()]
        return found


def _root(path: str) -> str:
    """The path without symbolic links above it; where its directory is missing, too, the uppermost one that is."""
    if not os.path.isabs(path) or "\0" in path or os.path.normpath(path) == "/":
        raise GuardError(f"{path!r} cannot be saved: give the absolute path of a file or of a directory below /")
    path = os.path.normpath(path)
    path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    while not os.path.lexists(os.path.dirname(path)):
        path = os.path.dirname(path)
    return path


def _walk(path: str) -> t.Iterator[str]:
    """A path and all below it, directories before what is in them."""
    yield path
    if _kind(path) == "directory":
        for name in sorted(os.listdir(path)):
            yield from _walk(os.path.join(path, name))


def _kind(path: str) -> str:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return "absent"
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISLNK, "link"))
    return next((kind for is_so, kind in kinds if is_so(mode)), "special")


def _entry(path: str, blobs: Blobs) -> tuple[Entry, int]:
    """What is at a path, and the size of its content in bytes."""
    kind = _kind(path)
    if kind == "absent":
        return _ABSENT, 0
    if kind == "special":
        raise GuardError(f"{path} is neither a file nor a directory nor a symbolic link and cannot be saved")
    status = os.lstat(path)
    entry: Entry = {
        "type": kind,
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime_ns": status.st_mtime_ns,
        "attributes": {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in _attribute_names(path)},
    }
    if kind == "link":
        entry["target"] = os.readlink(path)
    if kind != "file":
        return entry, 0
    if status.st_size > MOST_BYTES:
        return entry, status.st_size
    with open(path, "rb") as stream:
        content = stream.read()
    entry["content"] = blobs.put(content)
    return entry, len(content)


def _attribute_names(path: str) -> list[str]:
    try:
        return sorted(os.listxattr(path, follow_symlinks=False))
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):  # a file system without them
            return []
        raise


def _remove(path: str) -> None:
    kind = _kind(path)
    if kind == "directory":
        shutil.rmtree(path)
    elif kind != "absent":
        os.unlink(path)
    else:
        return
    sync_directory(os.path.dirname(path))


def _put_back(path: str, entry: Entry, blobs: Blobs) -> None:
    """Make one path what was saved, the content before the name: whoever opens it sees the old file or the new one."""
    now = _entry(path, RememberedBlobs())[0]
    if now == entry:
        return
    if entry["type"] == "directory":
        if _kind(path) == "absent":
            os.mkdir(path, 0o700)
        _dress(path, entry)
    elif entry["type"] == "link":
        draft = os.path.join(os.path.dirname(path), _DRAFT)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        os.symlink(entry["target"], draft)
        _dress(draft, entry)
        os.replace(draft, path)
    elif now.get("content") == entry["content"]:
        _dress(path, entry)
    else:
        _put_file_back(path, entry, blobs.get(entry["content"]))
    sync_directory(os.path.dirname(path))


def _put_file_back(path: str, entry: Entry, content: bytes) -> None:
    draft = os.path.join(os.path.dirname(path), _DRAFT)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    try:
        _fill(draft, os.O_CREAT | os.O_EXCL, content)
        _dress(draft, entry)
        os.replace(draft, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        # Where something is mounted its content can be replaced, not its name; and a full disk has no room for two.
        if error.errno not in (errno.EBUSY, *_NO_ROOM) or _kind(path) != "file":
            raise
        _fill(path, 0, content)
        _dress(path, entry)


def _fill(path: str, how: int, content: bytes) -> None:
    """The room is taken first: a file that is there already has all of the new content at the end, or all of the old one."""
    with open(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | how, 0o600), "wb") as stream:
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
        os.fsync(descriptor)


def _dress(path: str, entry: Entry) -> None:
    """Owner, attributes, mode and time, in an order in which none undoes another."""
    os.lchown(path, entry["uid"], entry["gid"])
    for name in set(_attribute_names(path)) - set(entry["attributes"]):
        with contextlib.suppress(OSError):  # a label that the system gives to every file
            os.removexattr(path, name, follow_symlinks=False)
    for name, value in entry["attributes"].items():
        os.setxattr(path, name, bytes.fromhex(value), follow_symlinks=False)
    if entry["type"] != "link":
        os.chmod(path, entry["mode"])
    _set_time(path, entry)


def _finish_directory(path: str, entry: Entry) -> None:
    _set_time(path, entry)
    sync_directory(path)


def _set_time(path: str, entry: Entry) -> None:
    if os.lstat(path).st_mtime_ns != entry["mtime_ns"]:
        os.utime(path, ns=(entry["mtime_ns"], entry["mtime_ns"]), follow_symlinks=False)
