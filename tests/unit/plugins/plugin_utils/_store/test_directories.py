# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory is used only where nobody else can put anything into it, or has put it there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._store import directories

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have files of other users")


def made(path: Path) -> int:
    with directories.private(path, make=True) as directory:
        return stat.S_IMODE(os.fstat(directory).st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o000])
def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert made(tmp_path / "a" / "b") == 0o700
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_nothing_is_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), directories.private(tmp_path / "a"):
        pass
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777])
def test_others_may_not_write(tmp_path: Path, mode: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    with pytest.raises(PermissionError, match=rf"others may write to {shared} \(owner .*, mode {mode:04o}\): run 'chmod go-w {shared}'"):
        made(shared)
    assert made(shared / "mine") == 0o700  # as in a job of AWX


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_others_may_read_where_people_want_that(tmp_path: Path, mode: int) -> None:
    (tmp_path / "read").mkdir()
    (tmp_path / "read").chmod(mode)
    assert made(tmp_path / "read") == mode


@as_root
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    os.chown(tmp_path / "other", 65534, 65534)
    with pytest.raises(PermissionError, match=r"other belongs to nobody \(mode 0755\), and this play runs as root"):
        made(tmp_path / "other")
    assert made(tmp_path / "other" / "mine") == 0o700


def test_a_link_is_no_directory_of_ours(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(NotADirectoryError, match="link is a link to real: give the directory itself"):
        made(tmp_path / "link")
    assert made(tmp_path / "link" / "below") == 0o700  # a link of this user's own on the way
    assert (tmp_path / "real" / "below").is_dir()


@as_root
def test_a_link_of_another_user_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "trap").symlink_to(tmp_path / "precious")
    os.lchown(tmp_path / "trap", 65534, 65534)
    with pytest.raises(NotADirectoryError, match=r"leads through trap, a link to .* that nobody made"):
        made(tmp_path / "trap" / "report")
    assert list((tmp_path / "precious").iterdir()) == []


def test_links_lead_as_they_do_for_everybody(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "absolute").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "up").symlink_to("../a/b/..")
    made(tmp_path / "absolute" / "up" / "b" / "report")
    assert (tmp_path / "a" / "b" / "report").is_dir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(NotADirectoryError, match="more than 40 links"):
        made(tmp_path / "loop" / "report")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError):
        made(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        made(tmp_path / "file" / "report")


def test_files_that_are_links_or_pipes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")
    with directories.private(tmp_path) as directory:
        for name in ("link", "pipe"):
            with pytest.raises(OSError):
                directories.read(directory, name)
