# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories of the controller as people name them: home directories are found, and what cannot be written is found first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

ASKED = ("handshake_client=web1", "handshake_server=db1", "handshake_port=5432", "diagnose_attempts=1", "diagnose_timeout=0.2")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.three_hosts()) as fleet:
        yield fleet


def play(fleet: Fleet, book: str, *options: str, fails: bool = False) -> str:
    """What the playbook printed, in one line."""
    done = fleet.playbook(f"threeway.handshake.{book}", *(f"-e{each}" for each in (*ASKED, *options)), check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.slow
def test_home_is_where_the_tilde_points(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REPORTS", str(tmp_path / "reports"))
    play(fleet, "diagnose", "diagnose_report_dir=~/handshakes")
    play(fleet, "remediate", "remediate_report_dir=$REPORTS/mended", "remediate_apply=true")
    play(fleet, "baseline", "drift_baseline_dir=~/baselines", "drift_report_dir=~/drift")
    play(fleet, "drift", "drift_baseline_dir=~/baselines", "drift_report_dir=~/drift", "drift_remediate=true")
    written = ["handshakes/report.json", "reports/mended/report.json", "baselines/web1.yml", "baselines/db1.yml", "drift/drift.json"]
    assert [name for name in written if not (tmp_path / name).is_file()] == []
    assert {path.name for path in fleet.directory.iterdir()} <= {"lab"}


@pytest.mark.parametrize("book", ["diagnose", "remediate", "baseline", "drift"])
def test_a_report_directory_that_cannot_be_made_is_named(fleet: Fleet, book: str) -> None:
    role = book if book in ("diagnose", "remediate") else "drift"
    said = play(fleet, book, f"{role}_report_dir=/proc/none", fails=True)
    assert "The report directory /proc/none cannot be used: No such file or directory (none): fix that, or give another one." in said
    assert "Errno" not in said


def test_baselines_that_cannot_be_written_are_found_before_a_host_is_touched(fleet: Fleet) -> None:
    said = play(fleet, "baseline", "drift_baseline_dir=/proc/none", fails=True)
    assert "Baselines cannot be written into /proc/none: No such file or directory: fix that, or give another directory" in said
    assert "Read what the handshakes depend on" not in said and not list(fleet.directory.glob("handshake-drift/evidence/*.state.json"))
