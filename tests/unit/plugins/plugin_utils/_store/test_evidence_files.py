# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run's files: private, safe for any inventory name, nothing of an earlier run."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Entry, Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._store import evidence_files
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError

ENTRY = Entry(flow="f", client="../web", server="db1", address="10.0.2.21", port=5432, dial=0, via=("r1",), timeout=3.0, source=None)
ORDER = {"run": "run", "host": "../web", "phases": ["try"]}
PLAN = Plan("run", (ENTRY,), {"../web": ORDER}, not_in_play=("db1",))
STARTED = "2026-11-21T04:00:00Z"


def test_a_run_begins_with_nothing_of_the_one_before(tmp_path):
    files = EvidenceFiles(str(tmp_path / "new" / "report"), "run")
    files.begin(PLAN, STARTED)
    files.keep("../web", "try", {"probes": []}, 1.234)
    files.keep_failure("db1", "open", "unreachable", "no route", 10.0)
    (files.directory / "notes.txt").write_text("mine")
    assert files.plan() == (Plan("run", (ENTRY,), {}, not_in_play=("db1",)), STARTED)
    assert files.order("../web") == ORDER
    assert files.order("db1") is None
    answers = {host: dict(phases) for host, phases in files.answers(PLAN).items()}
    for answer in (answers["../web"]["try"], answers["db1"]["open"]):
        assert answer.pop("controller") and answer.pop("at") > 1.7e9
    assert answers == {
        "../web": {"try": {"run": "run", "host": "../web", "phase": "try", "seconds": 1.23, "failure": None, "evidence": {"probes": []}}},
        "db1": {
            "open": {
                "run": "run",
                "host": "db1",
                "phase": "open",
                "seconds": 10.0,
                "failure": {"kind": "unreachable", "message": "no route"},
                "evidence": None,
            }
        },
        "r1": {},
    }
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(files.report_dir.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.directory.glob("*.json")} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]

    files.begin(PLAN, STARTED)
    assert files.answers(PLAN) == {"../web": {}, "db1": {}, "r1": {}}
    assert (files.directory / "notes.txt").exists()


def test_a_decision_counts_for_the_evidence_that_it_was_made_by(tmp_path):
    files = EvidenceFiles(str(tmp_path / "report"), "run")
    files.begin(PLAN, STARTED)
    files.keep("../web", "try", {"probes": []})
    made = files.digest(PLAN, "failing")

    files.keep_decided(made, {"flows": []})
    assert files.take_decided(files.digest(PLAN, "failing")) == {"flows": []}
    assert files.take_decided(made) is None  # it was taken

    files.keep_decided(made, {"flows": []})
    assert files.take_decided(files.digest(PLAN, "all")) is None

    files.keep_decided(made, {"flows": []})
    files.keep_failure("db1", "open", "unreachable", "no route")
    assert files.take_decided(files.digest(PLAN, "failing")) is None
    assert not (files.directory / "decided.json").exists()


def test_what_is_missing_is_known_by_phase(tmp_path):
    orders = {
        host: {"run": "run", "host": host, "phases": phases} for host, phases in {"a": ["try"], "b": ["open", "close"], "c": []}.items()
    }
    files = EvidenceFiles(str(tmp_path), "run")
    files.begin(Plan("run", (ENTRY,), orders), STARTED)
    assert files.missing() == {"a": ["try"], "b": ["open", "close"]}
    assert files.unasked() == [("a", "try"), ("b", "open")]
    files.keep("a", "try", {})
    files.keep_failure("b", "open", "unreachable", "no route")
    assert files.missing() == {"b": ["close"]}
    assert files.unasked() == []


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious.json").write_text("{}")
    (tmp_path / "evidence").symlink_to("elsewhere")
    with pytest.raises(NotADirectoryError, match="is a link to elsewhere"):
        EvidenceFiles(str(tmp_path), "run").begin(PLAN, STARTED)
    assert (tmp_path / "elsewhere" / "precious.json").exists()


def test_an_answer_is_json(tmp_path):
    files = EvidenceFiles(str(tmp_path), "run")
    files.begin(PLAN, STARTED)
    with pytest.raises(EvidenceError, match="the answer is not JSON"):
        files.keep("db1", "open", {"x": float("nan")})
    assert files.answer("db1", "open") is None


def test_broken_files_are_named(tmp_path):
    files = EvidenceFiles(str(tmp_path), "run")
    files.begin(PLAN, STARTED)
    (files.directory / "db1.open.json").write_text("{")
    with pytest.raises(EvidenceError, match=r"db1\.open\.json is not JSON"):
        files.answer("db1", "open")
    (files.directory / "db1.open.json").write_text("[]")
    with pytest.raises(EvidenceError, match=r"db1\.open\.json is not what this collection writes"):
        files.answer("db1", "open")


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_inventory_name_has_a_file_name_of_its_own(one, other):
    name = evidence_files._name(one, "open")
    assert "/" not in name
    assert name.isascii()
    assert len(name) < 250
    assert name not in (".", "..", "plan.json")
    assert (name == evidence_files._name(other, "open")) == (one == other)


def test_evidence_of_another_run_is_none(tmp_path):
    EvidenceFiles(str(tmp_path), "run").begin(PLAN, STARTED)
    other = EvidenceFiles(str(tmp_path), "other")
    other.keep("db1", "open", {})
    other.keep_dialled("../web", [{"dial": 0}])
    files = EvidenceFiles(str(tmp_path), "run")
    assert (files.answer("db1", "open"), files.dialled("../web")) == (None, [])
    assert other.order("../web") is None
    with pytest.raises(EvidenceError, match="is that of run run, and this task belongs to run other"):
        other.plan()
