# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where baselines are kept: one file for each host, whatever its name, and a sentence where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.baseline import Baseline, render
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.state import State
from ansible_collections.threeway.handshake.plugins.plugin_utils._store import drift_files


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("db1", "db1.yml"),
        ("db1.example.org", "db1.example.org.yml"),
        ("../../etc/passwd", "%2F..%2Fetc%2Fpasswd.yml"),
        ("a/b", "a%2Fb.yml"),
    ],
)
def test_names(tmp_path: Path, host: str, name: str) -> None:
    assert drift_files.path_of(str(tmp_path), host) == tmp_path / name


def test_reads_what_it_writes(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "baselines"
    baseline = Baseline("db1", State(sysctls={}))
    drift_files.write_baselines(str(directory), {"db1": render(baseline)})
    assert drift_files.read(str(directory), ["db1"]) == {"db1": baseline}
    assert (directory / "db1.yml").stat().st_mode & 0o777 == 0o644 and [path.name for path in directory.iterdir()] == ["db1.yml"]


def test_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "web1.yml").write_text(render(Baseline("db1", State())))
    (tmp_path / "dir.yml").mkdir()
    os.mkfifo(tmp_path / "fifo.yml")
    found = drift_files.read(str(tmp_path), ["db1", "web1", "dir", "fifo"])
    assert found["db1"] == f"There is no baseline {tmp_path}/db1.yml: run the playbook threeway.handshake.baseline for db1 first."
    assert found["web1"] == f"The baseline {tmp_path}/web1.yml is of another host than web1: write it again."
    assert "is not a plain file" in str(found["dir"]) and "is not a plain file" in str(found["fifo"])
