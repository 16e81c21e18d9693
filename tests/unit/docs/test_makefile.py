# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a target installs on a fresh machine: the demo and the tarball need ansible-core, the tests everything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def steps(target: str, directory: Path) -> str:
    """What make would run in a checkout in which nothing has been made yet."""
    for name in ("Makefile", "requirements.txt", "requirements-core.txt", "requirements-collections.txt", "constraints.txt"):
        shutil.copy(ROOT / name, directory)
    argv = ["make", "--dry-run", "--no-print-directory", f"PYTHON={sys.executable}", target]
    done = subprocess.run(argv, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("target", "requirements", "programs", "bundle"),
    [
        ("demo", ["requirements-core.txt"], ["venv", "demo"], False),
        ("build", ["requirements-core.txt"], ["venv"], False),
        ("unit", ["requirements.txt"], ["venv", "test"], True),
    ],
)
def test_what_a_target_installs(target: str, requirements: list[str], programs: list[str], bundle: bool, tmp_path: Path) -> None:
    told = steps(target, tmp_path)
    assert re.findall(r"pip.? install .* -r (\S+)", told) == requirements
    assert re.findall(r"dev/programs (\w+)", told) == programs
    assert ("dev/collections" in told) is bundle


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_what_makes_tests_slow_is_not_passed_on() -> None:
    argv = ["make", "--no-print-directory", f"PYTHON={sys.executable}", "--eval=shown: ; @env", "shown"]
    slow = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        argv, cwd=ROOT, env={**os.environ, **slow}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True
    )
    passed_on = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert "ANSIBLE_CONFIG" in passed_on and not slow.keys() & passed_on


def test_all_of_it_has_the_same_ansible_core() -> None:
    assert "-r requirements-core.txt\n" in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    core = (ROOT / "requirements-core.txt").read_text(encoding="utf-8")
    pins = [line for line in core.splitlines() if line and not line.startswith("#")]
    assert [pin.partition("==")[0] for pin in pins] == ["ansible-core"]
    assert f"\n{pins[0]}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
