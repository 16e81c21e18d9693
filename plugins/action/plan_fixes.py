# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.plan_fixes; see the documentation in plugins/modules/plan_fixes.py."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from typing import Any

from ansible.utils.display import Display

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, unusable
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.concluded import concluded, reported
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.host_variables import HostVariables, VariableError
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.play import at_a_time
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.role_options import OptionError, RoleOptions
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.screen import present
from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.deadlines import lost_to_failures
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.mending import by_host
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.policy import Limits, Policy, PolicyError
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.run import Remediation, orders
from ansible_collections.threeway.handshake.plugins.plugin_utils._report.read import view
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import fixes
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.words import took
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import ask
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.remediation_files import BEFORE, RemediationFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.runs import check, take
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain

display = Display()
Json = dict[str, Any]


class ActionModule(HandshakeAction):
    _takes_the_whole_play = True
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "phase": {"type": "str", "choices": ["begin", "next"], "required": True},
                "report_dir": {"type": "path", "required": True},
                "run": {"type": "str", "required": True},
                "earlier": {"type": "bool", "default": False},
                "history": {"type": "str", "default": "", "no_log": True},
            },
        )
        arguments = plain(arguments)
        files = RemediationFiles(arguments["report_dir"])
        try:
            beginning = arguments["phase"] == "begin"
            answer = self._begin(files, arguments, task_vars) if beginning else self._next(files, arguments["run"])
        except (PolicyError, OptionError, VariableError) as error:
            return {**result, "failed": True, "msg": str(error)}
        except (EvidenceError, OSError) as error:
            return {**result, "failed": True, "msg": unusable(f"The report directory {files.report_dir}", error)}
        return {**result, "changed": False, **answer}

    def _begin(self, files: RemediationFiles, arguments: Json, task_vars: dict[str, Any]) -> Json:
        options = RoleOptions(HostVariables(self, task_vars), self._loader)
        options.check("diagnose", "remediate")
        report = self._reported(files, arguments)
        files.begin()
        files.keep_report(BEFORE, report)
        policies = {host: self._policy(options, host) for host in options.hosts}
        limits = Limits(**{name: options.one(f"remediate_{name}") for name in ("max_hosts", "batch_hosts")})
        run = f"{report['run']}-{secrets.token_hex(3)}"  # a report may be mended twice, and at once: each time has transactions of its own
        remediation = Remediation(run, policies, limits)
        try:
            remediation.not_held = _not_held(report, arguments["history"])
        except HistoryError as error:
            remediation.stopped = Prose(f"without the history it is not known which fixes did not hold before: {error}")
        lost = self._lost_to_failures(files, report["run"], task_vars)
        remediation.mind_the_time(max(0.0, (took(view(report)) or 0.0) - lost))
        allowed, _left = remediation.wanted(report)
        chosen = by_host(allowed)
        for host, order in orders(remediation, chosen).items():
            files.keep_host(host, "order", order)
        files.keep_state(remediation.to_json())
        files.note(
            remediation.run, "planned", fixes=[f"{each.kind} on {each.where}: {each.summary}" for each in allowed], apply=remediation.apply
        )
        return {
            "run": remediation.run,
            "hosts": list(chosen),
            "timeouts": _timeouts(remediation, chosen),
            "drift": "drift" in report,
            "ansible_facts": {"handshake_run": report["run"]},
            "msg": f"{len(allowed)} fixes on {len(chosen)} hosts",
        }

    def _lost_to_failures(self, files: RemediationFiles, run: str, task_vars: dict[str, Any]) -> float:
        """The seconds that hosts cost the diagnosis that returned nothing; the next one waits for them no longer than there is time."""
        evidence = EvidenceFiles(str(files.report_dir), run)
        try:
            plan, _started = evidence.plan()
        except (EvidenceError, OSError):  # whoever keeps a report need not keep its evidence
            return 0.0
        return lost_to_failures(evidence.answers(plan).values(), at_a_time(self._task, task_vars))

    @staticmethod
    def _reported(files: RemediationFiles, arguments: Json) -> Json:
        """The report that is to be mended: of this run, or of an earlier one, which this ansible-playbook goes on with then."""
        if not arguments["earlier"]:
            check(files.report_dir, arguments["run"])
        report = reported(files.report_dir)
        if not (isinstance(report.get("run"), str) and isinstance(report.get("started"), str)):
            raise EvidenceError("its report.json is none that this collection writes: diagnose again")
        if arguments["earlier"]:
            take(files.report_dir, report["run"], report["started"])
        elif report["run"] != arguments["run"]:
            raise EvidenceError(f"its report is that of run {report['run']}, and this task belongs to run {arguments['run']}")
        return report

    def _policy(self, options: RoleOptions, host: str) -> Policy:
        """What the variables of a host say. OptionError, VariableError."""
        names = ("apply", "allow", "max_risk", "require", "confirm_timeout", "settle")
        found = {name: options.of(host, f"remediate_{name}") for name in names}
        found.update(apply=found["apply"] and not self._task.check_mode, allow=tuple(found["allow"]))
        # Who hands over drift without the role drift wants it mended.
        return Policy(**found, drift=options.of(host, "drift_remediate") if options.has(host, "drift_remediate") else True)

    def _next(self, files: RemediationFiles, run: str) -> Json:
        remediation = Remediation.from_json(files.state(run))
        report = concluded(files, remediation.report)
        shown: Json = {}
        if remediation.turn == 0:
            remediation.rehearsed, remediation.wide = self._returned(files, remediation, report)
            shown = self._show(files, remediation, report)
        remediation.begin_turn(report)
        for host, order in orders(remediation, remediation.batch).items():
            files.keep_host(host, "order", order)
        files.keep_state(remediation.to_json())
        done = not remediation.batch
        return {
            **shown,
            "run": remediation.run,
            "hosts": list(remediation.batch),
            "timeouts": _timeouts(remediation, remediation.batch),
            "patience": math.ceil(remediation.patience()),
            "turn_dir": files.turn_dir(f"turn-{remediation.turn}"),
            "current_dir": str(files.report_dir) if remediation.report == BEFORE else files.turn_dir(remediation.report),
            "changes": remediation.finished(report) if done else [],
            "attempted": bool(remediation.changes),
            "settle": remediation.settle(),
            "within": remediation.within("drift" in report),
            "sparing": remediation.sparing(report),
            "msg": "nothing is left to be done" if done else f"next: {', '.join(remediation.batch)}",
        }

    @staticmethod
    def _returned(files: RemediationFiles, remediation: Remediation, report: Json) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
        """The outcomes of the rehearsals by the hosts, and what else fixes change, by the keys of the fixes."""
        allowed, _left = remediation.wanted(report)
        previews = [files.of_host(host, "preview", 0) or {} for host in by_host(allowed)]
        rehearsed = {key: result for preview in previews for key, result in preview.get("rehearsed", {}).items()}
        return rehearsed, {key: found for preview in previews for key, found in preview.get("wide", {}).items()}

    def _show(self, files: RemediationFiles, remediation: Remediation, report: Json) -> Json:
        allowed, left = remediation.wanted(report)
        previews = {host: files.of_host(host, "preview", 0) for host in by_host(allowed)}
        steps = {host: preview["steps"] for host, preview in previews.items() if preview}
        left_open = {host: preview.get("open", []) for host, preview in previews.items() if preview}
        planned = frozenset(host for host, policy in remediation.policies.items() if not policy.apply)
        plan = fixes.FixPlan(
            wanted=allowed,
            left=left,
            previews=steps,
            only_planned=planned,
            stopped=remediation.stopped,
            left_open=left_open,
            rehearsed=remediation.rehearsed,
            check_mode=self._task.check_mode,
        )
        shown: Json = {}
        present(display, shown, lambda width, style: fixes.render(plan, report, width=width, style=style), attention=bool(allowed or left))
        return shown


def _timeouts(remediation: Remediation, hosts: Iterable[str]) -> dict[str, int]:
    """How long each of the hosts is waited for while it is looked at or changed, in seconds."""
    return {host: math.ceil(remediation.policies[host].confirm_timeout) for host in hosts}


def _not_held(report: Json, history: str) -> list[tuple[str, str, str, str, int]]:
    """By the report's flows: how often such a fix was kept on a host. What is wanted again did not hold. HistoryError."""
    if not history:
        return []
    with Database(history).reading() as connection:
        names = {named.key: (named.name, named.client, named.server, named.address, named.port) for named in ask.named(connection)}
        kept = ask.kept(connection).items()
        times = {(names[key], code, host, subject): number for (key, code, host, subject), number in kept if key in names}
    return [
        (raw["id"], code, host, subject, number)
        for raw, flow in zip(report["flows"], view(report).flows, strict=True)
        for (name, code, host, subject), number in times.items()
        if name == (flow.name, flow.client, flow.server, flow.address, flow.port)
    ]
