# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that lives on a terminal beside what Ansible displays, also from a fork that holds no lock of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os, time
from ansible.utils.display import Display
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.live_line import LiveLine
display = Display()
line = LiveLine(display, quiet={quiet}, drawn=True)
line.show(lambda width: "waiting for db1"[:width])
time.sleep({wait})
{then}
line.end()
open("ended", "w").close()
"""
FORKED = "pid = os.fork()\nif not pid:\n    display.display('from a fork')\n    os._exit(0)\nos.waitpid(pid, 0)\n"


def run(directory: Path, stdout: int, **parts: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    program = PROGRAM.format(**{"quiet": False, "wait": 0, **parts})
    return subprocess.run([sys.executable, "-c", program], cwd=directory, stdout=stdout, text=True, env=environment, check=True, timeout=60)


def test_on_a_terminal_nothing_stays_of_it(tmp_path: Path) -> None:
    program = PROGRAM.format(quiet=False, wait=1.0, then="display.display('the answer')\ntime.sleep(1)\ndisplay.display('the end')")
    (tmp_path / "program.py").write_text(program)
    tmux = ["tmux", "-f/dev/null", f"-S{tmp_path}/tmux"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"}
    argv = [*tmux, "new-session", "-d", "-x60", "-y20", "-c", str(tmp_path), f"{sys.executable} program.py; sleep 60"]
    subprocess.run(argv, check=True, env=environment)
    try:
        screens = []
        until = time.monotonic() + 60
        while not (tmp_path / "ended").exists():
            assert time.monotonic() < until
            screens.append(subprocess.run([*tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout.split("\n"))
            time.sleep(0.1)
        last = subprocess.run([*tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
    assert any(screen[0] == "waiting for db1" for screen in screens)
    assert any(screen[:2] == ["the answer", "waiting for db1"] for screen in screens)
    assert last.strip() == "the answer\nthe end"


def test_quiet_holds_everything_back_until_it_speaks(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+") as out:
        run(tmp_path, out.fileno(), quiet=True, then="display.display('held')\nprint('--')\nline.speak()\ndisplay.display('said')")
        out.seek(0)
        assert out.read() == "--\nheld\nsaid\n"


def test_a_fork_displays_as_if_there_were_no_line(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+") as out:
        run(tmp_path, out.fileno(), then=f"with line._lock:\n    {FORKED.replace(chr(10), chr(10) + '    ')}\n")
        out.seek(0)
        assert "from a fork" in out.read()


@pytest.mark.slow
def test_without_a_terminal_its_lines_stay(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+") as out:
        run(tmp_path, out.fileno(), wait=4, then="")
        out.seek(0)
        assert out.read() == "waiting for db1\n"
