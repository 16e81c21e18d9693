# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.judge_fixes; see the documentation in plugins/modules/judge_fixes.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, unusable
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.concluded import concluded
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.judgement import judge, with_all
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.run import Remediation
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.remediation_files import RemediationFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain

Json = dict[str, Any]


class ActionModule(HandshakeAction):
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "phase": {"type": "str", "choices": ["verdict", "outcome"], "required": True},
                "report_dir": {"type": "path", "required": True},
                "run": {"type": "str", "required": True},
            }
        )
        arguments = plain(arguments)
        files = RemediationFiles(arguments["report_dir"])
        try:
            remediation = Remediation.from_json(files.state(arguments["run"]))
            answer = (_verdict if arguments["phase"] == "verdict" else _outcome)(files, remediation)
        except (EvidenceError, OSError) as error:
            return {**result, "failed": True, "msg": unusable(f"The report directory {files.report_dir}", error)}
        return {**result, "changed": False, **answer}


def _verdict(files: RemediationFiles, remediation: Remediation) -> Json:
    """Compare the report of how things were with that after the changes."""
    before = files.report(remediation.report)
    after = with_all(before, concluded(files, f"turn-{remediation.turn}"))
    applied = {host: files.of_host(host, "applied", remediation.turn) or {} for host in remediation.batch}
    unfinished = {host: each for host, each in applied.items() if each.get("state") not in ("applied", "unchanged")}
    failed = {host: each.get("why") or "it was not begun" for host, each in unfinished.items()}
    judged = judge(before, after, remediation.batch, failed)
    files.keep_verdicts(remediation.turn, {host: judgement.to_json() for host, judgement in judged.items()})
    for host, judgement in judged.items():
        files.note(remediation.run, "judged", host=host, keep=judgement.keep, why=str(judgement.why))
    return {"msg": "; ".join(_described(*item) for item in judged.items())}


def _described(host: str, judgement: Any) -> str:
    return f"{host}: {'keep' if judgement.keep else 'undo'}, {judgement.why}"


def _outcome(files: RemediationFiles, remediation: Remediation) -> Json:
    """Record the outcome of the changes."""
    before, turn = files.report(remediation.report), f"turn-{remediation.turn}"
    settled = {host: _settled(files, remediation, host) for host in remediation.batch}
    helped = {host: verdict["helped"] for host, verdict in files.verdicts(remediation.turn).items()}
    remediation.end_turn(settled, helped, before, files.report(turn))
    again = any(each["outcome"] != "kept" for each in settled.values())
    remediation.report = f"{turn}-undone" if again else turn
    files.keep_state(remediation.to_json())
    outcomes = "; ".join(f"{host}: {each['outcome']}" for host, each in settled.items())
    return {"again": again, "again_dir": files.turn_dir(remediation.report), "msg": outcomes}


def _settled(files: RemediationFiles, remediation: Remediation, host: str) -> Json:
    """The outcome of a host's changes, also where the task that was to find out has ended."""
    unknown = {"outcome": "failed", "why": f"{host} did not answer any more; it restores itself unless the change was confirmed"}
    return files.of_host(host, "settled", remediation.turn) or unknown
