# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The controller side of modules that are nothing but modules."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as Normal

from .action import HandshakeAction
from .interpreter import too_old, unparsed


class HostModuleAction(HandshakeAction, Normal):
    """Runs the module as Ansible would without it, and says in a sentence where a host's Python is too old."""

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        why = too_old(self, str(task_vars["inventory_hostname"])) if unparsed(result) else None
        return {"failed": True, "changed": False, "msg": f"{why}."} if why else result
