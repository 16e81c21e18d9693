# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-playbook again and again: each run is a fork of this process, which has imported Ansible once.

A run shares with those before it the zip files of modules, which Ansible makes once for each of its processes: that takes a second. The
collection's own code is read anew. Standard input is a socket over which playbooks.py sends its requests; the server ends with it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
import traceback

# All that a run imports whatever its playbook; nothing of it looks at command lines or inventories.
from ansible.cli import playbook
from ansible.executor import module_common, playbook_executor  # noqa: F401  # pylint: disable=unused-import
from ansible.plugins.action import normal  # noqa: F401  # pylint: disable=unused-import
from ansible.plugins.strategy import linear  # noqa: F401  # pylint: disable=unused-import

FAILED = 250  # the exit code of ansible-playbook for an unexpected exception


def main() -> None:
    requests = socket.socket(fileno=os.dup(0))
    deadlines: dict[int, float] = {}  # of the runs that have not ended, by process id
    while True:
        if select.select([requests], [], [], 1.0)[0]:
            _request, descriptors, _flags, _address = socket.recv_fds(requests, 1, 4)
            if not descriptors:
                return
            with open(descriptors[0], encoding="utf-8") as file:
                order = json.load(file)
            pid = os.fork()
            if pid == 0:
                requests.close()
                _become_run(order, *descriptors[1:])
            deadlines[pid] = time.monotonic() + order["timeout"]
            for descriptor in descriptors[1:]:
                os.close(descriptor)
        for pid, deadline in list(deadlines.items()):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del deadlines[pid]
            elif time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)


def _become_run(order: dict[str, object], output: int, errors: int, answer: int) -> None:
    """Be one ansible-playbook to its end, and answer with its exit code."""
    code: object = FAILED
    try:
        os.setsid()
        for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), output, errors)):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(order["directory"])
        os.environ.clear()
        os.environ.update(order["environment"])
        playbook.main(["ansible-playbook", *order["arguments"]])
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(answer, b"%d" % (code if isinstance(code, int) else FAILED))
        os._exit(0)  # what is tidied up when the server ends is not this run's


main()
