# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Everything that a transaction saves of a host, in one record; compare it with the present, and restore it."""

from __future__ import annotations

import os
import socket
import time
import typing as t

from .._commands import Run
from .base import Blobs, ChangedMeanwhileError, GuardError, Json, Saver
from .disk import RememberedBlobs, StoredBlobs
from .files import Files
from .firewall import MARKED, Firewall
from .others import Others, Versions, others
from .routes import Neighbours, Routes
from .sysctls import Sysctls
from .units import Units

_SO_NETNS_COOKIE = 71
_ATTEMPTS = 5
_SAME_BOOT = 2.0  # seconds by which the time of the boot may seem to differ; no machine boots again within them


def savers(booting: bool = False, rereading: bool = False) -> dict[str, Saver]:
    """By the option's name, in the order in which things are put back: first what lets packets reach the host again."""
    return {
        "sysctls": Sysctls(),
        "firewall": Firewall(),
        "routes": Routes(),
        "neighbours": Neighbours(),
        "files": Files(),
        "units": Units(booting, rereading),
    }


def save(wanted: t.Mapping[str, Json], blobs: Blobs, run: Run) -> Json:
    """A record of what is wanted, by the savers' names. Raises GuardError, OSError."""
    records = {kind: saver.save(wanted[kind], blobs, run) for kind, saver in savers().items() if wanted.get(kind)}
    refusal = records.get("files", {}).get("refusal")
    if refusal:
        raise GuardError(refusal)
    return {"wanted": {kind: wanted[kind] for kind in records}, "records": records, "kernel": kernel()}


def record(saved: Json, blobs: Blobs, run: Run) -> Json:
    """What was saved as it is now, to show later what was changed until now. Raises GuardError, OSError."""
    return {kind: savers()[kind].save(saved["wanted"][kind], blobs, run) for kind in saved["records"]}


def restore(saved: Json, made: Json, stored: StoredBlobs, run: Run, booting: bool, rereading: bool) -> Others:
    """Put everything back, but for what others have changed since `made`; `rereading` when units are to read their files again (see Units).

    `made`: what `record` returned when our change was made, or None when nobody knows: then all that has changed is undone.
    What fails does not keep the rest from being tried; then GuardError says all that failed.
    What a reboot forgets is not put back after a reboot: another kernel, or another network, has its own.
    """
    parts, records = savers(booting, rereading), saved["records"]
    passing = [kind for kind in records if not parts[kind].survives_reboot and _is_same(saved["kernel"], kernel())]
    wanted = [*passing, *(kind for kind in ("files", "units") if kind in records)]
    restores = {kind: _Restore(parts[kind], saved["wanted"][kind], records[kind], (made or {}).get(kind), stored, run) for kind in wanted}
    failures: dict[str, str] = {}

    def put_back(kind: str) -> None:
        try:
            restores[kind].carry_out()
            failures.pop(kind, None)
        except Exception as error:  # whatever it is must not keep the rest from being put back
            failures[kind] = str(error) if isinstance(error, (GuardError, OSError)) else repr(error)

    for kind in wanted:
        put_back(kind)
    if "units" in records:
        for kind in passing:  # services that start may bring sysctls, rules and routes of their own
            put_back(kind)
    if failures:
        raise GuardError("; ".join(f"{kind}: {why}" for kind, why in failures.items()))
    restored = {kind: restores[kind].versions() for kind in wanted}
    return others({kind: lines for kind, lines in restored.items() if lines})


class _Restore:
    """The restore of one kind of state."""

    def __init__(self, saver: Saver, wanted: Json, saved: Json, made: Json, stored: StoredBlobs, run: Run) -> None:
        self._saver, self._wanted, self._saved, self._made, self._run = saver, wanted, saved, made, run
        self._blobs = RememberedBlobs(stored)
        self._target: Json = None
        self._before: list[str] | None = None

    def carry_out(self) -> None:
        """May be repeated: it is then made what it was made the first time."""
        for _attempt in range(_ATTEMPTS):
            try:
                now = self._saver.save(self._wanted, self._blobs, self._run)
                again = self._target is not None and self._wanted != MARKED  # marked rules are ours, whenever it is
                saved, made = (self._target, None) if again else (self._saved, self._made)
                target = self._saver.target(saved, made, now, self._blobs)
                if self._before is None:
                    self._before = self._saver.lines(now, self._blobs)
                self._saver.restore(target, self._blobs, self._run)
                self._target = target
                return
            except ChangedMeanwhileError:
                continue
            except Exception:  # what is there now was not made for us: it must not keep what was saved from being put back
                break
        self._saver.restore(self._saved, self._blobs, self._run)
        self._target = self._saved

    def versions(self) -> Versions | None:
        """For people, where it can be put into words."""
        if self._before is None:
            return None
        try:
            saved = self._saver.lines(self._saved, self._blobs)
            made = None if self._made is None else self._saver.lines(self._made, self._blobs)
            after = self._saver.lines(self._saver.save(self._wanted, self._blobs, self._run), self._blobs)
        except Exception:  # it is restored even so
            return None
        return Versions(saved, made, self._before, after, alone=self._wanted == MARKED and self._target is not self._saved)


def differences(saved: Json, stored: StoredBlobs, run: Run) -> dict[str, list[str]]:
    """The present state of what is not as it was saved, as lines for people, by the savers' names. Raises GuardError, OSError."""
    found = {}
    for kind, before in saved["records"].items():
        saver, blobs = savers()[kind], RememberedBlobs(stored)
        now = saver.save(saved["wanted"][kind], blobs, run)
        if saver.essence(now) != saver.essence(saver.target(before, None, now, blobs)):
            found[kind] = saver.lines(now, blobs)
    return found


def not_saved(saved: Json) -> list[str]:
    """Sentences about what is there and cannot be saved."""
    return list(saved["records"].get("firewall", {}).get("not_saved", []))


def saved_lines(saved: Json, blobs: Blobs) -> dict[str, list[str]]:
    """What was saved, as lines for people, by the savers' names."""
    return {kind: savers()[kind].lines(record, blobs) for kind, record in saved["records"].items()}


def kernel() -> dict[str, t.Any]:
    """Names the running kernel and the network namespace in it, which may outlive the reboot of a container."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = stream.read().strip()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
            network = any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8).hex()
    except OSError:  # before Linux 5.14
        network = os.readlink("/proc/self/ns/net")
    return {"boot": boot, "booted": time.time() - time.clock_gettime(time.CLOCK_BOOTTIME), "network": network}


def _is_same(one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> bool:
    """Whether nothing was forgotten between the two. systemd-nspawn gives a container another boot id at each of its boots."""
    same_kernel = one["boot"] == other["boot"] or abs(one["booted"] - other["booted"]) < _SAME_BOOT
    return bool(same_kernel and one["network"] == other["network"])
