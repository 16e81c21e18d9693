# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A Python on a managed host that is too old to read a module: its traceback would not show what is wrong."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.release import __version__

from .._supported import older, oldest_python

_SAY_VERSION = 'import sys; print("handshake-python %d.%d" % sys.version_info[:2])'
_VERSION = re.compile(r"^handshake-python (\d{1,3}\.\d{1,3})\s*$", re.MULTILINE)


def unparsed(returned: dict[str, Any]) -> bool:
    """Whether what a host printed is no module's answer."""
    return "module_stdout" in returned or not returned.get("_ansible_parsed", True)


def runs_nothing(action: ActionBase, **how: Any) -> bool:
    """Whether a host runs no commands of ours, such as an appliance, or an sshd with ForceCommand. Costs a command on the host.

    `how`: as Ansible's method takes it, such as ``in_data``, with which a command has no terminal.
    """
    said: dict[str, Any] = {}
    with suppress(AnsibleError, OSError):
        execute: Callable[..., dict[str, Any]] = action._low_level_execute_command
        said = execute("echo handshake-shell", **how)
    return "handshake-shell" not in str(said.get("stdout") or "")


def becomes_nobody(action: ActionBase) -> bool:
    """Whether a host runs commands of the login's user and none of the become user. Costs two commands on the host."""
    return bool(action._connection.become) and runs_nothing(action) and not runs_nothing(action, sudoable=False)


def too_old(action: ActionBase, host: str) -> str | None:
    """A sentence where the interpreter that was to run a module says that it is too old. Costs a command on the host."""
    interpreter = (action._used_interpreter or "").lstrip("#!").strip()
    if not interpreter:
        return None
    said: dict[str, Any] = {}
    with suppress(AnsibleError, OSError):
        execute: Callable[[str], dict[str, Any]] = action._low_level_execute_command
        said = execute(f"{interpreter} -c {shlex.quote(_SAY_VERSION)}")
    found = _VERSION.search(str(said.get("stdout") or "").replace("\r", ""))
    needed = oldest_python(__version__)
    if not found or not older(found[1], needed):
        return None
    return (
        f"{host} has Python {found[1]} ({interpreter}), and {needed} or later is needed with ansible-core {__version__}: "
        "install one there, and name it in ansible_python_interpreter if it is not found"
    )
