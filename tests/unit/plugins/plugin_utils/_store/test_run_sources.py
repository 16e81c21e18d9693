# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of other runs, as hostile as that of any host: read as far as it fits, refused in a sentence, never more than is allowed."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.slices import Run
from ansible_collections.threeway.handshake.plugins.plugin_utils._store import run_sources
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.run_sources import (
    bundle,
    clear_runs,
    documents,
    keep_runs,
    read_runs,
)
from tests.unit.plugins.plugin_utils.recordings import recorded

Documents = dict[str, dict[str, Any]]


def files() -> Documents:
    plan, answers = recorded("no_listener")
    for phases in answers.values():
        for answer in phases.values():
            answer.update(run=plan.run, seconds=1.5, at=1764410550.5, controller="c")
    return told(Run(plan=plan, started="2026-11-29T10:00:00Z", controller="c", source="", answers=answers))


def told(run: Run) -> Documents:
    """As it is written and read again."""
    found: Documents = json.loads(json.dumps(documents(run)))
    return found


def written(directory: Path, found: Documents) -> Path:
    (directory / "evidence").mkdir(parents=True)
    for name, document in found.items():
        (directory / "evidence" / name).write_text(json.dumps(document))
    return directory


def test_directories_and_bundles_are_read_alike(tmp_path: Path) -> None:
    (run,) = read_runs(written(tmp_path / "one", files()))
    assert told(run) == files()
    (tmp_path / "kept").mkdir(mode=0o700)
    keep_runs(tmp_path / "kept" / "evidence", [run])
    (again,) = read_runs(tmp_path / "kept")
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(bundle({f"evidence/{run.plan.run}/{name}": json.dumps(each).encode() for name, each in files().items()}, 0))
    (unpacked,) = read_runs(packed)
    assert told(again) == told(unpacked) == files()
    clear_runs(tmp_path / "kept" / "evidence")
    assert list((tmp_path / "kept" / "evidence").iterdir()) == []


WRONG_PLANS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda plan: plan.update(run="../../etc"), "is no run of this collection"),
    (lambda plan: plan.update(run=7), "the plan.run is 7 where a str belongs"),
    (lambda plan: plan.update(started="\x1b[2J"), "which is no time"),
    (lambda plan: plan.update(entries=[]), "has 0 handshakes"),
    (lambda plan: plan["entries"][0].update(port=0), "has the port 0"),
    (lambda plan: plan["entries"][0].update(port=True), "port is True"),
    (lambda plan: plan["entries"][0].update(client="path"), "has a host without a usable name"),
    (lambda plan: plan["entries"][0].update(client="x" * 2000), "has a host without a usable name"),
    (lambda plan: plan["entries"][0].update(expect="maybe"), "expects 'maybe'"),
    (lambda plan: plan["entries"][0].update(timeout=float("inf")), "is not a finite number"),
    (lambda plan: plan["entries"][0].update(via="web1"), "via is 'web1'"),
    (lambda plan: plan.update(groups=[1]), "groups is a list"),
]


@pytest.mark.parametrize(("spoil", "sentence"), WRONG_PLANS)
def test_a_plan_that_no_run_writes_is_refused(tmp_path: Path, spoil: Callable[[dict[str, Any]], object], sentence: str) -> None:
    found = files()
    spoil(found["plan.json"])
    with pytest.raises(EvidenceError, match=sentence.replace("[", r"\[")):
        read_runs(written(tmp_path / "one", found))


WRONG_ANSWERS: list[dict[str, Any]] = [
    {"run": "other"},
    {"host": "web2"},
    {"phase": "try"},
    {"seconds": -1},
    {"at": 1e300},
    {"at": "now"},
    {"failure": "no"},
    {"failure": {"message": "no"}},
    {"evidence": None},
    {"evidence": [1]},
]


@pytest.mark.parametrize("spoilt", WRONG_ANSWERS, ids=json.dumps)
def test_an_answer_that_is_malformed_costs_that_part_only(tmp_path: Path, spoilt: dict[str, Any]) -> None:
    found = files()
    found["db1.close.json"].update(spoilt)
    (run,) = read_runs(written(tmp_path / "one", found))
    assert run.answers["db1"]["close"]["failure"]["kind"] == "malformed"
    assert run.answers["db1"]["close"]["evidence"] is None
    assert run.answers["db1"]["open"]["failure"] is None


def test_what_a_host_returned_beside_its_failure_and_captures_are_read(tmp_path: Path) -> None:
    """As of a host without Python, which the shell and sshd observe."""
    found = files()
    failure = {"kind": "python", "message": "observed by SSH alone"}
    found["db1.close.json"].update(failure=failure)
    found["db1.capture.json"] = {**found["db1.close.json"], "phase": "capture", "failure": None}
    (run,) = read_runs(written(tmp_path / "one", found))
    assert run.answers["db1"]["close"]["failure"] == failure
    assert run.answers["db1"]["close"]["evidence"] == run.answers["db1"]["capture"]["evidence"] == files()["db1.close.json"]["evidence"]


def test_what_is_too_much_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = files()
    found["db1.close.json"]["evidence"] = [[]] * 400_000
    (run,) = read_runs(written(tmp_path / "one", found))
    assert "values" in run.answers["db1"]["close"]["failure"]["message"]
    monkeypatch.setattr(run_sources, "MOST_BYTES", 1000)
    with pytest.raises((EvidenceError, OSError), match=r"more than 100000 files or 1000 bytes|larger than"):
        read_runs(tmp_path / "one")


def test_links_and_other_members_are_passed_over(tmp_path: Path) -> None:
    packed = tmp_path / "x.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for name, kind in (("evidence/r/plan.json", tarfile.SYMTYPE), ("../evidence/r/plan.json", tarfile.REGTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member, io.BytesIO(b""))
    with pytest.raises(EvidenceError, match="has no evidence of a run"):
        read_runs(packed)
    packed.write_bytes(b"no archive")
    with pytest.raises(EvidenceError, match="is no bundle of this collection"):
        read_runs(packed)
    directory = written(tmp_path / "one", files())
    (directory / "evidence" / "db1.close.json").unlink()
    (directory / "evidence" / "db1.close.json").symlink_to("/etc/passwd")
    with pytest.raises(OSError):
        read_runs(directory)
