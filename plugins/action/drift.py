# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.drift; see the documentation in plugins/modules/drift.py."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, unusable
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.host_variables import HostVariables, VariableError
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.inventory import Inventory
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.role_options import OptionError, RoleOptions
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.screen import present, without_lists
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift import DriftError, expect
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.baseline import Baseline, render
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.compare import interfaces
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.conclude import Observed, baselines, conclude
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.doubts import doubts
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.parts import parts
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.state import read_state
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.mending import mendings
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import drift_report
from ansible_collections.threeway.handshake.plugins.plugin_utils._store import drift_files
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles, controller_faults, unasked
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError, host_file
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.runs import check, rest
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.text import clean
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.times import iso

FAILING = {
    "never": (),
    "uncompared": (),
    "endangering": ("endangering", "expectations_broken", "not_compared"),  # what could not be compared is not known to be the same
    "any": ("drifts", "expectations_broken", "not_compared"),
}
MOST_DOUBTS = 50
"""Warnings about baselines that are written."""

display = Display()


class ActionModule(HandshakeAction):
    _takes_the_whole_play = True
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "phase": {"type": "str", "choices": ["prepare", "write", "compare"], "required": True},
                "report_dir": {"type": "path", "required": True},
                "run": {"type": "str", "required": True},
                "baseline_dir": {"type": "path", "required": True},
                "expect": {"type": "raw"},
                "compare": {"type": "bool", "default": True},
                "fail_on": {"type": "str", "choices": list(FAILING), "default": "uncompared"},
                "mends": {"type": "bool", "default": False},
                "evidence_dir": {"type": "path"},
                "changes": {"type": "list", "elements": "dict", "default": []},
                "show": {"type": "bool", "default": True},
            }
        )
        arguments = plain(arguments)
        files = EvidenceFiles(str(arguments["evidence_dir"] or arguments["report_dir"]), arguments["run"])
        phases = {"prepare": self._prepare, "write": self._write, "compare": self._compare}
        try:
            check(Path(arguments["report_dir"]), arguments["run"])
            options = RoleOptions(HostVariables(self, task_vars), self._loader)
            # Before the drift is mended it does not count.
            mends = arguments["mends"] and any(options.of(host, "drift_remediate") for host in options.hosts)
            arguments.update(fail_on="never" if mends else arguments["fail_on"])
            plan, started = files.plan()
            given = {host: arguments["expect"] or options.of(host, "drift_expect") for host in sorted(plan.parties())}
            arguments["seconds"] = {
                host: options.of(host, "drift_host_timeout") for host in sorted(plan.parties()) if host not in plan.not_in_play
            }
            wanted = self._expectations(given, task_vars["groups"])
            result["mends"] = mends
            result.update(**phases[arguments["phase"]](files, plan, started, wanted, arguments))
            if arguments["phase"] != "prepare":  # others follow
                rest(Path(arguments["report_dir"]))
        except (DriftError, OptionError, VariableError) as error:
            result.update(failed=True, msg=str(error))
        except (EvidenceError, OSError) as error:
            result.update(failed=True, msg=unusable(f"The report directory {files.report_dir}", error))
        return without_lists(result, ("files", "baselines", "written", "lacking", "diff"))

    def _expectations(self, given: dict[str, Any], groups: dict[str, list[str]]) -> dict[str, dict[str, str]]:
        """host -> name -> expression, of what the variables of each host expect of it. DriftError."""
        inventory = Inventory(self._loader, groups)
        alike = len({repr(each) for each in given.values()}) == 1
        read: dict[int, dict[str, tuple[str, list[str]]]] = {}
        for host, raw in given.items():
            if id(raw) not in read:
                of_host = "" if alike else f" of host {host}"
                read[id(raw)] = {
                    name: (expression, self._hosts(inventory, pattern, f"drift_expect {name!r}{of_host}"))
                    for name, (expression, pattern) in expect.read(raw, of_host).items()
                }
        return {
            host: {name: expression for name, (expression, hosts) in read[id(raw)].items() if host in hosts} for host, raw in given.items()
        }

    @staticmethod
    def _hosts(inventory: Inventory, pattern: str, place: str) -> list[str]:
        try:
            return inventory.hosts(pattern)
        except LookupError as error:
            raise DriftError(f"{place}, field 'hosts': {error.args[0]}: correct it, or add it to the inventory.") from error

    def _prepare(
        self, files: EvidenceFiles, plan: Plan, _started: str, _wanted: dict[str, dict[str, str]], arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """What can be wrong before a host is touched; and orders get what else they need: time, and what the baselines have."""
        orders = {
            host: {**order, "state_seconds": arguments["seconds"][host]} for host in sorted(plan.parties()) if (order := files.order(host))
        }
        for host, order in orders.items():
            files.write(host_file(host, "order"), order)
        if not arguments["compare"]:
            if not self._task.check_mode:
                drift_files.make(arguments["baseline_dir"])
            return {"changed": False, "msg": "expectations are in order"}
        kept = drift_files.read(arguments["baseline_dir"], list(orders))
        if kept and all(isinstance(each, str) for each in kept.values()):
            first = next(str(each) for each in kept.values())
            raise DriftError(first if len(kept) == 1 else f"None of {len(kept)} hosts has a baseline that can be read. {first}")
        for host, baseline in kept.items():
            if isinstance(baseline, Baseline):
                watched = {"services": sorted(baseline.state.services or ())[:100], "interfaces": interfaces(baseline.state)[:100]}
                files.write(host_file(host, "order"), {**orders[host], **watched})
        return {
            "changed": False,
            "msg": f"{sum(isinstance(each, Baseline) for each in kept.values())} of {len(kept)} hosts have a baseline",
        }

    def _write(
        self, files: EvidenceFiles, plan: Plan, _started: str, wanted: dict[str, dict[str, str]], arguments: dict[str, Any]
    ) -> dict[str, Any]:
        observed = _observed(_answers(files, plan))
        texts = {host: render(baseline) for host, baseline in baselines(plan, observed, wanted).items()}
        before = {host: _text(arguments["baseline_dir"], host) for host in texts}
        changed = {host: text for host, text in texts.items() if text != before[host]}
        if not self._task.check_mode:
            drift_files.write_baselines(arguments["baseline_dir"], changed)
        lacking = {host: each.failure for host, each in observed.items() if each.failure}
        lacking.update(dict.fromkeys(plan.not_in_play, Prose("it is not among the hosts of this play (--limit?)")))
        mine = parts(plan, {host: each.state for host, each in observed.items()})
        found = [(host, doubt) for host, each in sorted(observed.items()) for doubt in doubts(each.state, mine.get(host, ()))]
        for host, doubt in found[:MOST_DOUBTS]:
            display.warning(f"The baseline of {clean(host, 128)} says that {clean(doubt)}")
        result: dict[str, Any] = {
            "changed": bool(changed),
            "baselines": sorted(str(drift_files.path_of(arguments["baseline_dir"], host)) for host in texts),
            "written": sorted(changed),
            "lacking": sorted(lacking),
            "diff": [
                _before_and_after(arguments["baseline_dir"], host, before[host] or "", text) for host, text in sorted(changed.items())
            ],
            "msg": f"{len(texts)} baselines in {arguments['baseline_dir']}, {len(changed)} of them changed.",
        }
        present(display, result, partial(drift_report.written, result["msg"], _absent(observed)), attention=bool(changed or lacking))
        if lacking:
            first, why = min(lacking.items())
            more = f", and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            said = f"No baseline was written for {len(lacking)} hosts that could not be observed: {clean(first, 128)}: {clean(why)}{more}."
            result.update(failed=True, msg=f"{result['msg']} {said}")
        return result

    def _compare(
        self, files: EvidenceFiles, plan: Plan, started: str, wanted: dict[str, dict[str, str]], arguments: dict[str, Any]
    ) -> dict[str, Any]:
        finished = iso(time.time())
        kept = drift_files.read(arguments["baseline_dir"], sorted(plan.parties()))
        answers = _answers(files, plan)
        report = {**conclude(plan, _observed(answers), kept, wanted, started, finished), "changes": arguments["changes"]}
        report_dir = Path(arguments["report_dir"])
        written = {"drift.json": drift_report.as_json(report), "drift.md": drift_report.as_markdown(report)}
        drift_files.write_report(report_dir, written)
        summary = report["summary"]
        shown: dict[str, Any] = {}
        if arguments["show"]:
            amiss = any(summary[name] for name in ("drifts", "expectations_broken", "not_compared")) or bool(report["changes"])
            render = partial(drift_report.terminal, report, diff=bool(self._task.diff))
            present(display, shown, render, page=str(report_dir / "drift.md"), attention=amiss)
        result = {
            **shown,
            "changed": False,
            "summary": summary,
            "files": [str(report_dir / name) for name in written],
            "report": str(report_dir / "drift.json"),
            "fixes": sum(bool(each.steps) for each in mendings({"drift": report})),
        }
        if faults := controller_faults(unasked(filter(None, answers.values()))):
            return {**result, "failed": True, "msg": faults}
        if arguments["fail_on"] != "never" and not summary["compared"]:
            problems = {host["host"]: host["problem"] for host in report["hosts"] if host["problem"]}
            first = next((f" {clean(host, 128)}: {clean(why)}." for host, why in problems.items()), "")
            return {**result, "failed": True, "msg": f"None of {summary['hosts']} hosts could be compared.{first} See {result['report']}."}
        counted = ", ".join(f"{summary[name]} {name.replace('_', ' ')}" for name in FAILING[arguments["fail_on"]] if summary[name])
        if counted:
            return {**result, "failed": True, "msg": f"Of {summary['hosts']} hosts: {counted}; see {result['report']}."}
        return {**result, "msg": f"{drift_report.totals(report)}. The report is {result['report']}."}


def _answers(files: EvidenceFiles, plan: Plan) -> dict[str, dict[str, Any] | None]:
    """Of the hosts of this play."""
    return {host: files.answer(host, "state") for host in sorted(plan.parties()) if host not in plan.not_in_play}


def _observed(answers: dict[str, dict[str, Any] | None]) -> dict[str, Observed]:
    """What the hosts returned; whatever does not fit costs that host."""
    found = {}
    for host, answer in answers.items():
        failure = (answer or {}).get("failure")
        if answer is None or failure:
            found[host] = Observed(failure=Prose(f"it could not be observed: {failure['message'] if failure else 'it returned nothing'}"))
            continue
        try:
            evidence = answer["evidence"]
            absent = evidence["absent"] if isinstance(evidence["absent"], list) else []
            observed = tuple(
                (str(each.get("what"))[:300], Prose(str(each.get("why"))[:800])) for each in absent[:1000] if isinstance(each, dict)
            )
            found[host] = Observed(read_state(evidence["state"], "state"), observed)
        except DriftError as error:
            found[host] = Observed(failure=Prose(f"its answer is not what it should be: {error}"))
    return found


def _absent(observed: dict[str, Observed]) -> dict[str, list[str]]:
    """What was not observed, and why -> the hosts."""
    found: dict[str, list[str]] = {}
    for host, each in sorted(observed.items()):
        for what, why in each.absent:
            found.setdefault(f"{clean(what)}: {clean(why)}", []).append(host)
    return found


def _text(directory: str, host: str) -> str | None:
    try:
        return drift_files.path_of(directory, host).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _before_and_after(directory: str, host: str, before: str, after: str) -> dict[str, str]:
    path = str(drift_files.path_of(directory, host))
    return {"before_header": path, "after_header": f"{path} (now)", "before": before, "after": after}
