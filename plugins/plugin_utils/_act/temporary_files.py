# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts that can be reached, and on which Ansible can keep no temporary files: their modules go to Python's standard input instead.

Such a host has a full or read-only disk, no home directory, or becomes a user who may not read the files of the one who logs in.
Ansible takes the first of these for an unreachable host, although what it calls pipelining needs no file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

_OF_SSH = (5, 255)
"""Exit codes of sshpass and ssh themselves, and not of a command on the host."""


class NoFiles(AnsibleError):
    """A host on which the files of a module cannot be kept, in the words of the host or of Ansible."""


class WithoutFiles(ActionBase):
    """An action that falls back to pipelining. No part of a module has run when its files cannot be kept."""

    _answered = False
    """Whether the last command reached the host."""

    def _execute_module(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super()._execute_module(*arguments, **options)
        except NoFiles:
            if not self._connection.has_pipelining:
                raise
            connection: Any = self._connection
            connection.set_option("pipelining", True)
            if not self._is_pipelining_enabled("new"):  # files are to be kept, or the become method needs a terminal
                raise
            return super()._execute_module(*arguments, **options)

    def _low_level_execute_command(self, *arguments: Any, **options: Any) -> Any:
        self._answered = False
        execute: Callable[..., dict[str, Any]] = super()._low_level_execute_command
        returned = execute(*arguments, **options)
        self._answered = returned["rc"] not in _OF_SSH
        return returned

    def _make_tmp_path(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super()._make_tmp_path(*arguments, **options)
        except AnsibleConnectionFailure as error:
            if not self._answered:
                raise
            raise NoFiles(error.message) from error

    def _transfer_file(self, *arguments: Any, **options: Any) -> Any:
        return _kept(super()._transfer_file, *arguments, **options)

    def _fixup_perms2(self, *arguments: Any, **options: Any) -> Any:
        return _kept(super()._fixup_perms2, *arguments, **options)


def _kept(step: Any, *arguments: Any, **options: Any) -> Any:
    """What a step returns that puts a file on the host. NoFiles, and AnsibleConnectionFailure where it is not reached."""
    try:
        return step(*arguments, **options)
    except AnsibleConnectionFailure:
        raise
    except AnsibleError as error:
        raise NoFiles(error.message) from error
