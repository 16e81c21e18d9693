# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.vantage: a work order goes to its host, and whatever comes back becomes evidence."""

from __future__ import annotations

import re
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, TooMuch, unusable
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.interpreter import becomes_nobody, runs_nothing, too_old, unparsed
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.play import apart
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.temporary_files import NoFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.time_limit import TimeIsUp, time_limit
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.without_python import PHASES, SSH_ALONE, answer, no_python
from ansible_collections.threeway.handshake.plugins.plugin_utils._faults import fault
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.rehearsals import NOT_REHEARSED
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.answers import complete, dialled
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.path_sizes import with_ports
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import REHEARSE
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.bounds import bounds_of
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.text import clean

PARTS = {
    "open": ("snapshot", "recorder", "temporary_listeners", "absent"),
    "try": ("before", "resolutions", "probes", "hops", "recording", "after", "absent"),
    "close": ("recording", "temporary_listeners", "after", "hops_back", "absent"),
    "trace_open": ("tracer", "path_listeners", "absent"),
    "trace_try": ("probes", "bypass", "path_sizes", "paces", "trace", "drops", "absent"),
    "trace_close": ("trace", "drops", "absent"),
    REHEARSE: ("fixes",),
    "state": ("state", "absent"),
}
OPENED_BY = {"try": "open", "close": "open", "trace_try": "trace_open", "trace_close": "trace_open"}
LASTING = ("unreachable", "files", "python", "become", "timeout", "play")  # failures that another attempt in the same run would repeat

_NOT_RUN = (126, 127)  # how a shell exits that cannot run a command, or finds none


class _Failure(Exception):
    """The host returned no evidence; `kind` as in docs/evidence.md."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ActionModule(HandshakeAction):
    _takes_the_whole_play = True
    reads = frozenset(("failed", "msg", "rc", *(part for parts in PARTS.values() for part in parts)))

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "phase": {"type": "str", "choices": list(PARTS), "required": True},
                "report_dir": {"type": "path", "required": True},
                "run": {"type": "str", "required": True},
                "host_timeout": {"type": "float", "default": 0.0},
            }
        )
        phase, host = str(arguments["phase"]), str(task_vars["inventory_hostname"])
        files = EvidenceFiles(str(arguments["report_dir"]), str(arguments["run"]))
        try:
            files.check()
            message = self._phase(files, host, phase, float(arguments["host_timeout"]), task_vars)
        except (EvidenceError, OSError) as error:  # of the controller's own files
            return {**result, "failed": True, "msg": unusable(f"The report directory {files.report_dir}", error)}
        result.update(changed=False, msg=message)
        if self._discovered_interpreter_key:
            result["ansible_facts"] = {self._discovered_interpreter_key: self._discovered_interpreter}
        return result

    def _phase(self, files: EvidenceFiles, host: str, phase: str, host_timeout: float, task_vars: dict[str, Any]) -> str:
        order = files.order(host, phase)
        if order is None or phase not in (*order["phases"], "state"):
            return "nothing to do"
        # Stays when the task is ended from outside.
        files.keep_failure(host, phase, "interrupted", "the run ended before the host answered")
        own = float(order.get("state_seconds", 0.0)) if phase == "state" else 0.0
        seconds = min((each for each in (host_timeout, own, files.seconds(phase)) if each), default=0.0)
        begun = time.monotonic()
        try:
            evidence = self._ask(files, order, phase, seconds, task_vars)
            files.keep(host, phase, evidence, time.monotonic() - begun)
        except OSError:  # of the controller's own files
            raise
        except (_Failure, EvidenceError) as failure:
            kind = failure.kind if isinstance(failure, _Failure) else "malformed"
            message = clean(failure)
            if kind == "python" and phase in PHASES and order.get("without_python") == "auto":
                return self._without_python(files, order, phase, message, begun, seconds)
            files.keep_failure(host, phase, kind, message, time.monotonic() - begun)
            return f"no evidence ({kind}): {message}"
        except Exception as error:  # is not the host's failure, and must not pass for one
            files.keep_failure(host, phase, "controller", fault(error))
            raise
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # as Ansible ends a task, with an exception that has another place in each release
            if limit := self._task.timeout:
                why = f"Ansible ended its task after {limit} s: raise the timeout of the play, or task_timeout in ansible.cfg"
                files.keep_failure(host, phase, "timeout", why, time.monotonic() - begun)
            raise
        if phase == "try":
            files.keep_dialled(host, dialled(evidence))
        return _summary(phase, evidence)

    def _without_python(self, files: EvidenceFiles, order: dict[str, Any], phase: str, why: str, begun: float, seconds: float) -> str:
        """What can be observed of a host without Python, which is kept beside the failure."""
        host = order["host"]
        if phase == "close":
            plan, _started = files.plan()
            order = complete(order, plan, files.dialled)
        try:
            with time_limit(max(1.0, seconds - (time.monotonic() - begun)) if seconds else 0.0):
                evidence = answer(self, order, phase)
        except TimeIsUp:
            files.keep_failure(host, phase, "timeout", f"it did not answer within {seconds:.0f} s", time.monotonic() - begun)
            return f"no evidence (timeout): it did not answer within {seconds:.0f} s"
        files.keep_partial(
            host, phase, evidence, "python", why if why.endswith(SSH_ALONE) else f"{why}; {SSH_ALONE}", time.monotonic() - begun
        )
        if phase == "try":
            files.keep_dialled(host, dialled(evidence))
        return f"{SSH_ALONE}; {_summary(phase, evidence)}"

    def _ask(self, files: EvidenceFiles, order: dict[str, Any], phase: str, seconds: float, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments: dict[str, Any] = {"phase": phase, "order": order}
        if phase in OPENED_BY:
            before = files.answer(order["host"], OPENED_BY[phase]) or {}
            failure = before.get("failure")
            if failure and failure["kind"] in LASTING:
                raise _Failure(failure["kind"], f"not tried again: {failure['message']}")
            opened = before.get("evidence") or {}
            if phase == "close":
                plan, _started = files.plan()
                arguments.update(
                    order=complete(order, plan, files.dialled, _looked_at(opened.get("snapshot"))),
                    handle=_handle(opened.get("recorder")),
                    listeners=_handle(opened.get("temporary_listeners")),
                )
            elif phase == "trace_try":
                arguments["order"] = with_ports(order, lambda server: files.answer(server, "trace_open"))
            elif phase == "trace_close":
                arguments.update(handle=_handle(opened.get("tracer")), listeners=_handle(opened.get("path_listeners")))
        if why := apart(self._task, order["host"]):
            raise _Failure("play", why)
        if why := no_python(self._connection):
            raise _Failure("python", why)
        self.bounds = bounds_of(order)
        try:
            with time_limit(seconds):
                returned = self._execute_module(*_module(phase, order, arguments), task_vars=task_vars)
        except TimeIsUp as error:
            raise _Failure("timeout", f"it did not answer within {seconds:.0f} s") from error
        except AnsibleConnectionFailure as error:
            raise _not_reached(self, error, order["host"]) from error
        except _Failure:
            raise
        except NoFiles as error:
            raise _Failure("files", error.message) from error
        except AnsibleError as error:
            raise _Failure("become" if _is_about_become(self, error.message) else "module", error.message) from error
        except OSError as error:  # as a connection or become plugin lets it through: of this host only
            raise _Failure("module", f"{type(error).__name__}: {error}") from error
        answered: dict[str, Any] = plain(returned)
        if (answered.get("failed") or unparsed(answered)) and (why := too_old(self, order["host"])):
            raise _Failure("python", why)
        evidence = self._evidence(phase, answered)
        return {"rehearsals": _rehearsals(order, evidence["fixes"])} if phase == REHEARSE else evidence

    def _evidence(self, phase: str, returned: dict[str, Any]) -> dict[str, Any]:
        if returned.get("failed") or unparsed(returned):
            message = _said(returned)
            if not unparsed(returned):
                raise _Failure("module", message)
            if _is_about_become(self, message) or becomes_nobody(self):
                raise _Failure("become", message)
            raise _Failure("python" if returned.get("rc") in _NOT_RUN or runs_nothing(self) else "malformed", message)
        missing = [part for part in PARTS[phase] if part not in returned]
        if missing:
            raise _Failure("malformed", f"the answer lacks {', '.join(missing)}")
        return {part: returned[part] for part in PARTS[phase]}

    def _parse_returned_data(self, res: dict[str, Any], *profile: str) -> Any:
        try:
            return super()._parse_returned_data(res, *profile)
        except TooMuch as error:
            raise _Failure("malformed", error.message) from error
        except (LookupError, RecursionError, TypeError, ValueError) as error:
            raise _Failure("malformed", f"the answer cannot be parsed ({type(error).__name__})") from error


def _not_reached(action: HandshakeAction, error: AnsibleConnectionFailure, host: str) -> _Failure:
    """What is wrong with a host that Ansible calls not reached: it may be, but not let Ansible become root, or stop reading its module."""
    if isinstance(error.__context__, BrokenPipeError) and (why := too_old(action, host)):
        return _Failure("python", why)
    return _Failure("become" if _is_about_become(action, error.message) else "unreachable", error.message)


def _said(returned: dict[str, Any]) -> str:
    """What a failed module said: the last words of its errors, and the first of its output, where others may have written before it."""
    message, errors, output = (str(returned.get(key) or "").strip() for key in ("msg", "module_stderr", "module_stdout"))
    parts = [errors[-400:], output[:200]]
    parts.insert(2 if unparsed(returned) else 0, message[-600:])  # that it cannot be parsed says least
    said = "\n".join(filter(None, parts))
    return said or "the module failed without a message"


def _is_about_become(action: HandshakeAction, message: str) -> bool:
    """Whether becoming another user failed: the become plugin knows its program's words, and Ansible raises errors of its own.

    These errors have no type of their own. Anything else that a program says is not interpreted.
    """
    become = action._connection.become
    if not become:
        return False
    said = message.encode("utf-8", "replace")
    if become.check_missing_password(said) or become.check_incorrect_password(said):
        return True
    program = re.escape((become.name or "").rpartition(".")[2])
    ours = rf"(Incorrect|Missing) {program} password|waiting for (privilege escalation prompt|become success)|become password prompt"
    return re.search(ours, message) is not None


def _handle(opened: object) -> str | None:
    """Of a recorder, a tracer or temporary listeners, as the host returned it."""
    handle = opened.get("handle") if isinstance(opened, dict) else None
    return handle if isinstance(handle, str) else None


def _looked_at(snapshot: object) -> float | None:
    """When a host took a snapshot, by its own clock."""
    moment = snapshot.get("time") if isinstance(snapshot, dict) else None
    return float(moment) if isinstance(moment, (int, float)) and not isinstance(moment, bool) and 0 < moment < 1 << 34 else None


def _module(phase: str, order: dict[str, Any], arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The module that does a host's part in a phase, and its arguments."""
    if phase != REHEARSE:
        return "threeway.handshake.vantage", arguments
    fixes = [{name: fix[name] for name in ("steps", "packets")} for fix in order["rehearsal"]]
    return "threeway.handshake.firewall_rehearsal", {"fixes": fixes, "alone": True, "seconds": order["seconds"]}


def _rehearsals(order: dict[str, Any], fixes: object) -> list[dict[str, Any]]:
    """What a host says of each fix, with what that is for; and of those that it was not asked about, why not."""
    asked = order["rehearsal"]
    if not isinstance(fixes, list) or len(fixes) != len(asked) or not all(isinstance(each, dict) for each in fixes):
        raise _Failure("malformed", "the answer does not have the outcome of each change")
    pairs = zip(asked, fixes, strict=True)
    answered = [
        {**{name: fix[name] for name in ("digest", "uses")}, "result": each.get("result"), "why": each.get("why")} for fix, each in pairs
    ]
    return answered + [{**fix, "result": NOT_REHEARSED} for fix in order["not_rehearsed"]]


def _summary(phase: str, evidence: dict[str, Any]) -> str:
    if phase == REHEARSE:
        return f"{sum(each['result'] != NOT_REHEARSED for each in evidence['rehearsals'])} changes rehearsed"
    absent = evidence["absent"] if isinstance(evidence["absent"], list) else []
    lacking = f", {len(absent)} parts not observed" if absent else ""
    probes = evidence.get("probes")
    if phase in ("try", "trace_try") and isinstance(probes, list):
        connected = sum(isinstance(probe, dict) and probe.get("outcome") == "connected" for probe in probes)
        past = evidence.get("bypass")
        directly = f", {len(past)} past a balancer" if isinstance(past, list) and past else ""
        return f"{len(probes)} attempts, {connected} connected{directly}{lacking}"
    if phase == "state":
        return f"state read{lacking}"
    verb = "traced" if phase.startswith("trace") else "recorded"
    kept = any(evidence.get(part) for part in ("recorder", "recording", "tracer", "trace", "drops"))
    return f"{verb if kept else f'not {verb}'}{lacking}"
