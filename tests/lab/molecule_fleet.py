# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd fleet for Molecule: ctl1, web1 and db1 on one segment, from `up DIRECTORY` to `down DIRECTORY`.

DIRECTORY receives inventory.yml, for an Ansible in this machine's own namespaces, and hosts.yml, for one on ctl1.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]

from tests.lab import control_host, topologies
from tests.lab._machines import FABRIC
from tests.lab.systemd_fleet import SystemdFleet

PATIENCE = 180.0  # seconds for a tree to be made and hosts to boot


def main() -> None:
    what, directory = sys.argv[1], Path(sys.argv[2]).absolute()
    {"up": up, "hold": hold, "down": down}[what](directory)


def up(directory: Path) -> None:
    if reason := control_host.missing():
        raise SystemExit(f"There can be no fleet here: {reason}.")
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "log").open("w") as log:
        argv = [sys.executable, "-B", "-m", "tests.lab.molecule_fleet", "hold", str(directory)]
        holder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (directory / "pid").write_text(str(holder.pid))
    give_up = time.monotonic() + PATIENCE
    while not (directory / "inventory.yml").exists():
        if holder.poll() is not None or time.monotonic() > give_up:
            raise SystemExit(f"The fleet did not come up: {(directory / 'log').read_text()}")
        time.sleep(0.1)


def hold(directory: Path) -> None:
    """Keep the fleet until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    with SystemdFleet(topologies.one_segment("ctl1", "web1", "db1"), binds=control_host.binds()) as fleet:
        (directory / "hosts.yml").write_text(yaml.safe_dump(control_host.equip(fleet, "ctl1")))
        fleet.service("db1", "orders", 5432)
        ssh = directory / "ssh"
        ssh.write_text("#!/bin/sh\nexec " + " ".join([*fleet.enter(FABRIC), "ssh", '"$@"', "\n"]))
        ssh.chmod(0o755)
        inventory: dict[str, Any] = yaml.safe_load(fleet.inventory.read_text())
        inventory["all"].setdefault("vars", {}).update(
            ansible_ssh_executable=str(ssh), ansible_control_path_dir=str(fleet.directory / "cp"), ansible_ssh_transfer_method="piped"
        )
        draft = directory / "inventory.draft"
        draft.write_text(yaml.safe_dump(inventory))
        draft.rename(directory / "inventory.yml")
        while True:
            signal.pause()


def down(directory: Path) -> None:
    try:
        holder = int((directory / "pid").read_text())
        os.kill(holder, signal.SIGTERM)
        while Path(f"/proc/{holder}").exists():
            time.sleep(0.1)
    except (FileNotFoundError, ProcessLookupError):
        return
    (directory / "pid").unlink()


if __name__ == "__main__":
    main()
