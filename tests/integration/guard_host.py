# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of the systemd fleet, beside the restorer's archive: one step of a transaction, or a restorer that dies.

guard_host.py step EXECUTABLE METHOD ARGUMENT...     a step, with the restorer to be run by that interpreter; prints the outcome as JSON
guard_host.py -I -B RESTORER HOW...                  the restorer as an interpreter would run it. When /run/kill.HOW holds two numbers it is
                                                     killed when it does its so manieth thing, that many times
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from pathlib import Path

HERE = Path(__file__).parent
DOING = ("open", "os.", "shutil.", "subprocess.", "socket.", "fcntl.")


def step(executable: str, method: str, *arguments: str) -> None:
    sys.path.insert(0, str(HERE / "restore.pyz"))
    from ansible_collections.threeway.handshake.plugins.module_utils._guard.restorer import run
    from ansible_collections.threeway.handshake.plugins.module_utils._guard.transaction import Guard, GuardError

    sys.executable = executable or sys.executable
    try:
        answer = getattr(Guard(run), method)(*map(json.loads, arguments))
        print(json.dumps(answer if isinstance(answer, list) else answer._asdict()))
    except GuardError as error:
        print(json.dumps({"error": str(error)}))


def restorer(path: str, how: str, *arguments: str) -> None:
    order = Path(f"/run/kill.{how}")
    kill_at, times = map(int, order.read_text().split()) if order.exists() else (0, 0)
    if times:
        order.write_text(f"{kill_at} {times - 1}")
        done = 0

        def watch(event: str, _arguments: object) -> None:
            nonlocal done
            if event.startswith(DOING):
                done += 1
                if done == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
    sys.argv = [path, how, *arguments]
    runpy.run_path(path, run_name="__main__")


if sys.argv[1] == "step":
    step(*sys.argv[2:])
else:
    restorer(*sys.argv[3:])
