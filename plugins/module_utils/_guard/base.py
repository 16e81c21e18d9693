# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What all parts of the guard share: its error, how tools run, and the interface of savers."""

from __future__ import annotations

import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._typing import Protocol

BASE = "/var/lib/threeway-handshake"  # one directory for each transaction of this host

Json = t.Any  # what json.loads() may return


class GuardError(ObserveError):
    """A transaction cannot be what it is asked to be; the message is a sentence for people."""


class ChangedMeanwhileError(GuardError):
    """Somebody else has changed the state since it was read: read it again."""


class Blobs(Protocol):
    """Where a saver puts contents. Equal contents have equal names, so that records can be compared without them."""

    def put(self, content: bytes) -> str:
        """Keep a content and return its name."""

    def get(self, name: str) -> bytes:
        """The content of that name."""


class Saver(Protocol):
    """One kind of state of a host."""

    title: str  # what differs, in a sentence for people
    survives_reboot: bool  # whether a reboot keeps this state, or forgets it

    def save(self, wanted: Json, blobs: Blobs, run: Run) -> Json:
        """Read the state now. GuardError when it cannot be read completely, or could not be restored."""

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs) -> Json:
        """The record to restore: `saved`, with what others have changed between `made`, right after our change, and `now`.

        Without `made` nobody knows what is ours: everything counts as ours, but for what passes by itself.
        """

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Make the state what `save` read, or what `target` made of it; what is so already is not touched.

        GuardError when that cannot be done completely.
        """

    def essence(self, record: Json) -> Json:
        """What of a record must be equal for the state to be the same."""

    def lines(self, record: Json, blobs: Blobs) -> list[str]:
        """The record for people, as lines that can be compared."""


def try_all(actions: t.Iterable[t.Callable[[], object]]) -> None:
    """Do every one of them, whatever happens to the others; GuardError with all that failed."""
    failures: list[Exception] = []
    for action in actions:
        try:
            action()
        except (GuardError, OSError) as error:
            failures.append(error)
    for failure in failures:
        if isinstance(failure, ChangedMeanwhileError):
            raise failure
    if failures:
        raise GuardError("; ".join(map(str, failures)))


def packed(text: str) -> bytes:
    """What a tool printed, byte by byte: names and comments need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def unpacked(content: bytes) -> str:
    """What `packed` took."""
    return content.decode("utf-8", "surrogateescape")


def succeed(run: Run, argv: t.Sequence[str], data: str | None = None) -> str:
    """The standard output of a tool; GuardError with what it said when it fails."""
    code, output, error = run(list(argv), data=data)
    if code != 0:
        said = " ".join((error or output).split())[:500] or "nothing"
        raise GuardError(f"{' '.join(argv)} ended with {code} and said: {said}")
    return output
