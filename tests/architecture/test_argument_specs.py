# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option is the same wherever it is specified: documentation, module, action, role."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.threeway.handshake.plugins.action.plan import HOW
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.host_module import HostModuleAction
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.options import Options

ROOT = Path(__file__).parents[2]
PLUGINS = "ansible_collections.threeway.handshake.plugins"
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())

PASSED_TO = {
    "diagnose": ("plan", "vantage", "plan_trace", "conclude"),
    "drift": ("plan", "vantage", "drift"),
    "remediate": ("plan", "plan_fixes", "mend", "judge_fixes", "conclude"),
    "schedule": ("plan", "conclude"),
}
"""The modules whose options a role, or one that it applies, has with its prefix. The lab has none."""

NOT_PASSED = {
    ("remediate_settle", "plan"): "between a change and its handshakes, not after a handshake",
    ("schedule_keep", "conclude"): "how many reports, not whose packets",
    ("schedule_interval", "plan"): "between runs, not between attempts",
    ("schedule_timeout", "plan"): "of a run, not of an application",
    ("drift_host_timeout", "plan"): "for the one round trip of a drift, not for each of a diagnosis",
    ("diagnose_host_timeout", "vantage"): "in the plan; the task's own is for a diagnosis that somebody waits for",
    ("drift_host_timeout", "vantage"): "in the work order; the task's own is for a diagnosis that somebody waits for",
    ("drift_expect", "drift"): "is read from each host's variables where the task has none",
}
"""Options that have a name in common with one of a module's, and are another."""


class Specified(Exception):
    """Instead of what would be done with arguments: how they are specified."""

    def __init__(self, keywords: dict[str, Any]) -> None:
        super().__init__()
        self.spec = keywords["argument_spec"]


def refuse(*_arguments: object, **keywords: Any) -> None:
    raise Specified(keywords)


def plain(options: dict[str, Any], inner: str) -> dict[str, Any]:
    """What documentation, or a specification, says of options, in the same words. ``inner``: its key for suboptions."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": option.get("required", False),
            "choices": option.get("choices"),
            "default": option.get("default"),
            "options": plain(option.get(inner) or {}, inner),
        }
        for name, option in options.items()
    }


@cache
def documented() -> dict[str, dict[str, Any]]:
    """By module, as ansible-doc prints it: with the doc fragments."""
    collections = next(path for path in sys.path if (Path(path) / "ansible_collections/threeway/handshake").exists())
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "doc", "-t", "module", "-j", *(f"threeway.handshake.{name}" for name in MODULES)],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(Path(collections).resolve()), "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    return {name.rpartition(".")[2]: plain(found["doc"]["options"], "suboptions") for name, found in json.loads(done.stdout).items()}


def of_module(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any] | None:
    """None for one that does nothing on a host."""
    module = importlib.import_module(f"{PLUGINS}.modules.{name}")
    if not hasattr(module, "main"):
        return None
    monkeypatch.setattr(module, "AnsibleModule", refuse)
    with pytest.raises(Specified) as found:
        module.main()
    if name == "path_info":  # whose destinations are mappings or texts, so that it checks them itself
        found.value.spec["destinations"]["options"] = module.DESTINATION
    return found.value.spec


def of_action(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any] | None:
    """None for one that does nothing on the controller."""
    action = importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule
    if issubclass(action, HostModuleAction):
        return None
    monkeypatch.setattr(action, "validate_argument_spec", refuse)
    with pytest.raises(Specified) as found:
        object.__new__(action).answer({}, {})
    return found.value.spec


@cache
def of_role(name: str) -> dict[str, Any]:
    specs = yaml.safe_load((ROOT / "roles" / name / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    return {option: spec for entry in specs.values() for option, spec in entry["options"].items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_s_options_are_documented_as_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, action, told = of_module(name, monkeypatch), of_action(name, monkeypatch), documented()[name]
    assert module or action
    if module:
        assert plain(module, "options") == told
    if action:
        specified = plain(action, "options")
        if module:  # the action needs options that it does not pass on, and fills in others
            told = {option: {**told[option], "required": each["required"]} for option, each in specified.items()}
        assert specified == told


def test_who_plans_without_a_role_tries_as_the_role_does() -> None:
    assert {name: asdict(Options())[name] for name in HOW} == {name: documented()["plan"][name]["default"] for name in HOW}


@pytest.mark.parametrize("name", PASSED_TO)
def test_a_role_s_options_are_those_of_the_modules_that_it_passes_them_to(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    role, compared = of_role(name), 0
    for module in PASSED_TO[name]:
        spec = of_action(module, monkeypatch) or {}
        for option, there in plain(spec, "options").items():
            own = f"{name}_{option}"
            if own not in role or (own, module) in NOT_PASSED:
                continue
            here = plain(role, "options")[own]
            left = {"required"}  # a role has defaults for what its modules require
            if there["required"] or here["default"] is None or "{{" in str(here["default"]):
                left.add("default")
            assert {**here, **dict.fromkeys(left)} == {**there, **dict.fromkeys(left)}, f"{own} and {option} of {module}"
            assert role[own].get("no_log", False) == spec[option].get("no_log", False), f"{own} and {option} of {module}"
            compared += 1
    assert compared


def test_an_exception_is_one() -> None:
    for (own, module), why in NOT_PASSED.items():
        role, option = own.split("_", 1)
        here, there = plain(of_role(role), "options")[own], documented()[module][option]
        assert module in PASSED_TO[role] and why
        assert (here["type"], here["default"]) != (there["type"], there["default"]), f"{own} and {option} of {module} agree"


@pytest.mark.parametrize("name", ROLES)
def test_a_role_s_defaults_are_those_that_it_specifies(name: str) -> None:
    defaults = yaml.safe_load((ROOT / "roles" / name / "defaults/main.yml").read_text(encoding="utf-8"))
    role = of_role(name)
    assert defaults.keys() == role.keys()
    specified = {option: spec["default"] for option, spec in role.items() if "default" in spec}
    assert {option: defaults[option] for option in specified} == specified
