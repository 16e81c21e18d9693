# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.report_info; see the documentation in plugins/modules/report_info.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, unusable
from ansible_collections.threeway.handshake.plugins.plugin_utils._report.digest import digest
from ansible_collections.threeway.handshake.plugins.plugin_utils._report.view import STATUSES
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.report_files import read
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain


class ActionModule(HandshakeAction):
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "path": {"type": "path", "required": True},
                "status": {"type": "list", "elements": "str", "choices": list(STATUSES), "default": []},
                "flow": {"type": "str", "default": ""},
                "full": {"type": "bool", "default": False},
            }
        )
        wanted = plain(arguments)
        try:
            path, report = read(str(wanted["path"]))
        except (EvidenceError, OSError) as error:
            return {**result, "failed": True, "msg": unusable(f"The report {wanted['path']}", error)}
        whole = {"report": report} if wanted["full"] else {}
        return {**result, "changed": False, "digest": digest(report, str(path), wanted["status"], wanted["flow"]), **whole}
