# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.plan_trace; see the documentation in plugins/modules/plan_trace.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, unusable
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.depth import depth
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.host_variables import HostVariables, VariableError
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.role_options import OptionError, RoleOptions
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import trace_orders
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError


class ActionModule(HandshakeAction):
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={"report_dir": {"type": "path", "required": True}, "run": {"type": "str", "required": True}}
        )
        files = EvidenceFiles(str(arguments["report_dir"]), str(arguments["run"]))
        try:
            files.check()
            plan, _started = files.plan()
            orders = {host: order for host in plan.parties() if (order := files.order(host)) is not None}
            options = RoleOptions(HostVariables(self, task_vars), self._loader)
            trace = trace_orders(plan, files.answers(plan), orders, {host: depth(options, host) for host in orders})
            files.keep_trace_orders(trace)
        except (OptionError, VariableError) as error:
            return {**result, "failed": True, "msg": str(error)}
        except (EvidenceError, OSError) as error:
            return {**result, "failed": True, "msg": unusable(f"The report directory {files.report_dir}", error)}
        dials = sum(len(order["dials"]) + len(order["bypass"]) for order in trace.values())
        result.update(changed=False, dials=dials, phases={host: order["phases"] for host, order in trace.items()})
        return {**result, "msg": f"{dials} broken handshakes to examine further" if dials else "nothing to examine further"}
