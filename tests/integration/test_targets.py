# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every integration target, with the oldest and the newest Python that ansible-core takes on managed hosts.

A target is a role (tests/integration/targets/NAME) that runs modules on ``testhost`` and asserts what a user would see. It is root in
namespaces made for it, has a loopback interface and nothing else, and whatever it leaves behind is gone with the namespaces.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.release import __version__

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
# Others show these too: the lab itself, whose hosts are reached so, the guard's and the fixes' tests.
LEFT = ("guard", "netns_connection", "network_entry")
TARGETS = sorted(path.parent.parent.name for path in HERE.glob("targets/*/tasks/main.yml"))
NAMESPACES = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]


def combinations() -> list[object]:
    core = ".".join(__version__.split(".")[:2])
    listing = subprocess.run([CHECKOUT / "dev" / "interpreters", "targets", core], check=True, capture_output=True, text=True).stdout
    interpreters = [line.split(" ", 1) for line in listing.splitlines()]
    oldest = interpreters[0][0]
    return [
        pytest.param(target, python, id=f"{target}-python{version}", marks=[pytest.mark.slow] * (version != oldest or target in LEFT))
        for target in TARGETS
        for version, python in interpreters
    ]


@pytest.mark.parametrize(("target", "python"), combinations())
def test_target(target: str, python: str, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.ini"
    inventory.write_text(f"testhost ansible_connection=local ansible_python_interpreter={python}\n")
    playbook = [sys.executable, "-m", "ansible", "playbook", "-i", inventory, "-e", f"target={target}", HERE / "target.yml"]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build" / "collections"),
        "ANSIBLE_ROLES_PATH": str(HERE / "targets"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONPATH": str(CHECKOUT / "tests/lab/site"),  # the bytecode of modules is kept, which costs most of a call
    }
    play = subprocess.run(
        [*NAMESPACES, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *playbook],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert play.returncode == 0, play.stdout
    assert "testhost" in play.stdout.rpartition("PLAY RECAP")[2], f"no host took part:\n{play.stdout}"
