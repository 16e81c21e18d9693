# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How wide texts are: the one function that decides it, on terminals of several widths, in ansible-playbook and in its tasks."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.screen import WITHOUT_A_TERMINAL, without_lists

ASK = """
import multiprocessing, os, sys
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.screen import columns
def task():
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)  # as ansible-core does from 2.19 on
    os.write(2, b"task %d " % columns())
os.write(2, b"main %d " % columns())
process = multiprocessing.get_context("fork").Process(target=task)
process.start()
process.join()
"""


def asked(stdout: int, **more: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment: Mapping[str, str] = {**kept, "PYTHONPATH": os.pathsep.join(sys.path), **more}
    done = subprocess.run([sys.executable, "-c", ASK], stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment, check=True)
    return done.stderr.strip()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_texts_are_as_wide_as_the_terminal_also_in_tasks_that_have_none(width: int) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    try:
        assert asked(theirs) == f"main {width} task {width}"
    finally:
        os.close(ours)
        os.close(theirs)


def test_without_a_terminal_there_is_one_width_and_columns_has_the_last_word() -> None:
    assert asked(subprocess.DEVNULL) == f"main {WITHOUT_A_TERMINAL} task {WITHOUT_A_TERMINAL}"
    assert asked(subprocess.DEVNULL, COLUMNS="61") == "main 61 task 61"


def test_a_failure_keeps_its_sentence_and_loses_its_lists() -> None:
    found = {"msg": "3 broken", "files": ["a", "b"], "summary": {}}
    assert without_lists(found, ["files"]) == found
    assert without_lists({**found, "failed": True}, ["files"]) == {"msg": "3 broken", "summary": {}, "failed": True}
