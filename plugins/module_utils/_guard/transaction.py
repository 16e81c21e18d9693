# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Transactions of a host: arm, confirm, restore, and list what is open. docs/guard.md describes the protocol."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
import typing as t

from .._commands import Run
from . import state as _state
from .about import about, clock, sentences
from .alarm import clear_stray_alarms, ring, set_alarm
from .base import BASE, GuardError, Json
from .disk import RememberedBlobs, StoredBlobs, locked, reserve, sync_directory, write_durably
from .journal import ARMED, CONFIRMED, FAILED, FINISHED, MADE, PLANNED, RESTORED, RESTORING, Journal
from .places import check as check_place
from .places import opened, opened_in, real_directory
from .record import ENDED, load, mark_armed, mark_final, standing, store, store_made
from .restorer import archive, mend_archive
from .restoring import RESERVE, forget, note_differences, tidy
from .watchers import RESTORER

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_PATIENCE = 10.0  # seconds for another one's step to end
_RESTORE_PATIENCE = 300.0
_RECORDS = 20  # finished transactions whose journals are kept
_JOURNAL_ROOM = 64 << 10

_KEPT = "it was confirmed and is not restored: what it saved is gone"
_NOTHING_LEFT = "Nothing that it saved is left, as after every transaction that has ended"

Lines = t.Dict[str, t.List[str]]


class Outcome(t.NamedTuple):
    """What a step came to: whether it changed anything, the transaction's state and record, and lines for people by kind of state."""

    changed: bool
    state: str
    about: dict[str, t.Any]
    before: Lines
    after: Lines


class Guard:
    """The transactions of this host. Every method raises GuardError with a sentence."""

    def __init__(self, run: Run, base: str = BASE) -> None:
        self._run, self._base = run, base

    def arm(self, transaction: str, timeout: float, wanted: t.Mapping[str, Json], check: bool = False) -> Outcome:
        """Save what is wanted and have it restored in `timeout` seconds. Before this returns, nothing may be changed.

        With nothing to save it still keeps every other transaction away, and has a journal.
        With `check`, return what would be saved. A transaction that is armed already stays as it is.
        """
        directory = self._directory(transaction)
        if not (math.isfinite(timeout) and 0 < timeout <= 86400):
            raise GuardError(f"the timeout is {timeout}: give seconds, up to 86400")
        if check:
            self._refuse_another(transaction)
            with sentences("the state of this host cannot be saved"):
                blobs = RememberedBlobs()
                saved = _state.save(wanted, blobs, self._run)
            return Outcome(True, PLANNED, {"not_saved": _state.not_saved(saved)}, {}, _state.saved_lines(saved, blobs))
        with sentences(f"transaction {transaction} cannot be armed, nothing has been changed"):
            self._make_base()
            with locked(self._base, _PATIENCE):
                self._sweep()
                self._refuse_another(transaction)
                armed = self._armed_already(directory, wanted)
                if armed:
                    return armed
                try:
                    os.mkdir(directory, 0o700)
                    sync_directory(self._base)
                    return self._arm(directory, transaction, timeout, wanted)
                except BaseException:
                    forget(directory, self._run)
                    raise

    def confirm(self, transaction: str, check: bool = False) -> Outcome:
        """Keep what has been changed since, and disarm. Only one of this and a restore ever happens: the one that began first."""
        directory = self._known(transaction)
        with sentences(f"transaction {transaction} cannot be confirmed"), self._step(directory):
            journal = Journal(directory)
            state, damage = standing(directory)
            if state == CONFIRMED:
                if not check:
                    tidy(directory, self._run)
                return Outcome(False, state, about(directory, self._run), {}, {})
            if damage:
                raise GuardError(f"{damage}. {_NOTHING_LEFT if state == ENDED else 'The host will be restored'}")
            if state != ARMED:
                raise GuardError(self._too_late(journal, state))
            saved, blobs = load(directory)
            before = _state.saved_lines(saved, blobs)
            if check:
                after = _state.differences(saved, blobs, self._run)
                return Outcome(True, state, about(directory, self._run), _only(before, after), after)
            os.sync()  # what is confirmed must not be lost with the power
            after = note_differences(journal, saved, blobs, self._run)
            mark_final(directory, CONFIRMED)
            with contextlib.suppress(OSError):  # it is confirmed; whoever arms next tidies up
                tidy(directory, self._run)
            return Outcome(True, CONFIRMED, about(directory, self._run), _only(before, after), after)

    def made(self, transaction: str, check: bool = False) -> Outcome:
        """Note what the changes have made: a restore keeps what others change from now on. May be repeated, after more changes."""
        directory = self._known(transaction)
        with sentences(f"what transaction {transaction} has changed cannot be noted"), self._step(directory):
            journal = Journal(directory)
            state, damage = standing(directory)
            if damage or state != ARMED:
                raise GuardError(damage or f"it is {state}")
            if not check:
                saved, blobs = load(directory)[0], StoredBlobs(directory)
                store_made(directory, _state.record(saved, blobs, self._run), blobs)
                journal.append(MADE)
            return Outcome(False, state, about(directory, self._run), {}, {})

    def restore(self, transaction: str, check: bool = False) -> Outcome:
        """Restore the host now, and wait for it. GuardError when something cannot be put back; what could is."""
        directory = self._known(transaction)
        with sentences(f"transaction {transaction} cannot be restored"):
            state, damage = standing(directory)
            if state == RESTORED:
                return Outcome(False, state, about(directory, self._run), {}, {})
            if state == CONFIRMED:
                raise GuardError(_KEPT)
            if state == ENDED:
                raise GuardError(f"{damage}. {_NOTHING_LEFT}")
            before, after = self._to_undo(directory)
            if check:
                return Outcome(True, state, about(directory, self._run), before, after)
            if state == FAILED:
                with self._step(directory):
                    Journal(directory).append(RESTORING, again=True)
            mend_archive(directory)
            ring(directory, transaction, self._run)
            state = self._await_restore(directory)
            if state == CONFIRMED:  # somebody else was faster
                raise GuardError(_KEPT)
        if state == FAILED:
            why = (Journal(directory).last(FAILED) or {}).get("why")
            raise GuardError(
                f"transaction {transaction} could not be restored completely: {why}. Mend that and restore it again, or forget it"
            )
        return Outcome(True, state, about(directory, self._run), before, after)

    def forget(self, transaction: str, check: bool = False) -> Outcome:
        """Remove the record of a transaction that has come to an end, or whose restore has failed. The host stays as it is."""
        directory = self._directory(transaction)
        if not os.path.isdir(directory):
            return Outcome(False, "absent", {}, {}, {})
        with sentences(f"transaction {transaction} cannot be forgotten"), self._step(directory):
            state = standing(directory).state
            if state in (ARMED, RESTORING):
                raise GuardError(f"transaction {transaction} is {state}: confirm or restore it")
            if not check:
                forget(directory, self._run)
                with contextlib.suppress(OSError):  # the last record takes the guard's directory with it
                    os.rmdir(self._base)
            return Outcome(True, "absent", {}, {}, {})

    def open(self) -> list[dict[str, t.Any]]:
        """The transactions that have come to no end, the oldest first."""
        with sentences("the transactions of this host cannot be read"):
            found = [about(os.path.join(self._base, name), self._run) for name in self._names()]
        unfinished = [each for each in found if each["state"] not in (*FINISHED, ENDED, PLANNED)]
        return sorted(unfinished, key=lambda each: each["armed"] or 0)

    def _arm(self, directory: str, transaction: str, timeout: float, wanted: t.Mapping[str, Json]) -> Outcome:
        journal = Journal(directory)
        journal.append(PLANNED, wanted=sorted(kind for kind in wanted if wanted[kind]), timeout=timeout)
        blobs = StoredBlobs(directory)
        saved = _state.save(wanted, blobs, self._run)
        size = sum(entry.stat().st_size for entry in os.scandir(directory))
        reserve(os.path.join(directory, RESERVE), size + _JOURNAL_ROOM)
        write_durably(os.path.join(directory, RESTORER), archive())
        store(directory, saved, blobs)
        lines = _state.saved_lines(saved, blobs)
        by, deadline = set_alarm(directory, transaction, timeout, self._run)
        mark_armed(directory)
        journal.append(ARMED, deadline=deadline, by=by)
        return Outcome(True, ARMED, {**about(directory, self._run), "not_saved": _state.not_saved(saved)}, {}, lines)

    def _armed_already(self, directory: str, wanted: t.Mapping[str, Json]) -> Outcome | None:
        """The outcome for a transaction that is armed already; GuardError when its name has been used for another one."""
        if not os.path.isdir(directory):
            return None
        state, damage = standing(directory)
        if state == ARMED and not damage and load(directory)[0]["wanted"] == {kind: wanted[kind] for kind in wanted if wanted[kind]}:
            return Outcome(False, state, about(directory, self._run), {}, {})
        raise GuardError(f"transaction {os.path.basename(directory)} is {state} already: give every transaction a name of its own")

    def _refuse_another(self, transaction: str) -> None:
        for other in self.open():
            if other["transaction"] != transaction:
                raise GuardError(f"transaction {other['transaction']} of this host is {other['state']}: {other['advice']}")

    def _sweep(self) -> None:
        """Finish what was interrupted between the last line of a journal and the end, and keep few old journals."""
        finished, names = [], self._names()
        clear_stray_alarms(self._base, names, self._run)
        for name in names:
            directory = os.path.join(self._base, name)
            state = standing(directory).state
            if state == PLANNED:
                forget(directory, self._run)
            elif state in (*FINISHED, ENDED):
                tidy(directory, self._run)
                finished.append((os.stat(directory).st_mtime, directory))
        for _time, directory in sorted(finished)[:-_RECORDS]:
            forget(directory, self._run)

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._base) as entries:
                return sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return []

    def _directory(self, transaction: str) -> str:
        if not _NAME.fullmatch(transaction):
            raise GuardError(f"{transaction!r} is not the name of a transaction: give up to 64 letters, digits and dashes")
        return os.path.join(self._base, transaction)

    def _known(self, transaction: str) -> str:
        directory = self._directory(transaction)
        with sentences(f"transaction {transaction} cannot be read"):
            known = os.path.isdir(directory) and standing(directory).state != PLANNED
        if not known:
            raise GuardError(f"there is no transaction {transaction} on this host")
        return directory

    def _make_base(self) -> None:
        with opened(real_directory(os.path.dirname(self._base))) as above:
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.basename(self._base), 0o700, dir_fd=above)
                os.fsync(above)
            with opened_in(above, os.path.basename(self._base), self._base) as base:
                check_place(base, self._base)

    @contextlib.contextmanager
    def _step(self, directory: str) -> t.Iterator[None]:
        """Hold the lock; one that a restore holds is not worth waiting for."""
        try:
            with locked(self._base, 0 if standing(directory).state == RESTORING else _PATIENCE):
                yield
        except GuardError:
            if os.path.isdir(directory) and standing(directory).state == RESTORING:
                raise GuardError(self._too_late(Journal(directory), RESTORING)) from None
            raise

    @staticmethod
    def _too_late(journal: Journal, state: str) -> str:
        began = clock((journal.last(RESTORING) or {"time": 0})["time"])
        return {
            RESTORING: f"its restore began at {began} and is going on",
            RESTORED: f"its restore began at {began}, and the host is as it was before",
        }.get(state, f"its restore began at {began} and could not be completed: {(journal.last(FAILED) or {}).get('why')}")

    def _to_undo(self, directory: str) -> tuple[Lines, Lines]:
        """What differs from what was saved: lines of now and of then. None where the files are gone, because a restore has just ended."""
        with contextlib.suppress(GuardError):
            saved, blobs = load(directory)
            now = _state.differences(saved, blobs, self._run)
            return now, _only(_state.saved_lines(saved, blobs), now)
        return {}, {}

    @staticmethod
    def _await_restore(directory: str) -> str:
        """The state once the restore has ended."""
        give_up = time.monotonic() + _RESTORE_PATIENCE
        while time.monotonic() < give_up:
            state = standing(directory).state
            if state in (*FINISHED, FAILED):
                return state
            time.sleep(0.05)
        raise GuardError(f"it has not ended after {_RESTORE_PATIENCE:.0f} s and goes on")


def _only(lines: Lines, kinds: t.Iterable[str]) -> Lines:
    return {kind: lines[kind] for kind in kinds}
