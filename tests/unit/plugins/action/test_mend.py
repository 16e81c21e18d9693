# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a host's changes when it answers late, otherwise, or not at all: hosts that follow a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.action import mend
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.remediation_files import RemediationFiles

CUT = mend._Unreachable("Connection timed out")
LATE = {"failed": True, "msg": "transaction t cannot be confirmed: its restore began at 04:00, and the host is as it was before"}
STEP = {"module": "ansible.posix.sysctl", "arguments": {"name": "a"}, "command": "sysctl -w a=1"}
ORDER = {"run": "r", "host": "db1", "turn": 1, "transaction": "t", "timeout": 60.0, "saves": {"sysctls": ["a"]}, "steps": [STEP]}


class Scripted:
    """Answers questions in their order; `asked` has the guard's states, and modules by their names."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked, self.connections = list(answers), [], 0

    def module(self, name: str, arguments: dict[str, Any], _task_vars: object, *, check: bool = False) -> Any:
        self.asked.append(arguments.get("state") or name)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def reconnect(self) -> None:
        self.connections += 1


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemediationFiles:
    monkeypatch.setattr(mend, "PAUSE", 0.0)
    found = RemediationFiles(str(tmp_path))
    found.begin()
    return found


def mended(files: RemediationFiles, applying: tuple[Any, ...], settling: tuple[Any, ...], keep: bool = True) -> tuple[Any, Scripted]:
    """The outcome of a transaction, and what was asked to settle it."""
    mend._Transaction(Scripted(*applying), files, ORDER, {}).apply()  # type: ignore[arg-type]
    files.keep_verdicts(1, {"db1": {"keep": keep, "why": "orders connects" if keep else "orders is broken as before", "helped": []}})
    host = Scripted(*settling)
    mend._Transaction(host, files, ORDER, {}).settle()  # type: ignore[arg-type]
    assert host.answers == []
    settled = files.of_host("db1", "settled", 1)
    assert settled is not None
    return (settled["outcome"], settled["why"]), host


def steps(files: RemediationFiles) -> list[str]:
    return [json.loads(line)["step"] for line in (files.report_dir / "remediate.jsonl").read_text().splitlines()]


CHANGED = ({"changed": True}, {"changed": True})


def test_what_is_judged_good_is_confirmed_over_a_new_connection(files: RemediationFiles) -> None:
    outcome, host = mended(files, CHANGED, ({"changed": True},))
    assert outcome == ("kept", "orders connects")
    assert (host.asked, host.connections) == (["confirmed"], 1)


def test_what_the_changes_have_made_is_noted_before_others_change_more(files: RemediationFiles) -> None:
    host = Scripted(*CHANGED, {"changed": False})
    mend._Transaction(host, files, {**ORDER, "marked": True}, {}).apply()  # type: ignore[arg-type]
    assert host.asked == ["armed", "ansible.posix.sysctl", "made"]


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({"kept": {"firewall": ["+ a ban"]}}, ""),
        ({"lost": {"firewall": ["- a ban"]}}, "; others changed the same meanwhile, which was undone with it (firewall - a ban)"),
        (
            {"undone": {"firewall": [f"- rule {number}" for number in range(9)], "routes": []}},
            "; it is not known what others changed meanwhile: all that had changed was undone (firewall - rule 0; firewall - rule 1; "
            "firewall - rule 2; firewall - rule 3; firewall - rule 4 and 4 more, see the guard's journal on the host)",
        ),
    ],
)
def test_what_others_lose_is_reported(files: RemediationFiles, others: dict[str, Any], told: str) -> None:
    outcome, _host = mended(files, CHANGED, ({"changed": True, "others": others},), keep=False)
    assert outcome == ("rolled_back", f"orders is broken as before{told}")


def test_a_confirmation_whose_answer_is_lost_is_a_confirmation(files: RemediationFiles) -> None:
    outcome, host = mended(files, CHANGED, (CUT, {"changed": False}))
    assert outcome == ("kept", "orders connects")
    assert (host.asked, host.connections) == (["confirmed", "confirmed"], 2)


def test_a_host_that_was_cut_off_has_restored_itself(files: RemediationFiles) -> None:
    outcome, host = mended(files, CHANGED, (CUT, CUT, LATE, {"changed": False}))
    assert outcome[0] == "rolled_back"
    assert outcome[1].startswith("db1 could not be reached over a new connection: Connection timed out; transaction t cannot be confirmed")
    assert host.asked == ["confirmed"] * 3 + ["restored"]
    assert steps(files)[-2:] == ["not confirmed", "restored"]


def test_a_host_that_never_comes_back_is_not_known_to_be_undone(files: RemediationFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mend, "GRACE", -61.0)
    outcome, _host = mended(files, CHANGED, (CUT, CUT))
    assert outcome[0] == "failed"
    assert outcome[1].endswith("Connection timed out. By now it has restored itself, unless the change was confirmed")


def test_what_is_judged_bad_is_restored(files: RemediationFiles) -> None:
    outcome, host = mended(files, CHANGED, ({"changed": True},), keep=False)
    assert outcome == ("rolled_back", "orders is broken as before") and host.asked == ["restored"]


def test_what_cannot_be_put_back_is_said(files: RemediationFiles) -> None:
    outcome, _host = mended(files, CHANGED, ({"failed": True, "msg": "files: no room"},), keep=False)
    assert outcome == ("failed", "orders is broken as before; files: no room")


@pytest.mark.parametrize("keep", [True, False])
def test_where_nothing_was_changed_nothing_is_undone(files: RemediationFiles, keep: bool) -> None:
    """Whatever somebody else has changed meanwhile stays."""
    outcome, host = mended(files, ({"changed": True}, {"changed": False}), ({"changed": True},), keep)
    assert outcome == ("refused", "there was nothing to change: the host is as the fix wants it")
    assert host.asked == ["confirmed"] and steps(files)[-2:] == ["unchanged", "released"]


def test_a_host_that_may_have_been_armed_is_released(files: RemediationFiles) -> None:
    outcome, host = mended(files, (CUT,), ({"changed": True},))
    assert outcome == ("refused", "db1 cannot be reached: Connection timed out") and host.asked == ["confirmed"]


def test_another_transaction_is_no_reason_to_fail(files: RemediationFiles) -> None:
    busy = {"failed": True, "msg": "transaction t cannot be armed, nothing has been changed: transaction u of this host is armed"}
    outcome, _host = mended(files, (busy,), ({"failed": True, "msg": "there is no transaction t on this host"},))
    assert outcome == ("refused", busy["msg"]) and "released" not in steps(files)


def test_a_step_that_fails_is_undone_at_once_and_not_twice(files: RemediationFiles) -> None:
    failing = ({"changed": True}, {"failed": True, "msg": "no such key"}, {"changed": True})
    outcome, host = mended(files, failing, (), keep=False)
    assert outcome == ("rolled_back", "sysctl -w a=1 failed: no such key") and host.asked == []
    assert steps(files) == ["arming", "armed", "step", "failed", "restored"]


def test_a_step_that_fails_on_a_host_that_is_cut_off_is_undone_later(files: RemediationFiles) -> None:
    outcome, host = mended(files, ({"changed": True}, {"failed": True, "msg": "no such key"}, CUT), (CUT, {"changed": False}), keep=False)
    assert outcome == ("rolled_back", "sysctl -w a=1 failed: no such key") and host.asked == ["restored", "restored"]


FIREWALL = {
    **ORDER,
    "steps": [{"module": "threeway.handshake.firewall_rule", "arguments": {"chain": "input"}, "command": "nft add rule ..."}],
    "rehearsal": [
        {
            "key": "k1",
            "steps": [{"module": "threeway.handshake.firewall_rule", "arguments": {"chain": "input"}}],
            "packets": [{"packet": "syn"}],
        }
    ],
}
FAILED = {"fixes": [{"result": "fails", "why": "a SYN would still be dropped", "packets": []}]}
OPENED = {"fixes": [{"result": "opens", "why": "", "packets": []}]}


def test_what_fails_in_the_rehearsal_is_not_made(files: RemediationFiles) -> None:
    host = Scripted(FAILED)
    mend._Transaction(host, files, FIREWALL, {}).apply()  # type: ignore[arg-type]
    applied = files.of_host("db1", "applied", 1)
    assert host.asked == ["threeway.handshake.firewall_rehearsal"] and applied is not None
    assert (applied["state"], applied["why"].partition(": ")[2]) == ("refused", "a SYN would still be dropped")


def test_what_opens_in_the_rehearsal_is_made(files: RemediationFiles) -> None:
    host = Scripted(OPENED, *CHANGED)
    mend._Transaction(host, files, FIREWALL, {}).apply()  # type: ignore[arg-type]
    assert host.asked == ["threeway.handshake.firewall_rehearsal", "armed", "threeway.handshake.firewall_rule"]


@pytest.mark.parametrize("answer", [{"failed": True, "msg": "there is no nft"}, {"fixes": "lies"}, {"fixes": []}])
def test_a_rehearsal_that_is_not_possible_says_nothing_against_a_fix(files: RemediationFiles, answer: dict[str, Any]) -> None:
    host = Scripted(answer, *CHANGED)
    mend._Transaction(host, files, FIREWALL, {}).apply()  # type: ignore[arg-type]
    assert host.asked[1:] == ["armed", "threeway.handshake.firewall_rule"]


def test_the_preview_keeps_what_came_of_the_rehearsal(files: RemediationFiles) -> None:
    host = Scripted({"changed": True}, FAILED, {"transactions": []})
    mend._Transaction(host, files, {**FIREWALL, "turn": 0}, {}).preview()  # type: ignore[arg-type]
    preview = files.of_host("db1", "preview", 0)
    assert preview is not None and preview["rehearsed"] == {"k1": {"result": "fails", "why": "a SYN would still be dropped"}}
