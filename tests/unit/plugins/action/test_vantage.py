# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that cannot or will not answer, in a real play: each becomes evidence, and the others are diagnosed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from ansible.plugins.connection import local

from tests.lab._machines import HERE as LAB
from tests.lab._machines import collections_root
from tests.lab.playbooks import Done, Playbooks

UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]

pytestmark = pytest.mark.skipif(
    shutil.which("ssh") is None or subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode != 0,
    reason="needs ssh and unprivileged user namespaces",
)

PROGRAMS = {
    "junk": r"""printf '\033[31mBOOM\007 nothing to see'""",
    "liar": r"""printf '{"changed": false, "snapshot": "{{ 1/0 }}", "recorder": {"handle": "../../x"}, "temporary_listeners": 8, '
printf '"absent": 7, "_ansible_x": 1}'""",
    "wordy": r"""head -c 18000000 /dev/zero | tr '\0' x""",
    "many": r"""printf '{"absent": [], "recorder": null, "snapshot": ['; yes '[],' | head -n 6000000 | tr -d '\n'; printf '0]}'""",
    "odd": r"""printf '{"changed": false, "stdout": 5, "results": 7, "ansible_facts": [], "exception": 3, "warnings": 1, "absent": []}'""",
    "sudo": r"""echo 'sudo: a password is required' >&2; exit 1""",
    "old": rf"""[ "$1" = -c ] && exec {sys.executable} -c "import sys; sys.version_info = (3, 6, 15)
$2"; echo 'SyntaxError: future feature annotations is not defined' >&2; exit 1""",
    "terminal": rf"""{sys.executable} "$@" | sed 's/$/\r/'""",
}


def hosts(tmp_path: Path) -> dict[str, dict[str, object]]:
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "handshake_address": "127.0.0.1"}
    return {
        "good": local,
        "unreachable": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1},
        "no python": {**local, "ansible_python_interpreter": str(tmp_path / "nothing")},
        "old python": {**local, "ansible_python_interpreter": str(tmp_path / "old")},
        "not/executable": {**local, "ansible_python_interpreter": "/dev/null"},
        "junk": {**local, "ansible_python_interpreter": str(tmp_path / "junk")},
        "liar": {**local, "ansible_python_interpreter": str(tmp_path / "liar")},
        "terminal": {**local, "ansible_python_interpreter": str(tmp_path / "terminal")},
        **{name: {**local, "ansible_python_interpreter": str(tmp_path / name)} for name in ("wordy", "many", "odd")},
        "no become": {
            **local,
            "ansible_pipelining": True,
            "ansible_become": True,
            "ansible_become_user": "nobody",
            "ansible_become_exe": str(tmp_path / "sudo"),
        },
        "fileless": {**local, "ansible_pipelining": False, "ansible_remote_tmp": "/dev/null/tmp"},
        "without pipes": {**local, "ansible_remote_tmp": "/dev/null/tmp", "ansible_connection": "pipeless"},
        "full": {**local, "ansible_pipelining": False, "ansible_connection": "full"},
    }


CONNECTIONS = """
from ansible.errors import AnsibleError
from ansible.plugins.connection import local

DOCUMENTATION = local.DOCUMENTATION.replace("local", "{name}", 1)

class Connection(local.Connection):
    transport = "{name}"

    {has}
"""
BROKEN = {
    "broken": "exec_command = lambda self, *arguments, **options: {}['no such thing']",
    "pipeless": "has_pipelining = False",
    "full": "put_file = lambda self, local, remote: self._fails()\n    def _fails(self): raise AnsibleError('No space left on device')",
}
"""Connection plugins that stand for what breaks on a controller, for a plugin that cannot pipe, and for a file system that is full."""


@pytest.fixture(scope="module")
def playbooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Done]]:
    """ansible-playbook with some arguments, in a directory with an inventory; all of them in a network of their own."""
    directory = tmp_path_factory.mktemp("controller")
    for name, has in BROKEN.items():
        (directory / f"{name}.py").write_text(CONNECTIONS.replace("{name}", name).replace("{has}", has))
    surroundings = {
        **os.environ,
        "ANSIBLE_CONFIG": str(LAB / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_root()),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CONNECTION_PLUGINS": str(directory),
        "ANSIBLE_LOCAL_TEMP": str(directory / "local"),
        "PYTHONPATH": str(LAB / "site"),
    }
    kept = Playbooks([*UNSHARE, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"])

    def run(where: Path, fleet: dict[str, dict[str, object]], extra: dict[str, object], *arguments: str) -> Done:
        (where / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": fleet}}))
        argv = ["threeway.handshake.diagnose", "--inventory=inventory.yml", "--extra-vars", json.dumps(extra), *arguments]
        return kept.run(argv, where, surroundings, timeout=120)

    yield run
    kept.close()


def diagnose(
    playbooks: Callable[..., Done], tmp_path: Path, fleet: dict[str, dict[str, object]], flows: list[dict[str, object]]
) -> tuple[Done, Path]:
    """The play, and where its report is."""
    done = playbooks(tmp_path, fleet, {"handshake_flows": flows, "diagnose_trace": True}, "--forks=4")
    return done, tmp_path / "handshake-report"


@pytest.fixture(scope="module")
def play(playbooks: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    tmp_path = tmp_path_factory.mktemp("play")
    fleet = hosts(tmp_path)
    flows: list[dict[str, object]] = [
        {"name": host, "clients": "good", "servers": host, "address": "127.0.0.1", "port": 7009} for host in fleet
    ]
    return diagnose(playbooks, tmp_path, fleet, flows)


def failure(report: Path, host: str, phase: str) -> dict[str, str]:
    kept = [json.loads(path.read_text()) for path in (report / "evidence").glob(f"*.{phase}.json")]
    (answer,) = [each for each in kept if each["host"] == host]
    assert (answer["evidence"] is not None) == (answer["failure"]["kind"] == "python")  # its shell tells something all the same
    return answer["failure"]


def test_the_play_succeeds_and_the_good_host_is_diagnosed(play):
    done, report = play
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = {flow["name"]: flow["status"] for flow in json.loads((report / "report.json").read_text())["flows"]}
    assert verdicts.pop("good") == "broken"
    assert set(verdicts.values()) <= {"broken", "undetermined"}  # a loopback address is no other host's
    assert len(verdicts) == 14


def test_the_head_says_what_is_missing(play):
    done, report = play
    told = json.loads((report / "report.json").read_text())
    kinds = {each["host"]: each["kind"] for each in told["unobserved"]}
    assert kinds == {
        "unreachable": "unreachable",
        "no python": "python",
        "old python": "python",
        "not/executable": "python",
        "junk": "malformed",
        "liar": "malformed",
        **dict.fromkeys(("wordy", "many", "odd"), "malformed"),
        "no become": "become",
        "without pipes": "files",
    }
    assert all(each["why"] and each["roles"] == ["server"] for each in told["unobserved"])
    for text in (done.stdout, (report / "report.md").read_text(), (report / "report.html").read_text()):
        flat = " ".join(text.replace("\\", "").split())
        assert "not observed: unreachable (server): unreachable: " in flat
        assert "not observed: no become (server): become: " in flat


def test_what_would_decide_follows_from_the_kind(play):
    _done, report = play
    would = {flow["name"]: " ".join(flow["undecided"]) for flow in json.loads((report / "report.json").read_text())["flows"]}
    for host, said in would.items():
        assert "run with become" not in said, host
    if would["unreachable"]:
        assert "unreachable cannot be reached: make it reachable for Ansible" in would["unreachable"]


@pytest.mark.parametrize(
    ("fail_on", "fails"), [(None, True), *(pytest.param(*each, marks=pytest.mark.slow) for each in (("never", False), ("broken", True)))]
)
def test_a_run_that_could_try_nothing_fails(playbooks, tmp_path, fail_on, fails):
    unreachable = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    extra = {"handshake_flows": [{"clients": "web1", "servers": "db1", "address": "127.0.0.1", "port": 7009}]}
    extra.update({"diagnose_fail_on": fail_on} if fail_on else {})
    done = playbooks(tmp_path, {"web1": unreachable, "db1": unreachable}, extra)
    assert (done.returncode != 0) == fails, done.stdout
    assert ("No handshake could be tried. web1: unreachable: " in " ".join(done.stdout.split())) == fails
    (flow,) = json.loads((tmp_path / "handshake-report/report.json").read_text())["flows"]
    assert flow["undecided"] == ["no handshake was tried, because web1 cannot be reached: make it reachable for Ansible"]
    assert "not observed: web1 (client)" in " ".join(done.stdout.split())


def test_a_terminal_ends_lines_in_its_own_way(play):
    _done, report = play
    answer = json.loads((report / "evidence" / "terminal.open.json").read_text())
    assert answer["failure"] is None
    assert answer["evidence"]["snapshot"]["kernel"] == os.uname().release


@pytest.mark.parametrize(
    ("host", "kind", "part"),
    [
        ("unreachable", "unreachable", "port 1: Connection refused"),
        ("no python", "python", "not found"),
        ("old python", "python", "old python has Python 3.6 (/"),
        ("not/executable", "python", "ermission denied"),
        ("junk", "malformed", "BOOM? nothing to see"),
        ("wordy", "malformed", "the host returned 180000"),
        ("many", "malformed", "the host returned 180000"),
        ("odd", "malformed", "lacks snapshot, recorder"),
        ("no become", "become", "sudo: a password is required"),
        ("without pipes", "files", "Failed to create temporary directory"),
    ],
)
def test_every_failure_is_evidence(play, host, kind, part):
    _done, report = play
    found = failure(report, host, "open")
    assert (found["kind"], part in found["message"]) == (kind, True), found
    assert found["message"].isprintable()


@pytest.mark.parametrize("host", ["fileless", "full"])
def test_a_host_that_keeps_no_files_is_asked_without_any(play, host):
    _done, report = play
    answer = json.loads((report / "evidence" / f"{host}.open.json").read_text())
    assert answer["failure"] is None and answer["evidence"]["snapshot"]["kernel"] == os.uname().release


def test_a_host_that_cannot_be_reached_is_not_tried_again(play):
    _done, report = play
    for host in ("unreachable", "no python", "old python", "no become", "without pipes"):
        assert failure(report, host, "close")["message"].startswith("not tried again: ")


def test_what_broke_is_tried_once_more_where_hosts_answer(play):
    _done, report = play
    tried = json.loads((report / "evidence" / "good.trace_try.json").read_text())["evidence"]
    assert [probe["address"] for probe in tried["probes"]] == ["127.0.0.1"]
    assert sorted(path.name for path in (report / "evidence").glob("*.trace_open.json")) == [
        f"{host}.trace_open.json" for host in ("fileless", "full", "good", "terminal")
    ]


def test_a_host_that_lies_costs_its_own_part(play):
    done, report = play
    evidence = json.loads((report / "evidence" / "liar.open.json").read_text())["evidence"]
    assert evidence == {"snapshot": "{{ 1/0 }}", "recorder": {"handle": "../../x"}, "temporary_listeners": 8, "absent": 7}
    assert failure(report, "liar", "close")["kind"] == "malformed"
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr


def test_a_fault_on_the_controller_is_not_the_hosts(playbooks, tmp_path):
    """A connection plugin that breaks stands for whatever breaks on the controller: the play must not end as if the host had failed."""
    done, report = diagnose(
        playbooks, tmp_path, {"h1": {"ansible_connection": "broken"}}, [{"clients": "h1", "address": "127.0.0.1", "port": 7009}]
    )
    assert done.returncode != 0
    assert "The controller failed before it could ask h1" in done.stdout + done.stderr
    assert failure(report, "h1", "try")["kind"] == "controller"
    assert (report / "report.html").exists()


@pytest.mark.skipif("become success" not in Path(local.__file__).read_text(), reason="this ansible-core waits for no success")
def test_a_become_program_that_ends_without_a_word_is_told_as_one(playbooks, tmp_path):
    fleet = {host: hosts(tmp_path)[host] for host in ("good", "no become")}
    (tmp_path / "sudo").write_text("#!/bin/sh\nexit 1\n")
    flow = {"name": "mute", "clients": "good", "servers": "no become", "address": "127.0.0.1", "port": 7009}
    _done, report = diagnose(playbooks, tmp_path, fleet, [flow])
    assert failure(report, "no become", "open")["kind"] == "become"
