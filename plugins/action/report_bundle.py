# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.report_bundle; see the documentation in plugins/modules/report_bundle.py."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, unusable
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.bundling import bundled, keep
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.text import clean
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.times import iso

display = Display()


class ActionModule(HandshakeAction):
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={"report_dir": {"type": "path", "required": True}, "path": {"type": "path", "required": True}}
        )
        arguments = plain(arguments)
        report_dir, file = Path(arguments["report_dir"]), Path(arguments["path"])
        if not file.name.endswith(".tar.gz"):
            return {**result, "failed": True, "msg": f"{file} is not a name for a bundle: give one that ends in .tar.gz."}
        try:
            made = bundled(report_dir, iso(time.time()))
        except (EvidenceError, OSError) as error:
            return {**result, "failed": True, "msg": unusable(f"The report directory {report_dir}", error)}
        try:
            if not self._task.check_mode:
                keep(file, made.content)
        except OSError as error:
            return {**result, "failed": True, "msg": unusable(f"The bundle {file}", error)}
        if made.differing:
            named = ", ".join(made.differing[:5])
            display.warning(
                clean(
                    f"{len(made.differing)} flows are decided otherwise from the bundle than from the evidence itself, which is a fault of "
                    f"the collection: {named}. Say so where you attach it."
                )
            )
        msg = f"The bundle {'would be' if self._task.check_mode else 'is'} {file}: look into its report.html before you share it."
        return {**result, "changed": True, "path": str(file), "summary": made.counts, "differing": made.differing, "msg": msg}
