# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users who try to have root's restore write where they could not: a real one, who exchanges directories while it is at work."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._guard import state
from ansible_collections.threeway.handshake.plugins.module_utils._guard.base import GuardError
from ansible_collections.threeway.handshake.plugins.module_utils._guard.disk import RememberedBlobs
from ansible_collections.threeway.handshake.plugins.module_utils._guard.files import Files
from ansible_collections.threeway.handshake.plugins.module_utils._guard.places import real_directory, resolved
from ansible_collections.threeway.handshake.plugins.module_utils._guard.restorer import archive, run
from ansible_collections.threeway.handshake.plugins.module_utils._guard.transaction import Guard

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user, too")
USER = 61234
EXCHANGE = """
import os, sys
place, other, user = sys.argv[1:]
os.setgroups([])
os.setgid(int(user))
os.setuid(int(user))
aside = place + ".aside"
while True:
    try:
        os.rename(place, aside)
        os.symlink(other, place)
        os.unlink(place)
        os.rename(aside, place)
    except OSError:
        for repair in (lambda: os.unlink(place), lambda: os.rename(aside, place)):
            try:
                repair()
            except OSError:
                pass
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of root's."""
    directory = Path(tempfile.mkdtemp(dir="/var/lib", prefix="handshake-places-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def save(*paths: Path) -> tuple[object, RememberedBlobs]:
    blobs = RememberedBlobs()
    return state.save({"files": [str(path) for path in paths]}, blobs, run)["records"]["files"], blobs


def snapshot(directory: Path) -> dict[str, tuple[int, int, int, bytes]]:
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (stat.S_IFMT(status.st_mode) | stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, content)
    return found


@pytest.mark.parametrize("what", ["a user's", "of all", "of all, sticky", "of a group", "below a user's", "by a user's link"])
def test_what_others_may_replace_is_not_saved(place: Path, what: str) -> None:
    directory = place / "etc"
    (directory / "app").mkdir(parents=True)
    target = directory / "app" / "settings"
    target.write_text("one\n")
    if what == "by a user's link":
        (place / "link").symlink_to(directory)
        os.lchown(place / "link", USER, USER)
        target = place / "link" / "app" / "settings"
    elif "user" in what:
        os.chown(directory if "below" in what else directory / "app", USER, USER)
    else:
        (directory / "app").chmod({"of all": 0o777, "of all, sticky": 0o1777, "of a group": 0o775}[what])
    for path in (target, directory) if "link" not in what else (target,):
        with pytest.raises(GuardError, match=r"something else in (its|the) place"):
            save(path)


def test_links_that_root_made_are_resolved_once(place: Path) -> None:
    (place / "real" / "app").mkdir(parents=True)
    (place / "other").mkdir()
    (place / "real" / "app" / "settings").write_text("one\n")
    (place / "etc").symlink_to("other/../real")
    (place / "again").symlink_to(place / "etc")
    assert resolved(str(place / "again/app/settings")) == f"{place}/real/app/settings"
    assert resolved(str(place / "again")) == f"{place}/again"
    assert real_directory(str(place / "again")) == f"{place}/real"
    record, blobs = save(place / "again/app/settings")
    (place / "real/app/settings").write_text("two\n")
    (place / "etc").unlink()
    (place / "etc").symlink_to("other")
    Files().restore(record, blobs, run)
    assert (place / "real/app/settings").read_text() == "one\n"
    assert list((place / "other").iterdir()) == []
    (place / "loop").symlink_to("loop")
    with pytest.raises(GuardError, match="more than 40 symbolic links"):
        resolved(str(place / "loop/settings"))


@pytest.mark.parametrize("saved", ["a file", "a directory", "an absent file"])
def test_a_directory_that_became_a_link_is_not_followed(place: Path, saved: str) -> None:
    app, victim = place / "app", place / "victim"
    for directory in (app, victim):
        directory.mkdir()
    (app / "settings").write_text("ours\n")
    (victim / "settings").write_text("victim's\n")
    record, blobs = save({"a file": app / "settings", "a directory": app, "an absent file": app / "new"}[saved])
    (victim / "new").write_text("victim's\n")
    before = snapshot(victim)
    app.rename(place / "moved")
    app.symlink_to(victim)
    if saved == "a directory":
        Files().restore(record, blobs, run)
        assert (app / "settings").read_text() == "ours\n" and not app.is_symlink()
    else:
        with pytest.raises(GuardError, match=f"{app} is not a directory, or is a symbolic link"):
            Files().restore(record, blobs, run)
    assert snapshot(victim) == before


def test_a_directory_that_others_may_write_to_meanwhile_is_closed_before_anything_is_put_into_it(place: Path) -> None:
    app, victim = place / "app", place / "victim"
    (app / "conf.d").mkdir(parents=True)
    victim.mkdir()
    (app / "conf.d" / "settings").write_text("ours\n")
    (victim / "settings").write_text("victim's\n")
    record, blobs = save(app)
    before = snapshot(app), snapshot(victim)
    app.chmod(0o777)
    (app / "conf.d").rename(app / "moved")
    (app / "conf.d").symlink_to(victim)
    for path in (app / "conf.d", app / "moved"):
        os.lchown(path, USER, USER)
    Files().restore(record, blobs, run)
    assert (snapshot(app), snapshot(victim)) == before


@pytest.mark.parametrize("whose", ["the directory above", pytest.param("the directory itself", marks=pytest.mark.slow)])
def test_who_exchanges_directories_during_restores_reaches_nothing(place: Path, whose: str) -> None:
    """The user owns what is above the files, or what was saved, after it was saved."""
    above, victim = place / "above", place / "victim"
    app = above / "app"
    app.mkdir(parents=True)
    victim.mkdir(mode=0o700)
    for number in range(20):
        (app / f"file{number}").write_text("ours\n" * 1000)
        (victim / f"file{number}").write_text("victim's\n")
    (app / "conf.d").mkdir()
    (app / "conf.d" / "file").write_text("ours\n")
    (victim / "file").write_text("victim's\n")
    record, blobs = save(app)
    before = snapshot(victim)
    swapped = app if whose == "the directory above" else app / "conf.d"
    attacker = subprocess.Popen([sys.executable, "-c", EXCHANGE, str(swapped), str(victim), str(USER)], cwd="/")
    restored = 0
    try:
        give_up = time.monotonic() + 4
        while time.monotonic() < give_up:
            os.chown(above if whose == "the directory above" else app, USER, USER)
            if whose == "the directory itself":
                for number in range(20):
                    (app / f"file{number}").write_text("changed\n")
            time.sleep(0.002)
            try:
                Files().restore(record, blobs, run)
                restored += 1
            except GuardError:
                pass
            assert snapshot(victim) == before
    finally:
        attacker.kill()
        attacker.wait()
    if whose == "the directory itself":
        assert restored > 0


def test_directories_too_deep_to_remove_keep_nothing_else_from_being_restored(place: Path) -> None:
    app = place / "app"
    app.mkdir()
    (app / "settings").write_text("ours\n")
    record, blobs = save(app)
    (app / "settings").write_text("changed\n")
    below = app / "deep"  # before `settings`
    for _level in range(1100):
        below.mkdir()
        below /= "d"
    try:
        with pytest.raises(GuardError, match=f"{app}/deep cannot be put back: its directories are too deep"):
            Files().restore(record, blobs, run)
        assert (app / "settings").read_text() == "ours\n"
    finally:
        subprocess.run(["rm", "-r", str(app / "deep")], check=True)


IN_NAMESPACE = """
import ctypes, os, sys
assert ctypes.CDLL(None).unshare(0x10000000) == 0  # CLONE_NEWUSER
print("unshared", flush=True)
sys.stdin.readline()  # until its users are there
os.setgroups([])
os.setgid(0)
os.setuid(0)
sys.path.insert(0, sys.argv[1])
from ansible_collections.threeway.handshake.plugins.module_utils._guard import places
print(places.real_directory("/usr/bin"))
try:
    places.opened(sys.argv[2]).__enter__()
except places.GuardError as error:
    print(error)
"""


def test_what_belongs_to_the_host_of_a_user_namespace_is_told_from_what_belongs_to_nobody(place: Path) -> None:
    """Both are shown as belonging to user 65534, as in a container or a lab of many users."""
    (place / "restore.pyz").write_bytes(archive())
    theirs = place / "theirs"
    theirs.mkdir()
    os.chown(theirs, 100000 + 65534, 100000 + 65534)
    argv = ["/usr/bin/python3", "-c", IN_NAMESPACE, str(place / "restore.pyz"), str(theirs)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        assert process.stdout is not None and process.stdout.readline() == "unshared\n"
        for users in ("uid_map", "gid_map"):
            Path(f"/proc/{process.pid}", users).write_text("0 100000 65536\n")
        told = process.communicate("\n")[0].splitlines()
    assert told == [os.path.realpath("/usr/bin"), f"{theirs} belongs to user 65534, who may put something else in its place"]


def test_links_of_units_are_neither_read_nor_written_through_others_directories(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.threeway.handshake.plugins.module_utils._guard import units

    monkeypatch.setattr(units, "_PLACES", (str(place / "system"),))
    wants, victim = place / "system" / "multi-user.target.wants", place / "victim"
    wants.mkdir(parents=True)
    victim.mkdir()
    (wants / "a.service").symlink_to("/usr/lib/systemd/system/a.service")
    links = units._links("a.service")
    assert links == {f"{wants}/a.service": "/usr/lib/systemd/system/a.service"}
    saved = {"links": links, "directories": sorted(units._directories())}
    (wants / "a.service").unlink()
    wants.rmdir()
    assert units._relink("a.service", saved) is True
    assert os.readlink(wants / "a.service") == "/usr/lib/systemd/system/a.service"
    (wants / "a.service").unlink()
    wants.rmdir()
    wants.symlink_to(victim)
    with pytest.raises(GuardError, match=f"{wants} is not a directory, or is a symbolic link"):
        units._relink("a.service", saved)
    assert list(victim.iterdir()) == []
    wants.unlink()
    wants.mkdir(mode=0o700)
    os.chown(wants, USER, USER)
    with pytest.raises(GuardError, match=f"belongs to user {USER}"):
        units._links("a.service")


def test_links_that_version_0_1_0_saved_come_back(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It did not note which directories there were: none is taken for one that a change has made."""
    from ansible_collections.threeway.handshake.plugins.module_utils._guard import units

    monkeypatch.setattr(units, "_PLACES", (str(place / "system"),))
    wants = place / "system" / "nobody.target.wants"
    wants.mkdir(parents=True)
    (wants / "a.service").symlink_to("/usr/lib/systemd/system/a.service")
    assert units._relink("a.service", {"links": {f"{place}/system/a.service": "/dev/null"}, "runs": False, "run": ""}) is True
    assert units._links("a.service") == {f"{place}/system/a.service": "/dev/null"} and wants.is_dir()


def test_the_guard_keeps_nothing_where_others_may_replace_it(place: Path) -> None:
    guard = Guard(run, str(place / "guard"))
    place.chmod(0o777)
    with pytest.raises(GuardError, match=f"transaction t1 cannot be armed, nothing has been changed: {place} has mode 0777"):
        guard.arm("t1", 60, {"files": ["/etc/hostname"]})
    place.chmod(0o755)
    (place / "elsewhere").mkdir()
    (place / "guard").symlink_to(place / "elsewhere")
    with pytest.raises(GuardError, match=f"{place}/guard is not a directory, or is a symbolic link"):
        guard.arm("t1", 60, {"files": ["/etc/hostname"]})
    assert list((place / "elsewhere").iterdir()) == []
