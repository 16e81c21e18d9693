# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts whose become program wants a terminal, as sudo with requiretty does: modules are sent to them as files, with a terminal."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from .interpreter import runs_nothing, unparsed


class WithTerminal(ActionBase):
    """An action that falls back to files where what Ansible calls pipelining, which goes without a terminal, becomes nobody."""

    def _execute_module(self, *arguments: Any, **options: Any) -> Any:
        returned = super()._execute_module(*arguments, **options)
        if not unparsed(returned) or not self._wants_terminal():
            return returned
        connection: Any = self._connection
        connection.set_option("pipelining", False)
        return super()._execute_module(*arguments, **options)

    def _wants_terminal(self) -> bool:
        """Whether commands are run with a terminal only, so that no part of a module has run."""
        if not self._connection.become or not self._is_pipelining_enabled("new"):
            return False
        return runs_nothing(self, in_data=b"\n") and not runs_nothing(self)
