# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.conclude: evidence is judged, the report written, its summary shown."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from ansible_collections.threeway.handshake.plugins.module_utils._capture.source import CaptureError
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, unusable
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.captured import keep as keep_captures
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.concluded import interrupted
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.merging import RunEvidence, merged, own
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.play import left_out
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.screen import present, without_lists
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.unstarted import keep_unstarted
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import Conclusion, conclude, decide, decide_views
from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.captures import read as captures_of
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.flows import PlanError
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import terminal
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.forms import Forms
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.messages import MESSAGES, STANDING
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.render import rendered
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles, controller_faults
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.keep import Keeping, keep
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.report_files import publish, write
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.runs import check, rest, take_over
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.text import clean
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.times import iso
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.words import plural

# A handshake that nobody could judge is not known to work.
FAILING = {"never": (), "untried": (), "broken": ("broken", "undetermined"), "degraded": ("broken", "undetermined", "degraded")}

display = Display()


class ActionModule(HandshakeAction):
    _takes_the_whole_play = True
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "report_dir": {"type": "path", "required": True},
                "run": {"type": "str", "default": ""},
                "interrupted": {"type": "bool", "default": False},
                "evidence_dir": {"type": "path"},
                "captures": {"type": "raw", "default": []},
                "captures_only": {"type": "bool", "default": False},
                "reports": {"type": "list", "elements": "path"},
                "changes": {"type": "list", "elements": "dict", "default": []},
                "isolate_dir": {"type": "path", "default": ""},
                "keep": {"type": "str", "choices": ["failing", "all"], "default": "failing"},
                "show": {"type": "bool", "default": True},
                "fail_on": {"type": "str", "choices": list(FAILING), "default": "untried"},
                "history": {"type": "str", "default": "", "no_log": True},
                "history_days": {"type": "int", "default": 400},
                "webhook": {"type": "str", "default": "", "no_log": True},
                "webhook_format": {"type": "str", "choices": list(MESSAGES), "default": "own"},
                "webhook_timeout": {"type": "float", "default": 5.0},
                "webhook_causes": {"type": "bool", "default": False},
                "metrics_file": {"type": "str", "default": ""},
            }
        )
        arguments = plain(arguments)
        report_dir = str(arguments["report_dir"])
        try:
            evidence = _evidence(arguments, task_vars)
            keep_all = arguments["keep"] == "all"
            probed = _probed(arguments["isolate_dir"], arguments["run"])
            now = iso(time.time())
            if evidence.decided:
                conclusion = conclude(evidence.plan, evidence.decided, evidence.started, now, probed)
            else:
                conclusion = decide_views(evidence.plan, evidence.views, evidence.started, now, keep_all=keep_all, probed=probed)
            report = {**conclusion.report, "changes": arguments["changes"]}
            if arguments["interrupted"]:
                report["changes"] = interrupted(Path(report_dir), report)
            formats = Forms(report, conclusion.captures)
            written = [str(path) for path in write(report_dir, formats, conclusion.captures)]
            rest(Path(report_dir))
        except (PlanError, CaptureError) as error:
            return {**result, "failed": True, "msg": str(error)}
        except (EvidenceError, OSError) as error:
            return {**result, "failed": True, "msg": unusable(f"The report directory {report_dir}", error)}
        unshown = [*formats.faults]
        if arguments["show"]:
            page = next(path for path in written if path.endswith("report.html"))
            present(display, result, partial(_summary, report, unshown), page=page, attention=_is_amiss(report))
        for sentence in unshown:
            display.warning(clean(sentence))
        if evidence.plan.overlap and (missing := _elsewhere(evidence.plan)):
            display.warning(clean(missing.strip()))
        summary = report["summary"]
        result.update(changed=False, summary=summary, report=written[0], files=written, unshown=unshown)
        if not self._task.check_mode:
            result.update(_keep(report, arguments), **_published(arguments["metrics_file"], written))
        faults = controller_faults(conclusion.unasked)
        counts = Counter(flow["status"] for flow in _ours(report, evidence.plan))
        counted = ", ".join(f"{counts[status]} {status}" for status in FAILING[arguments["fail_on"]] if counts[status])
        if faults:
            result.update(failed=True, msg=faults)
        elif arguments["fail_on"] != "never" and counts and not any(map(_was_tried, _ours(report, evidence.plan))):
            result.update(failed=True, msg=f"No handshake could be tried. {_unobserved(report)}See {written[0]}.")
        elif counted:
            result.update(failed=True, msg=f"Of {summary['flows']} handshakes, {counted}: see {written[0]}.")
        else:
            result["msg"] = f"The report is {written[0]}.{_elsewhere(evidence.plan)}"
        return without_lists(result, ("files", "unshown"))


def _evidence(arguments: dict[str, Any], task_vars: dict[str, Any]) -> RunEvidence:
    """What to conclude from. PlanError, CaptureError, EvidenceError, OSError."""
    report_dir = Path(str(arguments["report_dir"]))
    if arguments["reports"] is not None:
        return merged(report_dir, arguments["reports"])
    run = take_over(report_dir) if arguments["interrupted"] else arguments["run"]
    check(report_dir, run)
    files = EvidenceFiles(arguments["evidence_dir"] or str(report_dir), run)
    if not arguments["interrupted"]:
        keep_unstarted(files, task_vars.get("hostvars") or {})
        for host, phase in files.unasked():
            files.keep_failure(host, phase, "play", left_out(host, task_vars))
    if arguments["captures"]:
        plan, started = files.plan()
        keep_captures(files, plan, started, captures_of(arguments["captures"], set(plan.parties())), arguments["captures_only"])
    return own(files, arguments["keep"])


def _probed(directory: str, run: str) -> Conclusion | None:
    """Of the handshakes that the run tried only to tell what its failures have in common, if it did. EvidenceError, OSError."""
    if not directory or not (Path(directory) / "evidence" / "plan.json").is_file():
        return None
    files = EvidenceFiles(directory, run)
    try:
        plan, started = files.plan()
    except EvidenceError:  # an earlier run's
        return None
    rest(Path(directory))
    return decide(plan, files.answers(plan), started, started, keep_all=False)


def _elsewhere(plan: Plan) -> str:
    """How many handshakes have an end that the play does not reach, and who can conclude with both."""
    absent = set(plan.not_in_play)
    clients = sum(entry.client in absent for entry in plan.entries)
    servers = sum(entry.client not in absent and entry.server in absent for entry in plan.entries)
    if not clients and not servers:
        return ""
    return (
        f" Of {len(plan.entries)} handshakes, {clients} have a client and {servers} a server that this play does not reach: if other runs "
        "do, threeway.handshake.merge concludes from the evidence of all of them."
    )


def _summary(report: dict[str, Any], unshown: list[str], width: int, style: terminal.Style) -> str:
    """The report for a terminal, as far as it can be shown there."""
    text, lacking = rendered("the summary", partial(terminal.render, width=width, style=style), report)
    unshown += lacking
    return text or ""


def _is_amiss(report: dict[str, Any]) -> bool:
    """Whether anything is not as it should be, was not seen, or was changed."""
    return report["summary"]["ok"] < report["summary"]["flows"] or bool(report["unobserved"] or report["changes"])


def _ours(report: dict[str, Any], plan: Plan) -> Iterator[dict[str, Any]]:
    """The flows that this run answers for: those of a slice are tried by its own clients."""
    absent = set(plan.not_in_play) if plan.overlap else set()
    return (flow for flow in report["flows"] if flow["client"] not in absent)


def _was_tried(flow: dict[str, Any]) -> bool:
    """Whether a client did anything about it; where a name could not be resolved there are no attempts, but there is an answer."""
    return bool(flow["probes"]["attempts"]) or flow["status"] != "undetermined"


def _unobserved(report: dict[str, Any]) -> str:
    """What is missing of the first client that lacks something."""
    clients = [each for each in report["unobserved"] if "client" in each["roles"]]
    if not clients:
        return ""
    more = f"; {plural(len(clients) - 1, 'more client')} likewise" if len(clients) > 1 else ""
    return f"{clients[0]['host']}: {clients[0]['kind'].replace('_', ' ')}: {clients[0]['why'].rstrip('.')}{more}. "


def _keep(report: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Record in the history and notify the webhook, as far as wanted. Whatever goes wrong with it, the diagnosis stands."""
    wanted = Keeping(
        history=arguments["history"],
        days=arguments["history_days"],
        webhook=arguments["webhook"],
        timeout=arguments["webhook_timeout"],
        causes=arguments["webhook_causes"],
        posted=MESSAGES[arguments["webhook_format"]],
        standing=arguments["webhook_format"] in STANDING,
    )
    if not wanted.history and not wanted.webhook:
        return {}
    try:
        return {"changes_told": keep(report, wanted)}
    except HistoryError as error:
        why = str(error)
    except Exception as error:
        why = f"The history failed unexpectedly ({type(error).__name__}): this is a fault of the collection, please report it."
    display.warning(why)
    return {"history_failure": why}


def _published(file: str, written: Sequence[str]) -> dict[str, Any]:
    """Put the metrics where node_exporter reads them, if that is wanted. Where it cannot be done, the diagnosis stands."""
    metrics = next((path for path in written if path.endswith("metrics.prom")), None)
    if not file or metrics is None:
        return {}
    try:
        publish(file, Path(metrics).read_bytes())
    except OSError as error:
        why = unusable(f"The metrics file {file}", error)
        display.warning(clean(why))
        return {"metrics_failure": why}
    return {}
