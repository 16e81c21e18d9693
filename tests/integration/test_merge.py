# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two slices of one fleet at the same time, each with one end of the handshakes: merged, they say what one run would say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

QUICK = {"diagnose_attempts": 1, "diagnose_patience": 0.0, "diagnose_hops": False, "diagnose_depth": "quick", "diagnose_overlap": 6}
FLOWS = [
    {"name": "orders", "clients": "web1", "servers": "db1", "address": "10.0.2.21", "port": 5432, "timeout": 1.2},
    {"name": "shop", "clients": "web1", "servers": "db1", "address": "10.0.2.21", "port": 8080, "timeout": 1.2},
    {"name": "back", "clients": "db1", "servers": "web1", "address": "10.0.1.11", "port": 7000, "timeout": 1.2},
]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.three_hosts()) as running:
        running.listen("db1", "::", 5432)
        running.nft("db1", "table inet shop { chain input { type filter hook input priority 0; tcp dport 8080 counter drop; }; }")
        yield running


def options(report_dir: Path, **more: Any) -> str:
    return f"--extra-vars={json.dumps({'handshake_flows': FLOWS, 'diagnose_report_dir': str(report_dir), **QUICK, **more})}"


def merge(fleet: Fleet, directory: Path, *sources: Path, check: bool = True) -> Any:
    told = {"merge_reports": list(map(str, sources)), "diagnose_report_dir": str(directory)}
    return fleet.playbook("threeway.handshake.merge", f"--extra-vars={json.dumps(told)}", check=check)


def decided(directory: Path) -> dict[str, tuple[Any, ...]]:
    """By flow: the status, and the decisive cause."""
    flows = json.loads((directory / "report.json").read_text())["flows"]
    causes = {flow["name"]: next(iter(flow["causes"]), {}) for flow in flows}
    return {flow["name"]: (flow["status"], *(causes[flow["name"]].get(name) for name in ("code", "host", "certainty"))) for flow in flows}


def flat(text: str) -> str:
    return re.sub(r"[\s│┃]+", " ", text)


@pytest.fixture(scope="module")
def slices(fleet: Fleet) -> tuple[Path, Path]:
    """By ansible-runner, as AWX runs it: each slice has a private data directory, and the report is where docs/awx.md says."""
    runs = {limit: _runner(fleet, limit) for limit in ("web1", "db1")}
    said = {limit: run.communicate(timeout=300)[0] for limit, run in runs.items()}
    assert {run.returncode for run in runs.values()} == {0}, said
    sentence = "Of 3 handshakes, 1 have a client and 2 a server that this play does not reach"
    assert sentence in flat(said["web1"]), said["web1"]
    clients, servers = (fleet.directory / f"runner-{limit}/project/slice" for limit in runs)
    return clients, servers


def _runner(fleet: Fleet, limit: str) -> subprocess.Popen[str]:
    private = fleet.directory / f"runner-{limit}"
    for name in ("env", "project"):
        (private / name).mkdir(parents=True)
    extra = {"handshake_flows": FLOWS, "diagnose_report_dir": "slice", **QUICK}
    (private / "env/extravars").write_text(json.dumps(extra))
    argv = ["run", str(private), "--playbook=threeway.handshake.diagnose", f"--inventory={fleet.inventory}", f"--limit={limit}"]
    environment = {**fleet.environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "ansible_runner", *argv]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_slices_are_decided_with_the_evidence_of_both_ends(fleet: Fleet, slices: tuple[Path, Path]) -> None:
    assert decided(slices[0])["shop"][3] != "proven"
    assert decided(slices[0])["back"][0] == "undetermined"
    merge(fleet, fleet.directory / "merged", *slices)
    found = decided(fleet.directory / "merged")
    assert found == {
        "orders": ("ok", None, None, None),
        "shop": ("broken", "firewall_drop", "db1", "proven"),
        "back": ("broken", "no_listener", "web1", "proven"),
    }
    report = json.loads((fleet.directory / "merged/report.json").read_text())
    assert report["unobserved"] == []
    runs = {each.name for each in (fleet.directory / "merged/evidence").iterdir() if each.is_dir()}
    assert runs == {json.loads((each / "report.json").read_text())["run"] for each in slices}
    merge(fleet, fleet.directory / "again", fleet.directory / "merged")  # what was merged is evidence like any other
    assert decided(fleet.directory / "again") == found


def test_a_bundle_is_decided_as_what_it_was_made_of(fleet: Fleet, slices: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    both, bundle = fleet.directory / "both", fleet.directory / "bundle.tar.gz"
    merge(fleet, both, *slices)
    told = {"diagnose_report_dir": str(both), "report_bundle": str(bundle)}
    environment = {**fleet.environment(), "ANSIBLE_STDOUT_CALLBACK": "threeway.handshake.answer"}
    with monkeypatch.context() as patched:
        patched.setattr(fleet, "environment", lambda: environment)
        done = fleet.playbook("threeway.handshake.report_bundle", f"--extra-vars={json.dumps(told)}")
    assert f"The bundle is {bundle}: look into its report.html before you share it." in flat(done.stdout)
    assert "decided otherwise" not in flat(done.stdout + done.stderr)
    assert bundle.stat().st_mode & 0o7777 == 0o600
    with tarfile.open(bundle) as archive:
        plain = [member for member in archive.getmembers() if member.name != "report.html"]  # the page itself has examples of names
        content = b"".join(file.read() for member in plain if (file := archive.extractfile(member))).decode()
    readable = re.sub(r'"frames": "[^"]*"', "", content)
    for secret in ("web1", "db1", "10.0.2.21", "10.0.1.11", "orders", str(fleet.directory)):
        assert not re.search(rf"\b{re.escape(secret)}\b", readable), secret
    merge(fleet, fleet.directory / "unpacked", bundle)
    verdicts = [sorted(decided(each).values(), key=str) for each in (both, fleet.directory / "unpacked")]
    without_hosts = [[(status, code, certainty) for status, code, _host, certainty in each] for each in verdicts]
    assert without_hosts[0] == without_hosts[1]
    assert ("broken", "firewall_drop", "proven") in without_hosts[1]


def test_a_slice_of_servers_alone_does_not_fail(fleet: Fleet) -> None:
    only = fleet.directory / "only"
    flows = {"handshake_flows": FLOWS[:2], "diagnose_overlap": 0.1}
    done = fleet.playbook("threeway.handshake.diagnose", options(only, **flows), "--limit=db1")
    assert "Of 2 handshakes, 2 have a client and 0 a server that this play does not reach" in flat(done.stdout + done.stderr)
    assert json.loads((only / "evidence/db1.close.json").read_text())["failure"] is None
    assert {flow[0] for flow in decided(only).values()} == {"undetermined"}


def test_what_cannot_be_merged_is_refused_with_a_sentence(fleet: Fleet, slices: tuple[Path, Path]) -> None:
    nothing, packed = fleet.directory / "nothing", fleet.directory / "packed.tar.gz"
    (nothing / "evidence").mkdir(parents=True)
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(slices[1] / "evidence", "../evidence/../../x")
    cases = {
        (nothing,): "has no evidence of a run",
        (fleet.directory,): f"{fleet.directory} has no directory evidence: give a report directory",
        (packed,): "has no evidence of a run",
        (slices[0], slices[0]): "both have the evidence of run",
        (fleet.directory / "refused",): "it is one of those to be merged",
    }
    for sources, sentence in cases.items():
        done = merge(fleet, fleet.directory / "refused", *sources, check=False)
        assert done.returncode != 0
        assert sentence in flat(done.stdout + done.stderr), done.stdout
    assert not (fleet.directory / "refused/report.json").exists()
