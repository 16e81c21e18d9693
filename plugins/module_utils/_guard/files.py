# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Save files and directories: content, mode, owner, modification time, extended attributes (ACLs and labels), absence."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._commands import Run
from .base import Blobs, GuardError, Json
from .entries import ABSENT, MOST_BYTES, Entry, Restoring, entry_of, found
from .merge import merge_maps
from .places import check, opened, opened_in, resolved


class Files:
    """State: path -> what is there, for the paths asked for and all that is below them. Paths have no symbolic links above their end."""

    title = "files"
    survives_reboot = True

    def save(self, wanted: list[str], blobs: Blobs, run: Run) -> Json:
        """Absolute paths of files and directories, there or not.

        Reading them now is safe, whoever may write to them; `refusal` says why what is in them could not be restored.
        """
        entries: dict[str, Entry] = {}
        refusals: list[str] = []
        roots = sorted({_root(path) for path in wanted})
        left = MOST_BYTES
        for root in roots:
            with opened(os.path.dirname(root)) as above:
                for path, entry, size in _walk(above, os.path.basename(root), root, blobs, refusals):
                    entries[path] = entry
                    left -= size
                    if left < 0:
                        raise GuardError(f"{root} holds more than {MOST_BYTES >> 20} MiB: name the files that will change instead")
        return {"roots": roots, "entries": entries, "refusal": refusals[0] if refusals else None}

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs) -> Json:
        """Path by path: what others changed since stays, except where we had changed the same file."""
        if made is None:
            return saved
        entries = merge_maps(saved["entries"], made["entries"], now["entries"])
        return {**saved, "entries": _with_directories(entries, now["entries"])}

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """What is above comes before what is below, and directories get their times last."""
        restoring = Restoring(record["entries"], blobs)
        for root in record["roots"]:
            restoring.put_back_root(root)
        if restoring.failures:
            raise GuardError("; ".join(f"{path} cannot be put back: {why}" for path, why in sorted(restoring.failures.items())))

    def essence(self, record: Json) -> Json:
        """All that is restored."""
        return {"roots": record["roots"], "entries": record["entries"]}

    def lines(self, record: Json, blobs: Blobs) -> list[str]:
        """Each entry, and the lines of those that are text."""
        found = []
        for path, entry in sorted(record["entries"].items()):
            if entry == ABSENT:
                found.append(f"{path}: absent")
                continue
            about = entry.get("target") or (f"SHA-256 {entry['content'][:12]}" if "content" in entry else "")
            found.append(f"{path}: {entry['type']} mode {entry['mode']:04o} owner {entry['uid']}:{entry['gid']} {about}".rstrip())
            if entry["type"] == "file":
                content = blobs.get(entry["content"])
                with contextlib.suppress(UnicodeDecodeError):
                    found += [f"    {line}" for line in content.decode("utf-8").splitlines()]
        return found


def _root(path: str) -> str:
    if not os.path.isabs(path) or "\0" in path or os.path.normpath(path) in ("/", "//"):
        raise GuardError(f"{path!r} cannot be saved: give the absolute path of a file or of a directory below /")
    return resolved(path)


def _with_directories(entries: dict[str, Entry], now: t.Mapping[str, Entry]) -> dict[str, Entry]:
    """A directory that we made stays where others have put something into it."""
    kept = dict(entries)
    for path, entry in entries.items():
        above = os.path.dirname(path)
        while entry != ABSENT and kept.get(above, ABSENT) == ABSENT and above in now:
            kept[above] = now[above]
            above = os.path.dirname(above)
    return kept


def _entry(above: int, name: str, path: str, blobs: Blobs) -> tuple[Entry, int]:
    """What has a name in an open directory, and the size of its content."""
    with found(above, name) as descriptor:
        return entry_of(descriptor, path, blobs)


def _walk(above: int, name: str, path: str, blobs: Blobs, refusals: list[str]) -> t.Iterator[tuple[str, Entry, int]]:
    """What has a name in an open directory, and all below it, directories before what is in them; with the size of its content."""
    entry, size = _entry(above, name, path, blobs)
    yield path, entry, size
    if entry["type"] != "directory":
        return
    with opened_in(above, name, path) as directory:
        try:
            check(directory, path)
        except GuardError as error:
            refusals.append(str(error))
        for below in sorted(os.listdir(directory)):
            yield from _walk(directory, below, os.path.join(path, below), blobs, refusals)
