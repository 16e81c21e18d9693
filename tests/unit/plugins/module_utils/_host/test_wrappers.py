# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of TCP wrappers, for programs that have their library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host.wrappers import MOST_BYTES, MOST_WORDS, read

ALLOW = "# sshd: ALL\nsshd, xinetd: 10.0.1. [2001:db8::]/64\n\\\n"
DENY = "in.tftpd: ALL EXCEPT \\\n  10.0.2.\nALL: ALL : spawn /bin/true\n"


WITH_THE_LIBRARY = pytest.mark.skipif(shutil.which("xinetd") is None, reason="the program 'xinetd' is missing")


def listening(pid: int) -> list[dict[str, object]]:
    return [{"port": 5432, "processes": [{"pid": pid, "name": "x"}]}, {"port": 5433, "processes": None}]


def rules_of(tmp_path: Path, *texts: str) -> list[dict[str, Any]]:
    files = [tmp_path / "hosts.allow", tmp_path / "hosts.deny", tmp_path / "none"]
    for path, text in zip(files, texts):
        path.write_text(text)
    (tmp_path / "xinetd.conf").write_text("defaults\n{\n}\n")
    argv = ["xinetd", "-f", str(tmp_path / "xinetd.conf"), "-dontfork", "-stayalive", "-pidfile", str(tmp_path / "pid")]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            time.sleep(0.3)
            found = read(listening(running.pid), list(map(str, files)))
        finally:
            running.kill()
    assert [(each["pid"], each["program"]) for each in found] == [(running.pid, "x")]
    return list(found[0]["rules"])


@WITH_THE_LIBRARY
def test_a_program_with_the_library(tmp_path: Path) -> None:
    found = rules_of(tmp_path, ALLOW, DENY)
    assert not any(rule["partial"] for rule in found)
    rules = [(os.path.basename(rule["file"]), rule["line"], rule["daemons"], rule["clients"], rule["options"]) for rule in found]
    assert rules == [
        ("hosts.allow", 2, ["sshd", "xinetd"], ["10.0.1.", "[2001:db8::]/64"], False),
        ("hosts.deny", 1, ["in.tftpd"], ["ALL", "EXCEPT", "10.0.2."], False),
        ("hosts.deny", 3, ["ALL"], ["ALL"], True),
    ]


@WITH_THE_LIBRARY
def test_what_is_not_known_as_a_whole_is_marked(tmp_path: Path) -> None:
    clients = [f"10.0.{number}.1" for number in range(MOST_WORDS + 1)]
    line = "sshd: 192.0.2.1\n"
    found = rules_of(tmp_path, f"sshd: {' '.join(clients[1:])}\nsshd: {' '.join(clients)}\n", line + "#" * MOST_BYTES + "\nALL: ALL\n")
    assert [(rule["line"], rule["partial"], bool(rule["clients"])) for rule in found] == [
        (1, False, True),
        (2, True, True),
        (1, False, True),
        (2, True, False),
    ]


def test_a_program_without_it(tmp_path: Path) -> None:
    (tmp_path / "hosts.deny").write_text("ALL: ALL\n")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        try:
            assert read(listening(running.pid), [str(tmp_path / "hosts.deny")]) == []
        finally:
            running.kill()
