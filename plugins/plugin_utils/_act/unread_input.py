# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Commands that end before they have read their module, such as that of a Python which is not there.

Ansible takes their host for an unreachable one, unless ssh has ended a millisecond later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

_NOTHING = b"\n"
"""A program for Python that does nothing, and for ssh an input: without one it would want a terminal."""


class UnreadInput(ActionBase):
    """An action that lets such a command say how it ends."""

    def _low_level_execute_command(self, cmd: str, *arguments: Any, in_data: bytes | None = None, **options: Any) -> Any:
        execute: Callable[..., dict[str, Any]] = super()._low_level_execute_command
        try:
            return execute(cmd, *arguments, in_data=in_data, **options)
        except AnsibleConnectionFailure as error:
            if not in_data or not isinstance(error.__context__, BrokenPipeError):
                raise
            ended = execute(cmd, *arguments, in_data=_NOTHING, **options)
            if ended["rc"] == 0:  # it reads what it is sent
                raise
            return ended
