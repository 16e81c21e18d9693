# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and programs see of an answer, in real plays: by the callback answer and by others, on terminals of several widths."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import host_file
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

OURS = "threeway.handshake.answer"
CONCLUDE = ("ansible-playbook", "threeway.handshake.conclude", "-ediagnose_report_dir=report")
COLLECTIONS = next(Path(path) for path in sys.path if (Path(path) / "ansible_collections/threeway/handshake").exists())
PATIENCE = 60


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with what hosts returned of a broken handshake, and without a report."""
    keep(tmp_path, "no_listener")
    return tmp_path


def keep(directory: Path, name: str) -> None:
    plan, found = recorded(name)
    files = EvidenceFiles(str(directory / "report"), plan.run)
    files.begin(plan, "2026-11-29T04:00:00Z")
    for host, phases in found.items():
        for phase, answer in phases.items():
            files.write(host_file(host, phase), {**answer, "run": plan.run})
    lock = directory / "report" / "run.lock"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "started": "1"}))  # by a process that has ended


def environment(callback: str, **others: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "ANSIBLE_NOCOLOR")}
    bin_directory = str(Path(sys.executable).parent)
    return {
        **kept,
        "PATH": f"{bin_directory}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(COLLECTIONS / "none.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_STDOUT_CALLBACK": callback,
        "HANDSHAKE_ANSWER_LIVE": "false",  # its lines depend on how long things take
        "LC_ALL": "C.UTF-8",
        **others,
    }


def run(directory: Path, callback: str, *arguments: str, argv: Sequence[str] = CONCLUDE, **others: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*argv, *arguments],
        cwd=directory,
        env=environment(callback, **others),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def write(directory: Path, *plays: dict[str, object]) -> list[str]:
    local = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    (directory / "play.json").write_text(json.dumps([{**local, **play} for play in plays]))
    return ["ansible-playbook", "-ilocalhost,", f"-eansible_python_interpreter={sys.executable}", "play.json"]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    command = ["tmux", "-f/dev/null", f"-S{tmp_path}/tmux"]
    yield command
    subprocess.run([*command, "kill-server"], check=False, capture_output=True)


def screen(tmux: list[str], directory: Path, width: int, argv: list[str], callback: str) -> list[str]:
    """The lines that a command has written to a terminal; those that the terminal broke are longer than its width."""
    asked = environment(callback)
    script = directory / "script"
    settings = "".join(
        f"export {name}={shlex.quote(asked[name])}\n" for name in asked if name.startswith(("ANSIBLE_", "HANDSHAKE_", "PATH", "LC_ALL"))
    )
    script.write_text(f"{settings}unset COLUMNS\n{shlex.join(argv)}\ntouch ended\nsleep {PATIENCE}\n")
    size = [f"-x{width}", "-y200"]
    subprocess.run([*tmux, "new-session", "-d", *size, "-c", str(directory), f"sh {script}"], check=True, env={**asked, "TERM": "xterm"})
    until = time.monotonic() + PATIENCE
    while not (directory / "ended").exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(0.1)
    shown = subprocess.run([*tmux, "capture-pane", "-J", "-p"], check=True, capture_output=True, text=True).stdout
    return shown.rstrip().splitlines()


@pytest.mark.parametrize("width", [80, *(pytest.param(width, marks=pytest.mark.slow) for width in (60, 120))])
def test_the_answer_is_as_wide_as_the_terminal(here: Path, tmux: list[str], width: int) -> None:
    lines = screen(tmux, here, width, CONCLUDE, OURS)
    assert lines[-1].startswith("The report is /"), lines
    told = lines[lines.index(next(line for line in lines if line.startswith("1 flow: "))) : -2]
    assert width - 20 < max(map(len, told)) <= width, told


def test_without_a_terminal_it_is_100_columns_wide_and_plain(here: Path) -> None:
    done = run(here, OURS)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert 80 < max(map(len, lines[:-1])) <= 100 and "\x1b" not in done.stdout  # a path is as long as it is
    assert lines[-1] == f"The report is {here}/report/report.html"
    assert "PLAY" not in done.stdout and "TASK" not in done.stdout and lines[1].startswith("1 flow: 1 broken")


@pytest.mark.parametrize("wanted", [{"ANSIBLE_FORCE_COLOR": "1"}, pytest.param({"NO_COLOR": "1"}, marks=pytest.mark.slow)])
def test_colors_are_those_that_ansible_would_use(here: Path, wanted: dict[str, str]) -> None:
    assert ("\x1b[1;31mBROKEN" in run(here, OURS, **wanted).stdout) is ("NO_COLOR" not in wanted)


@pytest.mark.parametrize("callback", ["ansible.posix.json", pytest.param("community.general.null", marks=pytest.mark.slow)])
def test_who_shows_no_texts_returns_the_answer(here: Path, callback: str) -> None:
    done = run(here, callback)
    if callback.endswith("null"):
        assert done.stdout == ""
        return
    results = [host for play in json.loads(done.stdout)["plays"] for task in play["tasks"] for host in task["hosts"].values()]
    answer = next(result["answer"] for result in results if "answer" in result)
    assert answer[0].startswith("1 flow: 1 broken") and done.stderr == ""


@pytest.mark.parametrize("callback", ["default", *(pytest.param(name, marks=pytest.mark.slow) for name in ("minimal", "oneline"))])
def test_other_callbacks_show_it_too_and_a_failure_is_one_sentence(here: Path, callback: str) -> None:
    done = run(here, callback, "-ediagnose_fail_on=broken")
    assert done.returncode == 2
    assert "\n1 flow: 1 broken" in done.stdout and f"\nThe report is {here}/report/report.html\n" in done.stdout
    failure = done.stdout[done.stdout.index("FAILED") :].split("PLAY RECAP")[0]
    assert "Of 1 handshakes, 1 broken" in failure and failure.count("report.json") <= 2 and len(failure) < 400, failure
    evidence = json.loads((here / "report/report.json").read_text())["flows"][0]["causes"][0]["evidence"]
    assert [each["source"] for each in evidence] == ["inet_diag", "connect()", "capture", "counter Tcp OutRsts"]  # what decides comes first


@pytest.mark.parametrize("quiet", ["true", pytest.param("false", marks=pytest.mark.slow)])
def test_a_failed_task_is_told_in_a_sentence(tmp_path: Path, quiet: str) -> None:
    done = run(tmp_path, OURS, "-ediagnose_report_dir=nowhere", HANDSHAKE_ANSWER_QUIET=quiet)
    assert done.returncode == 2
    said = " ".join(done.stdout.split())
    assert said.startswith("failed: Say what the run had found when it was interrupted: The report directory nowhere cannot be used")
    assert "PLAY" not in done.stdout and len(done.stdout.splitlines()) < 5, done.stdout


def test_a_failure_of_each_host_is_shown_once(tmp_path: Path) -> None:
    """With the strategy free, a task that is to run once runs for every host."""
    diagnosed = {"hosts": "all", "strategy": "free", "roles": ["threeway.handshake.diagnose"]}
    argv = write(tmp_path, diagnosed)
    done = run(tmp_path, OURS, "-ione,two,three,", argv=[*argv[:1], *argv[2:]])
    assert done.returncode == 2
    assert done.stdout.count("failed: ") == 1 and "which hosts do not wait" in " ".join(done.stdout.split()), done.stdout


def test_tasks_of_others_look_as_always(here: Path) -> None:
    shell = {"name": "Do something of one's own", "ansible.builtin.command": "echo done"}
    ours = {
        "name": "Conclude",
        "ansible.builtin.include_role": {"name": "threeway.handshake.diagnose", "tasks_from": "interrupted", "rolespec_validate": False},
        "vars": {"diagnose_report_dir": "report"},
    }
    argv = write(here, {"name": "A play of one's own", "tasks": [shell, ours]})
    done = run(here, OURS, argv=argv, ANSIBLE_NOCOLOR="1")
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in (
        "PLAY [A play of one's own]",
        "TASK [Do something of one's own]",
        "changed: [localhost]",
        "1 flow: 1 broken",
        "PLAY RECAP",
    ):
        assert shown in done.stdout
    assert "Say what the run had found" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("The report is /")


def test_verbose_shows_what_default_shows(here: Path) -> None:
    done = run(here, OURS, "-v")
    assert "TASK [" in done.stdout and '"summary": {' in done.stdout and "1 flow: 1 broken" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("The report is /")


def test_quiet_does_not_hide_that_nothing_was_diagnosed(tmp_path: Path) -> None:
    argv = write(tmp_path, {"hosts": "localhost", "tasks": []})
    assert "PLAY RECAP" in run(tmp_path, OURS, argv=argv, HANDSHAKE_ANSWER_QUIET="true").stdout


@pytest.mark.parametrize(("name", "silent"), [("no_listener", False), ("healthy.twin", True)])
def test_quiet_says_nothing_while_all_is_well(tmp_path: Path, name: str, silent: bool) -> None:
    keep(tmp_path, name)
    done = run(tmp_path, OURS, HANDSHAKE_ANSWER_QUIET="true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout == "") is silent
    assert silent or done.stdout.splitlines()[-1].startswith("The report is /")
