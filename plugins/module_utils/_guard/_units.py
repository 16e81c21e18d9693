# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Saves systemd units: whether they run, and the symbolic links that enable or mask them."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from functools import partial

from ._base import Blobs, GuardError, Json, Run, succeed, try_all
from ._disk import sync_directory

_PLACES = ("/etc/systemd/system", "/run/systemd/system")
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|target|path|mount)")
_RUNNING = ("active", "activating", "reloading", "refreshing")


class Units:
    """State: unit -> its links, whether it runs, and which run of it that is."""

    title = "systemd units"
    survives_reboot = True

    def __init__(self, booting: bool = False, rereading: bool = False) -> None:
        """While the host boots, nothing can be waited for: jobs are only queued. `rereading`: files are put back that units have read."""
        self._queue = ["--no-block"] if booting else []
        self._rereading = rereading

    def save(self, wanted: list[str], blobs: Blobs, run: Run) -> Json:
        """Full names (`firewalld.service`), of units that are there or not."""
        return {name: _unit(name, run) for name in sorted(set(wanted))}

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Links first. A unit that was started anew since then is started anew, so that it runs with what it ran with before."""
        relinked = [_relink(name, saved["links"]) for name, saved in record.items()]
        if any(relinked) or self._rereading:
            succeed(run, ["systemctl", "daemon-reload"])
        try_all(partial(self._put_back, name, saved, run) for name, saved in record.items())

    def _put_back(self, name: str, saved: Json, run: Run) -> None:
        now = _unit(name, run)
        if now["runs"] and not saved["runs"]:
            succeed(run, ["systemctl", *self._queue, "stop", name])
        elif saved["runs"] and not now["runs"]:
            succeed(run, ["systemctl", *self._queue, "start", name])
        elif saved["runs"] and not self._queue and saved["run"] != now["run"]:
            succeed(run, ["systemctl", "restart", name])
        elif saved["runs"] and not self._queue and self._rereading:
            succeed(run, ["systemctl", "reload-or-restart", name])

    def essence(self, record: Json) -> Json:
        """Links, and whether units run; a unit that was started anew is as it was."""
        return {name: [unit["links"], unit["runs"]] for name, unit in record.items()}

    def lines(self, record: Json, blobs: Blobs) -> list[str]:
        """Each unit and its links."""
        found = []
        for name, unit in record.items():
            found.append(f"{name} {'runs' if unit['runs'] else 'does not run'}")
            found += [f"    {path} -> {target}" for path, target in sorted(unit["links"].items())]
        return found


def _unit(name: str, run: Run) -> Json:
    if not _NAME.fullmatch(name):
        raise GuardError(f"{name!r} is not the name of a systemd unit: give the full name, such as firewalld.service")
    shown = succeed(run, ["systemctl", "show", "--property=ActiveState,InvocationID", "--", name])
    about = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    return {"links": _links(name), "runs": about.get("ActiveState") in _RUNNING, "run": about.get("InvocationID", "")}


def _links(name: str) -> dict[str, str]:
    """Links that have the unit's name or lead to a file of that name, and the links in /etc/rc?.d of a script of that name."""
    found = [entry.path for place in _PLACES for directory in (place, *glob.glob(f"{place}/*/")) for entry in _entries(directory)]
    found += glob.glob(f"/etc/rc?.d/[SK][0-9][0-9]{glob.escape(name.rsplit('.', 1)[0])}")
    links = {os.path.normpath(path): os.readlink(path) for path in found if os.path.islink(path)}
    return {
        path: target
        for path, target in links.items()
        if name in (os.path.basename(path), os.path.basename(target)) or path.startswith("/etc/rc")
    }


def _entries(directory: str) -> list[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return list(os.scandir(directory))
    return []


def _relink(name: str, saved: dict[str, str]) -> bool:
    """Make the links what they were; whether there was anything to do."""
    now = _links(name)
    if now == saved:
        return False
    try:
        for path in now:
            if saved.get(path) != now[path]:
                os.unlink(path)
        for path, target in saved.items():
            if now.get(path) != target:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.symlink(target, path)
        for directory in {os.path.dirname(path) for path in (*now, *saved)}:
            sync_directory(directory)
    except OSError as error:
        raise GuardError(f"the links of {name} cannot be put back: {error.filename}: {error.strerror}") from error
    return True
