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
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.decided import decided
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import follow_up
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.collection import without_collection


class ActionModule(HandshakeAction):
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "report_dir": {"type": "path", "required": True},
                "run": {"type": "str", "required": True},
                "traced": {"type": "bool", "default": False},
                "keep": {"type": "str", "choices": ["failing", "all"], "default": "failing"},
            }
        )
        files = EvidenceFiles(str(arguments["report_dir"]), str(arguments["run"]))
        try:
            files.check()
            plan, _started = files.plan()
            orders = {host: order for host in plan.parties() if (order := files.order(host)) is not None}
            options = RoleOptions(HostVariables(self, task_vars), self._loader)
            depths, keep_all = {host: depth(options, host) for host in orders}, arguments["keep"] == "all"
            with without_collection():
                digest = files.digest(plan, arguments["keep"])
                # The short way knows no cases: where two hosts are to be looked into deeply, there is something to measure between them.
                deep = {host for host, each in depths.items() if each == "full"}
                judged = judge(plan, files.answers(plan), short=not keep_all, closely=deep)
                found = follow_up(plan, judged, orders, depths, traced=bool(arguments["traced"]))
                if not (found.traces or found.rehearsals):  # the evidence stays as it is, and need not be judged once more
                    files.keep_decided(digest, decided(plan, [judged], keep_all).to_json())
            files.keep_trace_orders(found.traces)
            files.keep_rehearsal_orders(found.rehearsals)
        except (OptionError, VariableError) as error:
            return {**result, "failed": True, "msg": str(error)}
        except (EvidenceError, OSError) as error:
            return {**result, "failed": True, "msg": unusable(f"The report directory {files.report_dir}", error)}
        dials = sum(len(order["dials"]) + len(order["bypass"]) for order in found.traces.values())
        fixes = sum(len(order["rehearsal"]) for order in found.rehearsals.values())
        ways = sum(len(order["path_sizes"]) + len(order["paces"]) for order in found.traces.values())
        phases = {host: order["phases"] for host, order in (*found.traces.items(), *found.rehearsals.items())}
        result.update(changed=False, dials=dials, ways=ways, rehearsals=fixes, phases=phases)
        said = [f"{dials} broken handshakes to examine further"] if dials else []
        said += [f"{ways} ways to measure"] if ways else []
        said += [f"{fixes} changes of firewalls to rehearse"] if fixes else []
        return {**result, "msg": ", ".join(said) or "nothing to examine further"}
