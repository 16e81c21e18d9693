# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball, installed: the demo as an ordinary user with an empty home, however it ends; and the playbooks by their full names."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import installed, topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))
DEMO = "threeway.handshake.demo"
VISITORS = itertools.count(1_000_000 + 100 * os.getpid())  # user ids of nobody else, of other workers neither
PATIENCE = 20.0  # seconds for what ends with the demo to be gone, on a loaded machine


@pytest.fixture(scope="module")
def collections() -> Iterator[Path]:
    # Not a directory of pytest's: those are closed to other users.
    with tempfile.TemporaryDirectory(prefix="handshake-installed-") as place:
        Path(place).chmod(0o755)
        yield installed.install(Path(place))


class Visit:
    """An ordinary user with an empty home, who runs the demo there."""

    def __init__(self, collections: Path) -> None:
        self._user = next(VISITORS)
        self._place = Path(tempfile.mkdtemp(prefix="handshake-visitor-"))
        self._place.chmod(0o755)
        self.home, stage = self._place / "home", self._place / "stage"
        self.home.mkdir()
        stage.mkdir()
        os.chown(self.home, self._user, self._user)
        self._stage, self._environment = stage, installed.environment(collections, self.home)
        self._program: subprocess.Popen[str] | None = None

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._program is not None:
            self._program.kill()
            self._program.communicate()
        for process in installed.processes_of(self._user):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self._place)

    def start(self, *arguments: str, callback: str = "default") -> subprocess.Popen[str]:
        self._environment["ANSIBLE_STDOUT_CALLBACK"] = callback
        return self.run([sys.executable, "-m", "ansible", "playbook", DEMO, *arguments])

    def run(self, argv: list[str]) -> subprocess.Popen[str]:
        self._program = installed.as_visitor(self._user, self._stage, argv, self._environment)
        return self._program

    def leaves_nothing(self) -> None:
        """Fails unless all processes and the lab's directory are gone soon."""
        give_up = time.monotonic() + PATIENCE
        while (left := installed.processes_of(self._user)) and time.monotonic() < give_up:
            time.sleep(0.1)
        assert left == {}
        assert {path.name for path in self.home.iterdir()} <= {".ansible", "handshake-report"}
        assert not (self.home / ".ansible_async").exists()


@pytest.fixture
def visit(collections: Path) -> Iterator[Visit]:
    with Visit(collections) as visitor:
        yield visitor


@pytest.mark.root
def test_a_visit_does_not_touch_another_at_the_same_time(collections: Path) -> None:
    with Visit(collections) as one:
        program = one.run(["sh", "-c", "echo here; exec sleep 60"])
        assert program.stdout is not None and program.stdout.readline() == "here\n"
        with Visit(collections) as other:
            other.leaves_nothing()
        assert program.poll() is None
        program.kill()


def the_readme_s_picture(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "docs")
    return importlib.import_module("generate_picture")


@pytest.mark.root
class TestDemoOfAnOrdinaryUser:
    def test_it_ends_with_the_place_of_the_answer(self, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
        demo = visit.start(callback="threeway.handshake.answer")
        shown, _none = demo.communicate(timeout=300)
        assert demo.returncode == 0, shown
        report = visit.home / "handshake-report" / "report.html"
        assert report.is_file() and str(report) in shown.rstrip().splitlines()[-1]
        picture = the_readme_s_picture(monkeypatch)
        assert picture.masked(picture.excerpt(shown)) == picture.masked(picture.picture()), "run docs/generate_picture.py"
        visit.leaves_nothing()

    @pytest.mark.slow
    def test_a_failure_in_the_middle_leaves_nothing(self, visit: Visit) -> None:
        demo = visit.start("-e", "remediate_max_risk=enormous")
        shown, _none = demo.communicate(timeout=300)
        assert demo.returncode != 0 and "enormous" in shown, shown
        visit.leaves_nothing()

    @pytest.mark.parametrize(
        "number", [*(pytest.param(end, marks=pytest.mark.slow) for end in (signal.SIGINT, signal.SIGTERM)), signal.SIGKILL]
    )
    def test_an_end_at_any_time_leaves_nothing(self, number: signal.Signals, visit: Visit) -> None:
        demo = visit.start()
        assert demo.stdout is not None
        for line in demo.stdout:  # until the lab is up and runs something
            if line.startswith("TASK [Close the firewall]"):
                break
        assert (visit.home / "handshake-demo").is_dir()
        for _try in range(20):  # Python loses an interrupt that comes while it calls certain hooks, and a person tries again
            demo.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                demo.communicate(timeout=3)
                break
        visit.leaves_nothing()


class InstalledFleet(Fleet):
    """A rootless fleet whose playbooks come from the installed collection."""

    def __init__(self, collections: Path) -> None:
        super().__init__(topologies.three_hosts())
        self._collections = collections

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "ANSIBLE_COLLECTIONS_PATH": str(self._collections)}


@pytest.mark.slow
def test_playbooks_by_their_full_names(collections: Path) -> None:
    with InstalledFleet(collections) as fleet, fleet.listen("db1", "::", 5432):

        def play(book: str, *arguments: str) -> None:
            question = ["handshake_client=web1", "handshake_server=db1", "handshake_port=5432"]
            fleet.playbook(f"threeway.handshake.{book}", *(f"-e{each}" for each in question), *arguments)

        def report(name: str) -> Any:
            return json.loads((fleet.directory / name).read_text())

        play("baseline")
        fleet.nft("db1", "table inet f { chain i { type filter hook input priority 0; tcp dport 5432 counter drop; }; }")
        play("diagnose")
        (flow,) = report("handshake-report/report.json")["flows"]
        assert (flow["causes"][0]["code"], flow["causes"][0]["certainty"]) == ("firewall_drop", "proven")
        play("drift")
        assert {each["kind"] for host in report("handshake-drift/drift.json")["hosts"] for each in host["drifts"]} >= {"firewall"}
        play("remediate", "-eremediate_apply=true")
        assert [change["outcome"] for change in report("handshake-report/report.json")["changes"]] == ["kept"]
        assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"
