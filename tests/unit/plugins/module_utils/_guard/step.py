# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a transaction in a process of its own: step.py KILL_AT METHOD ARGUMENT...; prints the outcome as JSON.

With KILL_AT, the process kills itself when it is about to do its so manieth thing outside of itself: opening, renaming, removing,
starting a program, talking to the kernel. METHOD `restorer` runs a transaction's restorer as the host would.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys

DOING = ("open", "os.", "shutil.", "subprocess.", "socket.", "fcntl.")


def main(kill_at: int, method: str, transaction: str, *arguments: str) -> None:
    if method == "restorer":
        path = f"/var/lib/threeway-handshake/{transaction}/restore.pyz"
        sys.argv = [path, *arguments]
        count(kill_at)
        runpy.run_path(path, run_name="__main__")
        return
    from ansible_collections.threeway.handshake.plugins.module_utils._guard._restorer import run
    from ansible_collections.threeway.handshake.plugins.module_utils._guard._transaction import Guard, GuardError

    guard = Guard(run)
    done = count(kill_at)
    try:
        if method == "open":
            answer: object = {"open": guard.open()}
        else:
            answer = getattr(guard, method)(transaction, *map(json.loads, arguments))._asdict()
    except GuardError as error:
        answer = {"error": str(error)}
    print(json.dumps({**answer, "things": done[0]}))  # type: ignore[dict-item]


def count(kill_at: int) -> list[int]:
    """Count what this process does, and end it when it has done enough."""
    done, process = [0], os.getpid()

    def watch(event: str, _arguments: object) -> None:
        if event.startswith(DOING) and os.getpid() == process:
            done[0] += 1
            if done[0] == kill_at:
                os.kill(process, signal.SIGKILL)

    if kill_at or hasattr(sys, "addaudithook"):  # Python 3.7 has none, and kills nothing
        sys.addaudithook(watch)
    return done


main(int(sys.argv[1]), *sys.argv[2:])
