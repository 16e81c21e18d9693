# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain files are read whoever chose their paths, and nothing else is opened."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import haproxy, nginx, plain_files, units


def test_a_file_with_bounds_and_through_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"one\r\ntwo\xff\n")
    link.symlink_to(file)
    assert plain_files.beginning(str(link), 4) == "one\n"
    assert (plain_files.whole(str(link), 10), plain_files.whole(str(link), 9)) == ("one\ntwo\ufffd\n", None)
    assert plain_files.end(str(file), 5) == (b"two\xff\n", 10)
    with pytest.raises(OSError, match="symbolic links"):
        plain_files.end(str(link), 5, links=False)


@pytest.mark.parametrize("path", ["/proc/version", "/proc/self/environ", "/sys/kernel/notes", "/dev/zero", "/", "/proc/self/fd", "a\0b"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, path: str) -> None:
    if "\0" not in path:
        (tmp_path / "link").symlink_to(path)
        with pytest.raises(plain_files.NotPlainError):
            plain_files.beginning(str(tmp_path / "link"), 10)
    with pytest.raises(plain_files.NotPlainError, match=r"is no p(lain file|ath)$"):
        plain_files.whole(path, 10)


def test_nobody_is_waited_for(tmp_path: Path) -> None:
    """Neither for who writes into a pipe, nor for who has a lease on a file, as its owner may."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "leased").write_text("x")
    started = time.monotonic()
    with pytest.raises(plain_files.NotPlainError):
        plain_files.beginning(str(tmp_path / "pipe"), 10)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with (tmp_path / "leased").open("a") as holder:
            fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            with pytest.raises(BlockingIOError, match="leased"):
                plain_files.whole(str(tmp_path / "leased"), 10)
    finally:
        signal.signal(signal.SIGIO, before)
    assert time.monotonic() - started < 5


def test_logs_are_plain_files(tmp_path: Path) -> None:
    """A process that calls itself nginx may have anything open to append to it."""
    name = os.open("/proc/self/comm", os.O_WRONLY | os.O_APPEND)
    try:
        with (tmp_path / "log").open("a") as log:
            log.write("2026")
            log.flush()
            found = [content for _log, content in nginx._logs(os.getpid())]
        assert "2026" in found and Path("/proc/self/comm").read_text(encoding="utf-8") not in found
    finally:
        os.close(name)


def test_configurations_and_environments_are_plain_files(tmp_path: Path) -> None:
    """A process has the arguments that its user gives it, and who may write into a file of a unit may put a link there."""
    words = ["haproxy", "-c", "import time; time.sleep(60)", "-f", "/proc/self/environ"]
    with subprocess.Popen(words, executable=sys.executable, cwd=tmp_path, env={"X": "\nstats socket /run/x\n"}) as other:
        try:
            while "haproxy" not in Path(f"/proc/{other.pid}/cmdline").read_text(encoding="utf-8"):
                time.sleep(0.01)  # execve() has closed what Popen waits for before the arguments are there
            with pytest.raises(plain_files.NotPlainError):
                haproxy.sockets_of(other.pid)
            (tmp_path / "environment").symlink_to(f"/proc/{other.pid}/environ")
            assert units._read(str(tmp_path / "environment")) == ""
        finally:
            other.kill()
