# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard output of a diagnosis: what is awaited, the answer, where the report is. Of other tasks what the callback default shows."""

from __future__ import annotations

DOCUMENTATION = r"""
name: answer
type: stdout
short_description: Shows what a diagnosis waits for, its answer, and where the report is
version_added: 0.2.0
description:
  - While the tasks of this collection run, one line says which task runs, which hosts it waits for, and how much longer that may take.
    If standard output is no terminal, such a line is printed only for a task that takes longer than 2 seconds, and again every 30 seconds.
  - Then comes the answer. The last line says where the report is.
  - If a task of this collection fails, or a host cannot be reached, it says so in a sentence.
  - All other tasks, and with C(-v) all tasks, are shown as by the callback P(ansible.builtin.default#callback), whose options it has, too.
  - Use C(ANSIBLE_NOCOLOR), C(NO_COLOR) and C(ANSIBLE_FORCE_COLOR) for the colors, as with Ansible itself.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - Set it as the stdout callback, for example with C(ANSIBLE_STDOUT_CALLBACK=threeway.handshake.answer).
options:
  quiet:
    description:
      - Whether to print nothing as long as everything is as it should be, for example in a job of cron.
      - As soon as a handshake is not V(ok), a host differs from its baseline, something was changed, or a task fails, everything is
        printed, and also if there is no answer at all.
      - Warnings are always printed, to standard error.
    type: bool
    default: false
    env:
      - name: HANDSHAKE_ANSWER_QUIET
    ini:
      - section: callback_handshake_answer
        key: quiet
  live:
    description:
      - Whether to say what is awaited.
    type: bool
    default: true
    env:
      - name: HANDSHAKE_ANSWER_LIVE
    ini:
      - section: callback_handshake_answer
        key: live
seealso:
  - module: threeway.handshake.conclude
"""

import time
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Default

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.live_line import LiveLine
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.screen import columns
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import terminal
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.failure import sentence
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.waiting import Waiting
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.text import clean, wrap

COLLECTION = "threeway.handshake"
OURS = tuple(Path(__file__).resolve().parents[2] / directory for directory in ("playbooks", "roles"))


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "threeway.handshake.answer"

    def __init__(self) -> None:
        super().__init__()
        self._is_ours: dict[str, bool] = {}
        self._waiting: Waiting | None = None
        self._parts: dict[str, dict[str, list[str]]] = {}
        """Of the plans: for each kind of work order, the phases in which each host takes part."""
        self._waits: dict[str, dict[str, float]] = {}
        self._unheaded = False  # whether the heading of this play is still to be shown, if it has a task that is shown
        self._said = self._showed_others = False
        self._failures: set[tuple[str, str]] = set()  # by task; a strategy such as free runs once for each host what is to run once
        self._page = ""

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        drawn = self.get_option("live") and not self._display.verbosity
        self._live = LiveLine(self._display, quiet=self.get_option("quiet"), drawn=drawn)

    # What begins.

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play, self._unheaded = play, True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if self._awaits(task):
            return
        super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        if self._awaits(task):
            return
        super().v2_playbook_on_handler_task_start(task)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if not self._is_shown_in_short(task):
            super().v2_runner_on_start(host, task)
        elif self._waiting and task.args.get("phase") not in self._waits and not task.run_once:
            self._waiting.expect([host.get_name()])

    def _awaits(self, task: Any) -> bool:
        """Whether it is a task of ours; then it is what is awaited now."""
        if not self._is_shown_in_short(task):
            self._waiting = None
            self._live.show(None)
            return False
        waiting = self._waiting = Waiting(str(task.name or task.action), time.monotonic())
        phase = task.args.get("phase")
        if isinstance(phase, str) and phase in self._waits:
            parts = self._parts.get("trace" if phase.startswith("trace") else "plan", {})
            waiting.expect(host for host, phases in parts.items() if phase in phases)
            waiting.usually, waiting.at_most = (self._waits[phase][name] for name in ("usually", "at_most"))
        self._live.show(None if isinstance(task, TaskInclude) else lambda width: waiting.line(time.monotonic(), width))
        return True

    def _is_shown_in_short(self, task: Any) -> bool:
        return not self._display.verbosity and self._ours(task)

    def _ours(self, task: Any) -> bool:
        """Whether it stands in a role or playbook of this collection."""
        if task._uuid not in self._is_ours:
            role = getattr(task, "_role", None)
            path = Path(str(task.get_path() or "").rpartition(":")[0]).resolve()
            self._is_ours[task._uuid] = getattr(role, "_role_collection", None) == COLLECTION or any(map(path.is_relative_to, OURS))
        return self._is_ours[task._uuid]

    def _print_task_banner(self, task: Any) -> None:
        if self._unheaded:
            self._unheaded = False
            super().v2_playbook_on_play_start(self._play)
        self._showed_others = True
        super()._print_task_banner(task)

    # What comes back.

    def v2_runner_on_ok(self, result: Any) -> None:
        self._note(result)
        if not self._is_shown_in_short(result._task):
            super().v2_runner_on_ok(result)
            return
        self._handle_warnings(result._result)
        if result._result.get("_ansible_verbose_always") and isinstance(message := result._result.get("msg"), str):
            self._display.display("\n".join(wrap(clean(message), columns())))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._note(result)
        if not ignore_errors:
            self._live.speak()
        if not self._is_shown_in_short(result._task):
            super().v2_runner_on_failed(result, ignore_errors)
        elif not result._result.get("results"):  # of a loop each item has been shown
            self._handle_warnings(result._result)
            self._show(result, "failed, and ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._note(result)
        if not result._task.ignore_unreachable:
            self._live.speak()
        if self._is_shown_in_short(result._task):
            self._show(result, "unreachable")
        else:
            super().v2_runner_on_unreachable(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._note(result)
        if not self._is_shown_in_short(result._task):
            super().v2_runner_on_skipped(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if self._is_shown_in_short(result._task):
            self._show(result, f"failed for {self._get_item_label(result._result)}")
        else:
            super().v2_runner_item_on_failed(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        if not self._is_shown_in_short(result._task):
            super().v2_runner_item_on_ok(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        if not self._is_shown_in_short(result._task):
            super().v2_runner_item_on_skipped(result)

    def v2_runner_retry(self, result: Any) -> None:
        if not self._is_shown_in_short(result._task):
            super().v2_runner_retry(result)

    def v2_runner_on_async_poll(self, result: Any) -> None:
        if not self._is_shown_in_short(result._task):
            super().v2_runner_on_async_poll(result)

    def v2_runner_on_async_ok(self, result: Any) -> None:
        if not self._is_shown_in_short(result._task):
            super().v2_runner_on_async_ok(result)

    def v2_on_file_diff(self, result: Any) -> None:
        if self._is_shown_in_short(result._task):
            self._last_task_banner = result._task._uuid  # as if its heading had been shown
        super().v2_on_file_diff(result)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        if not self._is_shown_in_short(included_file._task):
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        if self._showed_others:
            super().v2_playbook_on_no_hosts_remaining()

    def _note(self, result: Any) -> None:
        """What a result says about the run."""
        found, action = result._result, result._task.action
        if self._waiting:
            self._waiting.answered(result._host.get_name())
        if not str(action).startswith(f"{COLLECTION}."):
            return
        if "waits" in found:
            self._parts["plan"] = found["phases"]
            self._waits = {f"{kind}{phase}": each for kind in ("", "trace_") for phase, each in found["waits"].items()}
        elif "phases" in found:
            self._parts["trace"] = found["phases"]
        self._said = self._said or "attention" in found
        self._page = found.get("page", self._page)
        if found.get("attention"):
            self._live.speak()

    def _show(self, result: Any, what: str) -> None:
        self._said = True
        task = result._task
        host = "" if task.run_once else result._host.get_name()
        said = sentence(what, host, str(task.name or task.action), result._result, columns())
        if (task._uuid, said) in self._failures:
            return
        self._failures.add((task._uuid, said))
        known: Any = constants
        color = known.COLOR_UNREACHABLE if what == "unreachable" else known.COLOR_ERROR
        self._display.display(said, color=color, stderr=self.get_option("display_failed_stderr"))

    # What ends.

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._live.end()
        if not self._said:  # a run without an answer is not known to be well
            self._live.speak()
        if self._showed_others or not self._said or self._display.verbosity:
            super().v2_playbook_on_stats(stats)
        if self._page:
            self._display.display(f"\n{terminal.where(self._page)}")
