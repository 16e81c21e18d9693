# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-playbook again and again: each run is a fork of this process, which has imported Ansible and the collection once.

A run shares with those before it the zip files of modules, which Ansible makes once for each of its processes: that takes a second.
Standard input is a socket over which playbooks.py sends its requests; the server ends with it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import traceback
from contextlib import suppress

# All that a run imports whatever its playbook; nothing of it looks at command lines or inventories.
from ansible import cli
from ansible.cli import playbook
from ansible.executor import module_common, playbook_executor  # noqa: F401  # pylint: disable=unused-import
from ansible.plugins.action import normal  # noqa: F401  # pylint: disable=unused-import
from ansible.plugins.loader import filter_loader, init_plugin_loader, test_loader
from ansible.plugins.strategy import linear  # noqa: F401  # pylint: disable=unused-import

FAILED = 250  # the exit code of ansible-playbook for an unexpected exception
COLLECTION = "ansible_collections.threeway.handshake.plugins.plugin_utils"


def main() -> None:
    _import_collection()
    _load_templating()
    # Runs are short: looking for garbage costs a tenth of what they take, most of it to copy pages that they share with this process.
    gc.freeze()
    gc.disable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who sent the requests notice the end of a run
    requests = socket.socket(fileno=os.dup(0))
    while True:
        _request, descriptors, _flags, _address = socket.recv_fds(requests, 1, 4)
        if not descriptors:
            return
        if os.fork() == 0:
            requests.close()
            _become_run(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _import_collection() -> None:
    """What its action plugins import; a run that comes to what cannot be imported here says so."""
    init_plugin_loader()
    cli.init_plugin_loader = lambda *_arguments: None  # a run would be warned that it is done already
    with suppress(ImportError):
        for module in pkgutil.walk_packages(importlib.import_module(COLLECTION).__path__, f"{COLLECTION}."):
            with suppress(ImportError):
                importlib.import_module(module.name)


def _load_templating() -> None:
    """Load the filters and tests of templates, which each worker of a run would otherwise load with its first one."""
    for loader in (filter_loader, test_loader):
        for _plugin in loader.all():
            pass


def _become_run(request: int, output: int, errors: int, answers: int) -> None:
    """Be one ansible-playbook to its end, and answer with its exit code."""
    code: object = FAILED
    answer = socket.socket(fileno=answers)
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        answer.send(b"\n")
        with open(request, encoding="utf-8") as file:
            order = json.load(file)
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
        answer.send(b"%d" % (code if isinstance(code, int) else FAILED))
        os._exit(0)  # what is tidied up when the server ends is not this run's


main()
