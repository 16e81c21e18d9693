# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read the state of a transaction from its files together, even if one of them is damaged.

The journal has the last word as long as it is intact. What was saved has a name that says whether the transaction was armed, and it is
removed as soon as it is confirmed or restored. So a saved state without a readable journal belongs to a transaction that was armed and
not confirmed, and the host is restored. Being renamed is what confirms a transaction, or ends its restore: the line in the journal follows.
"""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from functools import partial

from .base import GuardError, Json, try_all
from .disk import StoredBlobs, read_file, sync_directory, write_durably
from .journal import ARMED, ASIDE, FAILED, FINISHED, JOURNAL, PLANNED, STATES, Journal

SAVING, SAVED = "saving.json", "saved.json"  # before the transaction is armed, and from then on
MADE = "made.json"  # the same state after the changes
FINAL = {state: f"{state}.json" for state in FINISHED}  # and from the moment on at which nothing is restored any more
ENDED = "ended"  # nothing is left but a journal that does not say how the transaction ended


class Standing(t.NamedTuple):
    """A transaction's state, and a sentence about its journal when that does not say so."""

    state: str
    damage: str | None


def standing(directory: str) -> Standing:
    """Where a transaction stands. Raises OSError.

    The names come before the journal: what was saved is removed after the journal says why.
    """
    names = set(os.listdir(directory))
    ended = next((state for state, name in FINAL.items() if name in names), None)
    if ended:
        return Standing(ended, None)
    lines, damage = Journal(directory).read()
    steps = [line["step"] for line in lines if line["step"] in STATES]
    final = next((step for step in steps if step in FINISHED), None)  # nothing follows these, whatever the lines after them were
    if final:
        return Standing(final, None)
    state = steps[-1] if steps else PLANNED
    if SAVED in names:
        if damage is None and state == PLANNED:
            damage = f"{directory}/{JOURNAL} is damaged: it does not say that the transaction was armed"
        return Standing(ARMED if damage else state, damage)
    if SAVING in names:
        return Standing(PLANNED, None)
    if names <= {JOURNAL, ASIDE} and (damage or state != PLANNED):
        return Standing(ENDED, damage or f"{directory}/{JOURNAL} is damaged: it does not say how the transaction ended")
    return Standing(FAILED if damage else state, damage)


def store(directory: str, saved: Json, blobs: StoredBlobs) -> None:
    """Write what was saved, for a transaction that is not armed yet. Raises OSError."""
    _store(os.path.join(directory, SAVING), saved, blobs)


def store_made(directory: str, made: Json, blobs: StoredBlobs) -> None:
    """Write what the changes have made of it. Raises OSError."""
    _store(os.path.join(directory, MADE), made, blobs)


def load_made(directory: str) -> Json:
    """What `store_made` wrote; None where there is nothing, or nothing that can be relied on."""
    path = os.path.join(directory, MADE)
    try:
        _verify(path, StoredBlobs(directory))
        return _load(path)["saved"]
    except (GuardError, OSError):
        return None


def _store(path: str, saved: Json, blobs: StoredBlobs) -> None:
    content = json.loads(json.dumps({"saved": saved, "contents": sorted(blobs.names)}))
    write_durably(path, json.dumps({**content, "sha256": _digest(content)}).encode("ascii"))


def mark_armed(directory: str) -> None:
    """From now on the host is restored unless the transaction is confirmed, even if the journal is lost. Raises OSError."""
    os.rename(os.path.join(directory, SAVING), os.path.join(directory, SAVED))
    sync_directory(directory)


def mark_final(directory: str, state: str) -> None:
    """From now on the host is not restored, even if the journal is lost. Raises OSError."""
    os.rename(os.path.join(directory, SAVED), os.path.join(directory, FINAL[state]))
    sync_directory(directory)


def load(directory: str) -> tuple[Json, StoredBlobs]:
    """What a transaction saved. GuardError when it cannot be read or is not what was written."""
    return _load(os.path.join(directory, SAVED))["saved"], StoredBlobs(directory)


def verify(directory: str) -> None:
    """GuardError unless everything that was saved can be read and is what was written."""
    path = os.path.join(directory, SAVING)
    _verify(path if os.path.lexists(path) else os.path.join(directory, SAVED), StoredBlobs(directory))


def _verify(path: str, blobs: StoredBlobs) -> None:
    try_all(partial(blobs.get, name) for name in _load(path)["contents"])


def _load(path: str) -> Json:
    try:
        content = json.loads(read_file(path))
    except OSError as error:
        raise GuardError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise GuardError(f"{path} cannot be read: {error}") from error
    if isinstance(content, dict) and set(content) == {"wanted", "records", "kernel"}:  # version 0.1.0 wrote that alone
        return {"saved": content, "contents": []}
    if not isinstance(content, dict) or _digest({name: content.get(name) for name in ("saved", "contents")}) != content.get("sha256"):
        raise GuardError(f"{path} cannot be read: its content does not match its checksum")
    return content


def _digest(content: Json) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()
