# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules on a control host that runs systemd: timers that fire, runs that do not overlap, and nothing left in the end."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped, unused-ignore]

from ansible_collections.threeway.handshake.tests.lab import control_host, topologies
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.skipif(control_host.missing() is not None, reason=str(control_host.missing())),
]
HOST = "ctl1"
FLOWS = [{"name": "web-to-db", "clients": "web1", "servers": "db1", "port": 5432}]
QUICK = {
    "schedule_interval": "15s",  # not at once again, while the test goes on
    "schedule_jitter": "0",
    "schedule_nice": 0,
    "schedule_cpu_weight": 100,
    "schedule_variables": {"diagnose_attempts": 1, "diagnose_settle": 0.05},
}
REST = {"schedule_interval": "1d"}  # nothing runs unless it is started
PURGE = {"schedule_state": "absent", "schedule_purge": True}
DUMP = r"""
find /etc /srv /var/lib/handshake -not -name '*-' -not -name .pwd.lock -not -type f -printf '%p %y %m %U %G %l\n' 2>/dev/null | sort
find /etc /srv /var/lib/handshake -type f -not -name '*-' -printf '%p %m %U %G ' -exec sha256sum {} \; 2>/dev/null | sort
systemctl list-units --all --plain --no-legend 'handshake-*'
"""
DATABASE = "file:/var/lib/handshake/history.db?mode=ro"  # root must not be who makes it
RUNS = f"import sqlite3; print(*sqlite3.connect('{DATABASE}', uri=True).execute('SELECT COUNT(*) FROM handshake_runs').fetchone())"
Schedule = Callable[..., str]


@pytest.fixture(scope="module")
def fleet() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.one_segment(HOST, "web1", "db1"), binds=control_host.binds()) as running:
        inventory = control_host.equip(running, HOST)
        (running.directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
        yield running


@pytest.fixture
def schedule(fleet: SystemdFleet) -> Schedule:
    """Plays threeway.handshake.schedule on the control host."""

    def play(*arguments: str, check: bool = True, **variables: Any) -> str:
        common = {
            "schedule_hosts": HOST,
            "schedule_inventory": str(fleet.directory / "hosts.yml"),
            "schedule_private_key": control_host.KEY,
            "handshake_flows": FLOWS,
        }
        (fleet.directory / "schedule.json").write_text(json.dumps({**common, **variables}))
        done = fleet.playbook("threeway.handshake.schedule", "--extra-vars=@schedule.json", *arguments, check=check)
        return done.stdout + done.stderr

    return play


def sh(fleet: SystemdFleet, script: str) -> str:
    return fleet.run(HOST, ["sh", "-c", script], timeout=300).stdout  # a whole playbook, on a machine that may be loaded


def dump(fleet: SystemdFleet) -> str:
    return sh(fleet, DUMP)


def reports(fleet: SystemdFleet) -> list[str]:
    return sh(fleet, "cd /var/lib/handshake/diagnose/reports; ls -d 2*/report.json 2>/dev/null; true").split()


def await_true(is_so: Callable[[], object], patience: float = 180.0) -> None:
    give_up = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(1.0)


def changed(output: str) -> int:
    found = re.search(rf"^{HOST} .* changed=([0-9]+) ", output, re.MULTILINE)
    assert found, output
    return int(found[1])


@pytest.mark.first
def test_the_timer_fires(fleet: SystemdFleet, schedule: Schedule) -> None:
    """Check mode changes nothing. Reports, history and metrics appear by themselves, old reports go; a second run of the role finds
    nothing to do, and in the end nothing is left.
    """
    before = dump(fleet)
    wanted = {**QUICK, "schedule_metrics_directory": "/srv", "schedule_keep": 1, "schedule_secrets": {"who": "s3cret"}}
    output = schedule("--check", "--diff", schedule_webhook="https://127.0.0.1/t0ken", **wanted)
    assert changed(output) > 0 and "+OnUnitInactiveSec=15s" in output and "t0ken" not in output
    assert dump(fleet) == before
    with fleet.listen("db1", "::", 5432):
        assert changed(schedule(**wanted)) > 0
        await_true(lambda: int(sh(fleet, f'python3 -c "{RUNS}" 2>/dev/null || echo 0')) >= 2)
        sh(fleet, "systemctl stop handshake-diagnose.timer")
        await_true(lambda: sh(fleet, "systemctl is-active handshake-diagnose; true") == "inactive\n")
    assert len(reports(fleet)) == 1
    report = json.loads(sh(fleet, "cat /var/lib/handshake/diagnose/reports/latest/report.json"))
    assert report["summary"] == {"flows": 1, "ok": 1, "degraded": 0, "broken": 0, "undetermined": 0}
    assert not [absence for absence in report["flows"][0]["not_observed"] if ": recording: " in absence]
    assert re.search(
        r'^handshake_flow_status\{schedule="diagnose",flow="web-to-db",.*status="ok"} 1$', sh(fleet, "cat /srv/*.prom"), re.MULTILINE
    )
    assert re.search(r'^handshake_last_run_timestamp_seconds\{schedule="diagnose"} [0-9]', sh(fleet, "cat /srv/*.prom"), re.MULTILINE)
    said = sh(fleet, "journalctl --unit=handshake-diagnose --no-pager")
    assert "1 flow: 1 ok" in said and "WARNING" not in said and "s3cret" not in said, said

    sh(fleet, "systemctl start handshake-diagnose.timer")
    assert changed(schedule(**wanted)) == 0
    assert changed(schedule(schedule_state="absent")) > 0
    kept = set(dump(fleet).splitlines()) - set(before.splitlines())
    assert all(re.match(r"/var/lib/handshake[ /]|/etc/(passwd|group|shadow|gshadow) ", line) for line in kept), kept
    assert reports(fleet) and sh(fleet, f'python3 -c "{RUNS}"')
    assert changed(schedule(schedule_state="absent")) == 0
    assert changed(schedule(**PURGE)) > 0
    assert dump(fleet) == before


OLD = "/opt/old-ansible-playbook"
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"schedule_inventory": "/none"}, 'schedule_inventory is "/none", which is not there: give the inventory of the hosts'),
    ({"schedule_name": "a b", "schedule_nice": 20}, 'schedule_name is "a b": use at most 40 of the characters'),
    ({"schedule_calendar": "whenever"}, 'schedule_calendar is "whenever", which systemd does not understand ('),
    ({"schedule_timeout": "3 hands"}, 'schedule_timeout is "3 hands", which systemd does not understand ('),
    ({"schedule_ansible_playbook": "/opt/none"}, "There is no program /opt/none on ctl1: install ansible-core 2.16 or later there"),
    (
        {"schedule_ansible_playbook": OLD},
        f"{OLD} on ctl1 is of ansible-core 2.14.18, and the schedule needs 2.16 or later",
    ),
    ({"schedule_directory": "/srv"}, "/srv on ctl1 belongs to root, and this schedule runs as handshake:"),
    (
        {"schedule_environment": {"ANSIBLE_COLLECTIONS_PATH": "/srv"}},
        "handshake on ctl1 cannot run threeway.handshake.diagnose with /usr/bin/ansible-playbook: ",
    ),
]
QUICK_MISTAKES = [MISTAKES[2], MISTAKES[5]]  # what systemd is asked for, and what ansible-playbook


@pytest.mark.parametrize(
    ("variables", "said"), [pytest.param(*each, marks=[pytest.mark.slow] * (each not in QUICK_MISTAKES)) for each in MISTAKES]
)
def test_what_cannot_work_is_refused_with_a_sentence(fleet: SystemdFleet, schedule: Schedule, variables: dict[str, Any], said: str) -> None:
    fleet.write(HOST, OLD, "#!/bin/sh\nansible-playbook \"$@\" | sed 's/core 2[.0-9]*/core 2.14.18/'\n")
    sh(fleet, f"chmod 0755 {OLD}")
    output = schedule(check=False, **variables)
    assert said in " ".join(output.replace("\\", "").split()), output
    assert "failed=1" in output and sh(fleet, "ls /etc/threeway-handshake 2>/dev/null; true") == ""


def test_runs_exclude_each_other_and_are_bounded(fleet: SystemdFleet, schedule: Schedule) -> None:
    odd = {"schedule_environment": {"ODD": r'a "b" $c \d %e'}, "schedule_arguments": ["--limit=web1, db1"]}
    schedule(schedule_calendar="Mon..Fri 06:00", schedule_variables=QUICK["schedule_variables"], **odd)

    verified = fleet.run(HOST, ["sh", "-c", "systemd-analyze verify /etc/systemd/system/handshake-diagnose.*"])
    assert "handshake" not in verified.stdout + verified.stderr
    exposure = sh(fleet, "systemd-analyze security --no-pager handshake-diagnose | tail -n 1")
    assert float(re.findall(r": ([0-9.]+) ", exposure)[0]) < 2, exposure
    environment = "--property=EnvironmentFile=/etc/threeway-handshake/diagnose/environment"
    assert r'ODD=a "b" $c \d %e' in sh(fleet, f"systemd-run --quiet --pipe {environment} env")
    assert sh(fleet, "cd /etc/threeway-handshake/diagnose; stat --format='%a %U' environment secrets.json") == "600 root\n" * 2

    held = ["setpriv", "--reuid=handshake", "--regid=handshake", "--clear-groups", "flock", "/var/lib/handshake/diagnose/lock"]
    with fleet.popen(HOST, [*held, "sh", "-c", "echo held; cat"]) as by_hand:
        assert by_hand.process.stdout and by_hand.process.stdout.readline() == "held\n"
        sh(fleet, "systemctl start handshake-diagnose")
        left_out = "is left out this time: /var/lib/handshake/diagnose/lock is held by another run."
        assert left_out in sh(fleet, "journalctl --unit=handshake-diagnose --no-pager")
        assert sh(fleet, "systemctl is-active handshake-diagnose; true") == "inactive\n"
        assert reports(fleet) == []
    await_true(lambda: not sh(fleet, "pgrep flock; true"))
    sh(fleet, "systemctl start handshake-diagnose & systemctl start handshake-diagnose & wait")
    assert len(reports(fleet)) == 1

    sh(fleet, "mkdir -p /run/systemd/system/handshake-diagnose.service.d")
    fleet.write(HOST, "/run/systemd/system/handshake-diagnose.service.d/test.conf", "[Service]\nTimeoutStartSec=2s\n")
    sh(fleet, "systemctl daemon-reload")
    with fleet.relay("db1", "mgmt0", outbound={"loss": 1.0}):
        assert fleet.run(HOST, ["systemctl", "start", "handshake-diagnose"], check=False).returncode != 0
    assert sh(fleet, "systemctl show --property=Result --value handshake-diagnose") == "timeout\n"
    assert sh(fleet, "pgrep --uid handshake; true") == ""
    assert len(reports(fleet)) == 1
    sh(fleet, "rm -r /run/systemd/system/handshake-diagnose.service.d")


@pytest.mark.slow
def test_the_copy_of_the_inventory_follows_it(fleet: SystemdFleet, schedule: Schedule, tmp_path: Path) -> None:
    for name in ("hosts.yml", "group_vars/all/first.yml", "host_vars/db1.yml", "unrelated.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("all: {hosts: {db1: }}\n" if name == "hosts.yml" else "{}\n")
    listing = "cd /etc/threeway-handshake/diagnose/inventory; find . -type f -printf '%P %m\n' | sort"
    schedule(schedule_inventory=str(tmp_path / "hosts.yml"), **REST)
    assert sh(fleet, listing).split("\n") == ["group_vars/all/first.yml 640", "host_vars/db1.yml 640", "hosts.yml 640", ""]
    (tmp_path / "host_vars/db1.yml").unlink()
    (tmp_path / "hosts.yml").chmod(0o755)
    schedule(schedule_inventory=str(tmp_path), **REST)
    assert sh(fleet, listing).split("\n") == ["group_vars/all/first.yml 640", "hosts.yml 750", "unrelated.yml 640", ""]
    assert changed(schedule(schedule_inventory=str(tmp_path), **REST)) == 0


@pytest.mark.slow
def test_drift_is_looked_for_and_mended(fleet: SystemdFleet, schedule: Schedule) -> None:
    """The service fails while something endangers a handshake, and goes back to the baseline where it may."""
    variables = {"drift_baseline_dir": "/srv/baseline", "drift_fail_on": "endangering"}
    job = {"schedule_job": "drift", **REST}
    result = "systemctl start handshake-drift; systemctl show --property=Result --value handshake-drift"
    with fleet.listen("db1", "::", 5432):
        fleet.playbook("threeway.handshake.baseline", "--become", "--extra-vars", json.dumps({"handshake_flows": FLOWS}))
        sh(fleet, "mkdir /srv/baseline")
        for name in ("db1", "web1"):
            fleet.write(HOST, f"/srv/baseline/{name}.yml", (fleet.directory / f"handshake-baseline/{name}.yml").read_text())
        schedule(schedule_variables=variables, **job)
        assert sh(fleet, result) == "success\n", sh(fleet, "journalctl --unit=handshake-drift --no-pager")
        fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 0)
        assert sh(fleet, result) == "exit-code\n"
        assert "ENDANGERING" in sh(fleet, "journalctl --unit=handshake-drift --no-pager")
        schedule(schedule_variables={**variables, "drift_remediate": True, "remediate_apply": True}, **job)
        assert sh(fleet, result) == "success\n", sh(fleet, "journalctl --unit=handshake-drift --no-pager")
        assert fleet.run("db1", ["sysctl", "-n", "net.ipv4.tcp_syncookies"]).stdout == "1\n"
        report = json.loads(sh(fleet, "cat /var/lib/handshake/drift/reports/latest/drift.json"))
        assert [change["outcome"] for change in report["changes"]] == ["kept"]
    schedule(schedule_job="drift", **PURGE)
    sh(fleet, "rm -r /srv/baseline")
