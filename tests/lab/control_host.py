# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the systemd fleet that runs Ansible itself: the ansible-core of these tests and this collection, over SSH to the others.

with SystemdFleet(topology, binds=binds()) as fleet:
    inventory = equip(fleet, "ctl1")        # the other hosts, as ctl1 reaches them with KEY
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]

from ._machines import HERE
from .systemd_fleet import SystemdFleet

KEY = "/etc/ssh/control_key"
_LIBRARIES = "/opt/controller"
_COLLECTIONS = "/usr/share/ansible/collections/ansible_collections"
_LAUNCHER = f"""#!/bin/sh
PYTHONPATH={_LIBRARIES} PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 -m ansible playbook "$@"
"""


def missing() -> str | None:
    """Why no host can run this Ansible, or None."""
    if sys.version_info[:2] != (3, 11):
        return "the hosts have Python 3.11, and the libraries of these tests are for another one"
    return SystemdFleet.missing()


def binds() -> dict[str, str]:
    """What the hosts need to see of this machine: libraries, this collection, and those that it depends on."""
    checkout = HERE.parent.parent
    needed = {name: checkout / "build/collections/ansible_collections" / name for name in ("ansible/posix", "community/general")}
    collections = {"threeway/handshake": checkout, **needed}
    mounted = {os.path.realpath(directory): f"{_COLLECTIONS}/{name}" for name, directory in collections.items()}
    return {sysconfig.get_path("purelib"): _LIBRARIES, **mounted}


def equip(fleet: SystemdFleet, host: str) -> dict[str, Any]:
    """Give the host ansible-playbook (in /usr/bin) and a key that only root can read; return an inventory of the other hosts."""
    for path, text, mode in (
        ("/usr/bin/ansible-playbook", _LAUNCHER, "755"),
        (KEY, (fleet.directory / "key").read_text(), "600"),
        ("/etc/ssh/ssh_known_hosts", (fleet.directory / "known_hosts").read_text(), "644"),
    ):
        fleet.run(host, ["install", f"--mode={mode}", "/dev/null", path])
        fleet.write(host, path, text)
    return _without_secrets(yaml.safe_load(Path(fleet.inventory).read_text()), host)


def _without_secrets(inventory: dict[str, Any], host: str) -> dict[str, Any]:
    """The fleet's inventory as it is for a controller that has its key and its known hosts elsewhere."""
    kept: dict[str, Any] = {}
    for name, content in inventory.items():
        if name in ("ansible_ssh_private_key_file", "ansible_ssh_common_args", host):
            continue
        kept[name] = _without_secrets(content, host) if isinstance(content, dict) else content
    return kept
