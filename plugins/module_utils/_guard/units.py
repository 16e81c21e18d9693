# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Save systemd units: whether they run, and the symbolic links that enable or mask them."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from functools import partial

from .._commands import Run
from .base import Blobs, GuardError, Json, succeed, try_all
from .merge import merge_maps
from .places import opened, real_directory

_PLACES = ("/etc/systemd/system", "/run/systemd/system")
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(service|socket|timer|target|path|mount)")
# It is started, and reloaded (by SIGHUP), for systemd before it has made its rules, and fails when they change under its hands. What is
# asked over D-Bus it answers only after that.
_FIREWALLD = "firewalld.service"
_RUNNING = ("active", "activating", "reloading", "refreshing")


class Units:
    """State: unit -> its links, the directories where links may be, whether it runs, and which run of it that is."""

    title = "systemd units"
    survives_reboot = True

    def __init__(self, booting: bool = False, rereading: bool = False) -> None:
        """While the host boots, nothing can be waited for: jobs are only queued. `rereading`: files are put back that units have read."""
        self._queue = ["--no-block"] if booting else []
        self._rereading = rereading

    def save(self, wanted: list[str], blobs: Blobs, run: Run) -> Json:
        """Full names (`firewalld.service`), of units that are there or not."""
        return {name: _unit(name, run) for name in sorted(set(wanted))}

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs) -> Json:
        """Unit by unit: one that we neither changed nor restarted is left to whoever did."""
        return saved if made is None else merge_maps(saved, made, now, lambda unit: [unit["links"], unit["runs"], unit["run"]])

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Links first. A unit that was restarted since then is restarted, so that it runs with what it ran with before."""
        relinked = [_relink(name, saved) for name, saved in record.items()]
        if any(relinked) or self._rereading:
            succeed(run, ["systemctl", "daemon-reload"])
        try_all(partial(self._put_back, name, saved, run) for name, saved in record.items())

    def _put_back(self, name: str, saved: Json, run: Run) -> None:
        verb = self._verb(saved, _unit(name, run))
        if verb is None:
            return
        if name == _FIREWALLD and verb == "reload-or-restart":
            succeed(run, ["firewall-cmd", "--reload"])
            return
        succeed(run, ["systemctl", *self._queue, verb, name])
        if name == _FIREWALLD and verb != "stop" and not self._queue:
            run(["firewall-cmd", "--state"])

    def _verb(self, saved: Json, now: Json) -> str | None:
        """What is asked of systemd."""
        if not saved["runs"]:
            return "stop" if now["runs"] else None
        if not now["runs"]:
            return "start"
        if self._queue:
            return None
        if saved["run"] != now["run"]:
            return "restart"
        return "reload-or-restart" if self._rereading else None

    def essence(self, record: Json) -> Json:
        """Links, and whether units run; a unit that was restarted is as it was."""
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
    runs, run_id = about.get("ActiveState") in _RUNNING, about.get("InvocationID", "")
    return {"links": _links(name), "directories": sorted(_directories()), "runs": runs, "run": run_id}


def _links(name: str) -> dict[str, str]:
    """Links that have the unit's name or lead to a file of that name, and the links in /etc/rc?.d of a script of that name."""
    script = re.compile(r"[SK][0-9][0-9]" + re.escape(name.rsplit(".", 1)[0]))
    found = {}
    for directory in _directories():
        for link, target in _links_in(directory).items():
            if script.fullmatch(link) if directory.startswith("/etc/rc") else name in (link, os.path.basename(target)):
                found[os.path.join(directory, link)] = target
    return found


def _directories() -> set[str]:
    """Where links of units may be, as paths without symbolic links."""
    places = [place for place in _PLACES if os.path.isdir(place)]
    found = [*places, *(path for place in places for path in glob.glob(f"{glob.escape(place)}/*/")), *glob.glob("/etc/rc?.d")]
    return {real_directory(path) for path in found}


def _links_in(directory: str) -> dict[str, str]:
    links = {}
    with contextlib.suppress(FileNotFoundError), opened(directory) as descriptor:
        for name in os.listdir(descriptor):
            with contextlib.suppress(OSError):  # it is no link, or has just gone
                links[name] = os.readlink(name, dir_fd=descriptor)
    return links


def _relink(name: str, unit: Json) -> bool:
    """Make the links what they were, and remove directories that were made for them; whether there was anything to do."""
    now, saved = _links(name), unit["links"]
    if now == saved:
        return False
    try:
        for path in sorted(path for path in {*now, *saved} if now.get(path) != saved.get(path)):
            _relink_one(path, path in now, saved.get(path))
        if "directories" in unit:  # version 0.1.0 did not note them
            for directory in {os.path.dirname(path) for path in now}.difference(unit["directories"]):
                _remove_empty(directory)
    except OSError as error:
        raise GuardError(f"the links of {name} cannot be put back: {error.filename}: {error.strerror}") from error
    return True


def _relink_one(path: str, there: bool, target: str | None) -> None:
    above, link = os.path.split(path)
    if target is not None:
        _make_directory(above)
    with opened(above) as directory:
        if there:
            os.unlink(link, dir_fd=directory)
        if target is not None:
            os.symlink(target, link, dir_fd=directory)
        os.fsync(directory)


def _remove_empty(path: str) -> None:
    with opened(os.path.dirname(path)) as above, contextlib.suppress(OSError):  # somebody else has put something into it
        os.rmdir(os.path.basename(path), dir_fd=above)
        os.fsync(above)


def _make_directory(path: str) -> None:
    with opened(os.path.dirname(path)) as above, contextlib.suppress(FileExistsError):
        os.mkdir(os.path.basename(path), 0o755, dir_fd=above)
        os.fsync(above)
