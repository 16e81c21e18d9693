# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.mend; see the documentation in plugins/modules/mend.py."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, unusable, without_controls
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate import rehearsal, wide
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.remediation_files import RemediationFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.text import clean

PHASES = ("preview", "apply", "settle")
GRACE = 30.0
"""Seconds after its deadline, and after the first question, within which a host that cannot be reached is awaited."""
PAUSE = 2.0
"""Seconds between two tries to reach it."""

_MOST_LINES = 5  # of what others lost, in a sentence
CHECKS = ("ansible.builtin.command",)
"""Steps with these look at a service's configuration before it is started, and say that they changed it."""

Json = dict[str, Any]


class _Unreachable(Exception):
    """The host did not answer."""


class ActionModule(HandshakeAction):
    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "phase": {"type": "str", "choices": list(PHASES), "required": True},
                "report_dir": {"type": "path", "required": True},
                "run": {"type": "str", "required": True},
            }
        )
        arguments = plain(arguments)
        files, host = RemediationFiles(arguments["report_dir"]), str(task_vars["inventory_hostname"])
        try:
            state = files.state(arguments["run"])
            order = files.of_host(host, "order", state["turn"])
            if order is None or order["run"] != arguments["run"]:
                return {**result, "changed": False, "msg": "nothing to do"}
            transaction = _Transaction(self, files, order, task_vars)
            answer = {"preview": transaction.preview, "apply": transaction.apply, "settle": transaction.settle}[arguments["phase"]]()
        except (EvidenceError, OSError) as error:
            return {**result, "failed": True, "msg": unusable(f"The report directory {files.report_dir}", error)}
        if self._discovered_interpreter_key:
            result["ansible_facts"] = {self._discovered_interpreter_key: self._discovered_interpreter}
        return {**result, "changed": False, **answer}

    def module(self, name: str, arguments: Json, task_vars: dict[str, Any], *, check: bool = False) -> Json:
        """Run a module, by its action plugin where it has one. _Unreachable."""
        task = self._task.copy()
        task.action, task.args, task.check_mode, task.diff = name, arguments, check, check
        loader = self._shared_loader_obj.action_loader
        handler = loader.get(
            name if loader.has_plugin(name) else "ansible.legacy.normal",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        parse = handler._parse_returned_data
        handler._parse_returned_data = lambda res, *profile: parse(without_controls(res, self.bounds), *profile)
        try:
            returned: Json = plain(handler.run(task_vars=task_vars))
        except AnsibleConnectionFailure as error:
            raise _Unreachable(clean(error.message)) from error
        except AnsibleError as error:
            return {"failed": True, "msg": clean(error.message)}
        except Exception as error:  # whatever an action plugin makes of a host's answer concerns this host only
            return {"failed": True, "msg": clean(f"{name} cannot be run: {type(error).__name__}: {error}")}
        if returned.get("unreachable"):
            raise _Unreachable(clean(returned.get("msg")))
        return returned

    def reconnect(self) -> None:
        """Let whatever comes next make a connection of its own: one that is open says nothing about whether another can be made."""
        self._connection.reset()


class _Transaction:
    """The changes of one host in one turn of a run."""

    def __init__(self, action: ActionModule, files: RemediationFiles, order: Json, task_vars: dict[str, Any]) -> None:
        self.action, self.files, self.order, self.task_vars = action, files, order, task_vars
        self.host: str = order["host"]

    def preview(self) -> Json:
        """What the steps would change, by their own word in check mode."""
        results: list[Json] = []
        for step in self.order["steps"]:
            try:
                returned = self.action.module(step["module"], dict(step["arguments"]), self.task_vars, check=True)
            except _Unreachable as failure:
                returned = {"failed": True, "msg": str(failure)}
            results.append({"changed": bool(returned.get("changed")), "diff": _diffs(returned.get("diff")), "why": _why(returned)})
        rehearsed: Json = {}
        also: Json = {}
        with suppress(_Unreachable):
            rehearsed = self._rehearse()
            also = self._also()
        self._keep("preview", steps=results, open=self._left_open(), rehearsed=rehearsed, wide=also)
        return {"msg": f"{len([step for step in results if step['changed']])} of {len(results)} steps would change the host"}

    def _rehearse(self) -> Json:
        """The outcome of each fix of the firewall in a copy of it, by its key; empty where there is none. _Unreachable."""
        order = self.order.get("rehearsal") or []
        if not order:
            return {}
        fixes = [{name: fix[name] for name in ("steps", "packets")} for fix in order]
        return rehearsal.answered(order, self.action.module(rehearsal.MODULE, {"fixes": fixes}, self.task_vars, check=True))

    def _also(self) -> Json:
        """What else each fix changes that does something with units, by its key; empty where there is none. _Unreachable."""
        order = self.order.get("wide") or []
        if not order:
            return {}
        units = [unit for fix in order for unit in fix["units"]]
        return wide.answered(order, self.action.module(wide.MODULE, {"units": units}, self.task_vars, check=True))

    def _objection(self) -> str:
        """Why the fixes are not made, as the host is now: a later turn has no preview, and things may have changed since. _Unreachable."""
        rehearsed = self._rehearse()
        found = [rehearsal.objection(key, self.host, rehearsed) for key in rehearsed]
        if self.order.get("wide_refused"):
            found += [
                f"it is disruptive, and remediate_max_risk is low for host {self.host}: {also}" for also in self._also().values() if also
            ]
        return "; ".join(filter(None, found))

    def _left_open(self) -> list[str]:
        """What another run, which may have ended long ago, has left open on the host; it keeps us from changing anything."""
        with suppress(_Unreachable):
            found = self.action.module("threeway.handshake.guard", {"state": "queried"}, self.task_vars, check=True).get("transactions")
            several = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
            return [clean(f"transaction {each.get('transaction')} is {each.get('state')}: {each.get('advice')}") for each in several]
        return []

    def apply(self) -> Json:
        """Arm the guard, take the steps, let go of the connection."""
        self._applied("refused", "the task ended before the host was made ready")
        try:
            if why := self._objection():
                self._note("refused", why=why)
                return self._applied("refused", why)
            self._note("arming")
            marked = {name: self.order[name] for name in ("marked",) if name in self.order}  # an order of 0.1.0 has none
            armed = self._guard("armed", timeout=self.order["timeout"], saves=self.order["saves"], **marked)
        except _Unreachable as failure:
            self._note("unreachable", why=str(failure))
            return self._applied("refused", f"{self.host} cannot be reached: {failure}")
        if armed.get("failed"):
            self._note("refused", why=_why(armed))
            return self._applied("refused", _why(armed))
        at = time.time()
        self._note("armed", **{name: armed.get(name) for name in ("deadline", "guard", "not_saved")})
        self._applied("failed", "the task ended before the change was complete", at)
        try:
            return self._steps(at)
        except _Unreachable as failure:
            self._note("unreachable", why=str(failure))
            return {**self._applied("failed", f"{self.host} could not be reached any more: {failure}", at), "changed": True}

    def _steps(self, armed: float) -> Json:
        changed = False
        for step in self.order["steps"]:
            self._note("step", command=step["command"])
            returned = self.action.module(step["module"], dict(step["arguments"]), self.task_vars)
            changed = changed or (bool(returned.get("changed")) and step["module"] not in CHECKS)
            if returned.get("failed"):
                return {**self._undo(f"{step['command']} failed: {_why(returned)}", armed), "changed": changed}
        if changed and "marked" in self.order:
            self._guard("made")  # where that fails, a restore undoes what others change as well, and says so
        self.action.reconnect()
        self._note("changed" if changed else "unchanged")
        why = "" if changed else "there was nothing to change: the host is as the fix wants it"
        return {**self._applied("applied" if changed else "unchanged", why, armed), "changed": changed}

    def _undo(self, why: str, armed: float) -> Json:
        """At once, because a step has failed; what cannot be is tried again when the transaction is settled."""
        self._note("failed", why=why)
        answer = self._applied("failed", why, armed)
        with suppress(_Unreachable):
            restored = self._guard("restored")
            if not restored.get("failed"):
                self._note("restored", by="us", others=restored.get("others"))
                answer = self._applied("restored", why + _others(restored), armed)
        return answer

    def settle(self) -> Json:
        """Do as was judged: confirm, or restore; and where the host cannot be reached, see what it did by itself."""
        applied = self.files.of_host(self.host, "applied", self.order["turn"]) or {"state": "refused", "why": "it was not begun"}
        if applied["state"] == "restored":
            return self._settled("rolled_back", applied["why"])
        if applied["state"] in ("refused", "unchanged"):
            self._settled("refused", applied["why"])  # stays when the task is ended from outside
            return self._release(applied["why"])
        self._settled("failed", "the task ended before the host answered")
        verdict = self.files.verdicts(self.order["turn"]).get(self.host, {"keep": False, "why": "the run ended before it was judged"})
        why, give_up = str(verdict["why"]), max(applied["armed"] + self.order["timeout"], time.time()) + GRACE
        if verdict["keep"]:
            confirmed = self._insist("confirmed", give_up)
            if not confirmed.get("failed"):
                self._note("confirmed")
                return self._settled("kept", why)
            why = _why(confirmed)
            self._note("not confirmed", why=why)
        restored = self._insist("restored", give_up)
        if restored.get("failed"):
            self._note("failed", why=_why(restored))
            return {**self._settled("failed", "; ".join(dict.fromkeys([why, _why(restored)]))), "changed": True}
        self._note("restored", by="us" if restored.get("changed") else "the host", others=restored.get("others"))
        return {**self._settled("rolled_back", (applied["why"] or why) + _others(restored)), "changed": True}

    def _release(self, why: str) -> Json:
        """We have changed nothing: what others changed meanwhile must not be undone. It may be armed, whatever we heard of that."""
        with suppress(_Unreachable):
            if not self._guard("confirmed").get("failed"):
                self._note("released")
        return self._settled("refused", why)

    def _insist(self, state: str, give_up: float) -> Json:
        """The guard's answer, over a new connection each time, for as long as the host cannot be reached."""
        silent = ""
        while True:
            self.action.reconnect()
            try:
                answer = self._guard(state)
            except _Unreachable as failure:
                silent = silent or f"{self.host} could not be reached over a new connection: {failure}"
                if time.time() > give_up:
                    return {"failed": True, "msg": f"{silent}. By now it has restored itself, unless the change was confirmed"}
                time.sleep(PAUSE)
                continue
            return {**answer, "msg": f"{silent}; {_why(answer)}"} if silent and answer.get("failed") else answer

    def _guard(self, state: str, **options: Any) -> Json:
        arguments = {"state": state, "transaction": self.order["transaction"], **options}
        return self.action.module("threeway.handshake.guard", arguments, self.task_vars)

    def _applied(self, state: str, why: str, armed: float | None = None) -> Json:
        """What `settle` and the judge go by: `applied`, `unchanged`, `restored` at once, `failed`, or `refused`: nothing was changed."""
        self._keep("applied", state=state, why=why, armed=armed)
        return {"msg": f"{state}: {why}" if why else state}

    def _settled(self, outcome: str, why: str) -> Json:
        self._keep("settled", outcome=outcome, why=why)
        return {"msg": f"{outcome}: {why}" if why else outcome}

    def _keep(self, what: str, **content: Any) -> None:
        self.files.keep_host(self.host, what, {"turn": self.order["turn"], **content})

    def _note(self, step: str, **about: Any) -> None:
        self.files.note(self.order["run"], step, host=self.host, transaction=self.order["transaction"], **about)


def _why(returned: Json) -> str:
    """What a module said about its failure."""
    said = returned.get("msg") or returned.get("module_stderr") or returned.get("module_stdout") or ""
    details = f" ({returned['stderr']})" if returned.get("stderr") and str(returned["stderr"]) not in str(said) else ""
    return clean(f"{said}{details}") if returned.get("failed") else ""


def _others(restored: Json) -> str:
    """What a restore did to the changes that others made meanwhile, where they lost some or may have."""
    others = restored.get("others")
    parts = []
    for what, sentence in (
        ("lost", "others changed the same meanwhile, which was undone with it"),
        ("undone", "it is not known what others changed meanwhile: all that had changed was undone"),
    ):
        found = others.get(what) if isinstance(others, dict) else None
        lines = [f"{kind} {line}" for kind, several in sorted(found.items()) for line in several] if isinstance(found, dict) else []
        if lines:
            more = f" and {len(lines) - _MOST_LINES} more, see the guard's journal on the host" if len(lines) > _MOST_LINES else ""
            parts.append(clean(f"{sentence} ({'; '.join(lines[:_MOST_LINES])}{more})"))
    return "".join(f"; {part}" for part in parts)


def _diffs(value: object) -> list[Json]:
    """Differences as modules return them: a mapping or several, with texts before and after, or prepared."""
    several = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    wanted = ("before_header", "after_header", "before", "after", "prepared")
    return [{name: each[name] for name in wanted if name in each} for each in several if isinstance(each, dict)]
