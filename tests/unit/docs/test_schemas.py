# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schemas in docs/schema are what shapes.py says, and what is written is as they say: no name more, none less."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.groups import isolated
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.policy import Limits, Policy
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.run import Remediation
from ansible_collections.threeway.handshake.plugins.plugin_utils._report import document
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import news
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database
from tests import schemas
from tests.unit.plugins.plugin_utils._store.history import reports
from tests.unit.plugins.plugin_utils.recordings import recorded

DOCS = Path(__file__).parents[3] / "docs"
NAMES = sorted(path.stem for path in schemas.DIRECTORY.glob("*.json"))
OPEN = {"detail", "arguments", "errors", "clock", "packets"}
"""Fields of the report whose names are not those of the schema."""


def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("generate_schemas")


def sample() -> dict[str, Any]:
    """A report with something in each of its lists."""
    report = decide(*recorded("firewall_drop.server-input"), "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report
    (flow,) = report["flows"]
    report["isolated"] = isolated([flow, {**flow, "client": "web2", "status": "ok"}], {})
    report["changes"] = Remediation("r", {flow["causes"][0]["host"]: Policy()}, Limits()).finished(report)
    found: dict[str, Any] = json.loads(document.render(report))
    return found


def mappings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of all mappings whose names the schema lists."""
    if isinstance(value, dict):
        yield path
    for name, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if name not in OPEN or (name == "detail" and isinstance(each, list)):
            yield from mappings(each, (*path, name))


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_are_current(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = generator(monkeypatch)
    assert sorted(module.shapes.DOCUMENTS) == NAMES
    assert (schemas.DIRECTORY / f"{name}.json").read_text(encoding="utf-8") == module.render(name), "run `make docs`"
    Draft202012Validator.check_schema(json.loads(module.render(name)))


def test_a_name_that_the_schema_lacks_is_found_and_one_that_is_missing() -> None:
    report = sample()
    schemas.check("report", report)
    places = list(mappings(report))
    assert {"flows", "groups", "isolated", "changes", "timeline", "vantages", "fix", "steps"} <= {name for path in places for name in path}
    for path in places:
        more, less = deepcopy(report), deepcopy(report)
        at(more, path)["added"] = 1
        name = next(iter(at(less, path)))
        del at(less, path)[name]
        for changed in (more, less):
            with pytest.raises(schemas.Invalid):
                schemas.check("report", changed)


def test_who_validates_with_the_schemas_may_meet_new_names() -> None:
    open_one = Draft202012Validator(json.loads((schemas.DIRECTORY / "report.json").read_text(encoding="utf-8")))
    assert open_one.is_valid({**sample(), "added": 1})
    assert not open_one.is_valid({**sample(), "schema": "threeway.handshake/report/2"})


def test_a_plan_as_it_is_kept(tmp_path: Path) -> None:
    plan, _evidence = recorded("firewall_drop.router-syn")
    EvidenceFiles(str(tmp_path), plan.run).begin(plan, "2026-11-21T04:00:00Z")
    schemas.check("plan", json.loads((tmp_path / "evidence/plan.json").read_bytes()))


def test_what_is_posted(tmp_path: Path) -> None:
    where = str(tmp_path / "history.db")
    posted = []
    for number, status in enumerate(("broken", "undetermined", "ok", "degraded")):
        (run,) = [reports.report(number, reports.flow(status))]
        reports.record(where, run)
        with Database(where).writing() as connection:
            found = news.states(connection, "http://127.0.0.1/", run["run"])
            posted.append(news.document(connection, run["run"], run["finished"], "ctl1", found))
            news.remember(connection, "http://127.0.0.1/", found)
    assert [change["from"] for each in posted for change in each["changes"]] == [None, "broken", "undetermined", "ok"]
    for each in posted:
        schemas.check("changes", json.loads(json.dumps(each)))


def test_what_a_directory_holds(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/report.json").write_text(json.dumps(sample()))
    assert schemas.check_directory(tmp_path) == 1
    (tmp_path / "reports/report.json").write_text(json.dumps({**sample(), "added": 1}))
    with pytest.raises(schemas.Invalid, match="added"):
        schemas.check_directory(tmp_path)
