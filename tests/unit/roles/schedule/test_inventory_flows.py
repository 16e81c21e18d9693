# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flows of a job's inventory: of all its hosts, evaluated, also where files of variables are encrypted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[4]
ROLE = CHECKOUT / "roles" / "schedule"
PROGRAMS = Path(sys.executable).parent
WEB = {"clients": "web", "servers": "db", "port": 5432}
VAULTED = {"clients": "web", "servers": "db", "port": 6432}
DB = {"clients": "db", "servers": "web", "port": 80}
FILES = {
    "inventory/hosts.yml": {
        "all": {
            "hosts": {"control": {"ansible_connection": "local"}},
            "children": {"web": {"hosts": {"web1": {}}}, "db": {"hosts": {"db1": {"handshake_flows": [DB]}}}},
        }
    },
    "inventory/group_vars/all/main.yml": {"handshake_flows": "{{ usual_flows }}", "usual_flows": [WEB]},
    "inventory/group_vars/all/vault.yml": {"vaulted_port": 6432},
    "inventory/group_vars/web/main.yml": {"handshake_flows": [{**VAULTED, "port": "{{ vaulted_port }}"}]},
    "play.yml": [
        {
            "name": "Write down what the role makes of its variables",
            "hosts": "{{ where | default('localhost') }}",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "vars_files": [f"{ROLE}/defaults/main.yml", f"{ROLE}/vars/main.yml"],
            "tasks": [
                {
                    "ansible.builtin.copy": {
                        "content": "{{ [__schedule_rules_present | rejectattr('holds') | map(attribute='otherwise') | list,"
                        " __schedule_inventory_flows, __schedule_given_flows] | to_json }}",
                        "dest": "{{ playbook_dir }}/found.json",
                    }
                }
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("schedule")
    for name, content in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (directory / "password").write_text("a password")
    encrypted = directory / "inventory/group_vars/all/vault.yml"
    subprocess.run([PROGRAMS / "ansible-vault", "encrypt", "--vault-password-file", directory / "password", encrypted], check=True)
    return directory


def made_of(place: Path, *arguments: object) -> tuple[Any, str]:
    """What the role makes of its variables, None where it refuses them; and what was said."""
    (place / "found.json").unlink(missing_ok=True)
    done = subprocess.run(
        [PROGRAMS / "ansible-playbook", place / "play.yml", "-e", f"schedule_inventory={place}/inventory/hosts.yml", *map(str, arguments)],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build/collections"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    found = place / "found.json"
    said = " ".join(f"{done.stdout} {done.stderr}".split())  # older releases of ansible-core wrap it
    return json.loads(found.read_text()) if found.exists() else None, said


def test_flows_of_all_hosts_are_those_of_the_job(place: Path) -> None:
    """The control host is one of the inventory: what it has in its variables does not replace what others have in theirs."""
    known = "--vault-password-file", place / "password"
    found, said = made_of(place, *known, "-i", f"{place}/inventory/hosts.yml", "-e", "where=control")
    assert found, said
    assert found[0] == [] and found[2] == []
    assert all([flow] in found[1] for flow in (WEB, VAULTED, DB)) and len(found[1]) == 3
    other = {**WEB, "port": 1}
    found, said = made_of(place, *known, "-e", json.dumps({"handshake_flows": [other]}))
    assert found and found[0] == [] and found[2] == [other], said


def test_an_inventory_that_cannot_be_read_is_not_one_without_flows(place: Path) -> None:
    found, said = made_of(place)
    assert found is None
    assert "The inventory" in said and "cannot be read: Attempting to decrypt but no vault secrets found" in said
    found, said = made_of(place, "-e", json.dumps({"handshake_flows": [WEB]}))
    assert found and found[0] == [] and found[2] == [WEB], said
    assert "cannot be read" in said
