# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a transaction in a process of its own: step.py KILL_AT METHOD ARGUMENT...; prints the outcome as JSON.

Without arguments, it reads them from standard input, a JSON list a line, forks for each step, and prints what that printed as one line.
With KILL_AT, the process kills itself when it is about to do its so manieth thing outside of itself: opening, renaming, removing,
starting a program, talking to the kernel. METHOD `restorer` runs a transaction's restorer as the host would.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import tempfile

from ansible_collections.threeway.handshake.plugins.module_utils._guard.restorer import run
from ansible_collections.threeway.handshake.plugins.module_utils._guard.transaction import Guard, GuardError

DOING = ("open", "os.", "shutil.", "subprocess.", "socket.", "fcntl.")


def main(kill_at: int, method: str, transaction: str, *arguments: str) -> None:
    if method == "restorer":
        path = f"/var/lib/threeway-handshake/{transaction}/restore.pyz"
        sys.argv = [path, *arguments]
        count(kill_at)
        runpy.run_path(path, run_name="__main__")
        return
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


def serve() -> None:
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as output:  # no pipe: what a step leaves running may keep it
            step = os.fork()
            if step == 0:
                os.dup2(output.fileno(), 1)
                kill_at, *arguments = json.loads(line)
                main(kill_at, *arguments)
                sys.stdout.flush()
                os._exit(0)
            os.waitpid(step, 0)
            output.seek(0)
            print(json.dumps(output.read()), flush=True)


if sys.argv[1:]:
    main(int(sys.argv[1]), *sys.argv[2:])
else:
    serve()
