# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is supported is said once, in docs/requirements.md as well, and agrees with what ansible-core itself says."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import ansible_test
import pytest
import yaml
from ansible.release import __version__

from ansible_collections.threeway.handshake.plugins.plugin_utils._supported import CORES, older, oldest_python, refusal

CHECKOUT = Path(__file__).resolve().parents[4]
CONSTANTS = Path(ansible_test.__file__).parent / "_util" / "target" / "common" / "constants.py"


@pytest.mark.parametrize("core", ["2.14.18", "2.15.13", "2.9.27"])
def test_older_ones_are_refused(core):
    assert refusal(core) == f"threeway.handshake needs ansible-core 2.16 or later, and this is ansible-core {core}."


OLD = """
import sys
import ansible.release

ansible.release.__version__ = "2.14.18"
ours = "ansible_collections.threeway.handshake.plugins."
for action in sys.argv[1:]:
    try:
        __import__(ours + "action." + action)
    except Exception as error:
        print(type(error).__name__, error)
print([name for name in sys.modules if name.startswith(ours + "plugin_utils.")] == [ours + "plugin_utils._supported"])
"""


def test_every_action_is_refused_before_anything_is_imported_that_an_older_python_could_not_read():
    actions = sorted(path.stem for path in (CHECKOUT / "plugins" / "action").glob("*.py"))
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", OLD, *actions], env=environment, capture_output=True, text=True, check=False)
    assert len(actions) >= 18
    assert done.stdout.splitlines() == [f"AnsibleError {refusal('2.14.18')}"] * len(actions) + ["True"], done.stderr


@pytest.mark.parametrize("core", ["2.16.0", "2.19.14", "2.21.0rc1", "2.22.0.dev0", "3.0.0"])
def test_newer_ones_are_not(core):
    assert refusal(core) is None


def test_pythons_of_hosts():
    assert [oldest_python(core) for core in ("2.16.3", "2.18.0", "2.21.1", "2.30.0")] == ["3.7", "3.8", "3.9", "3.9"]
    assert [older(*pair) for pair in (("3.6", "3.7"), ("2.7", "3.7"), ("3.7", "3.7"), ("3.10", "3.9"))] == [True, True, False, False]


def test_the_page_of_requirements_shows_the_same():
    lines = (CHECKOUT / "docs/requirements.md").read_text(encoding="utf-8").splitlines()
    rows = [tuple(cell.strip().replace(" to ", "-") for cell in line.split("|")[1:-1]) for line in lines if line.startswith("| 2.")]
    assert rows == [(core, *pythons) for core, pythons in CORES.items()]


def test_the_collection_requires_the_same():
    requires = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    assert requires == f">={next(iter(CORES))}.0"


def test_a_schedule_asks_for_the_same():
    variables = yaml.safe_load((CHECKOUT / "roles" / "schedule" / "vars" / "main.yml").read_text(encoding="utf-8"))
    assert variables["__schedule_core"] == next(iter(CORES))


def test_ansible_core_says_the_same_of_itself():
    spec = importlib.util.spec_from_file_location("constants", CONSTANTS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    told = vars(module)
    controllers, targets = (pythons.split("-") for pythons in CORES[".".join(__version__.split(".")[:2])])
    assert [told["CONTROLLER_PYTHON_VERSIONS"][0], told["CONTROLLER_PYTHON_VERSIONS"][-1]] == controllers
    pythons = [*told["REMOTE_ONLY_PYTHON_VERSIONS"], *told["CONTROLLER_PYTHON_VERSIONS"]]
    assert targets[0] == next(python for python in pythons if not older(python, "3.7"))
    assert targets[1] == pythons[-1]
