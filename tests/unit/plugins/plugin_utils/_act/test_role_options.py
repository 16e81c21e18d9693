# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose variables decide each option: the table, the roles that go by it, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.host_variables import Found
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.role_options import OptionError, RoleOptions
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.options import LIMITS, OPTIONS, Whose

ROOT = Path(__file__).parents[5]
ROLES = ROOT / "roles"
WHOSE = {option: whose for options in OPTIONS.values() for option, whose in options.items()}


def documents(role: str, part: str) -> Iterator[Any]:
    for path in sorted((ROLES / role / part).glob("*.yml")):
        yield yaml.safe_load(path.read_text())


class Variables:
    """Of hosts, as a mapping."""

    def __init__(self, hosts: dict[str, dict[str, Any]]) -> None:
        self.all = hosts
        self.facts: dict[str, list[str]] = {}
        self.play_hosts = list(hosts)

    def names(self, host: str) -> list[str]:
        return list(self.all[host])

    def claimed(self, host: str) -> list[str]:
        return self.facts.get(host, [])

    def of(self, host: str, name: str) -> Found | None:
        return Found(self.all[host][name], name) if name in self.all[host] else None


def options(**hosts: dict[str, Any]) -> RoleOptions:
    return RoleOptions(Variables(hosts), DataLoader())  # type: ignore[arg-type]


@pytest.mark.parametrize("role", OPTIONS)
def test_the_table_has_every_option_of_every_role(role: str) -> None:
    (specified,) = (document["argument_specs"] for document in documents(role, "meta") if "argument_specs" in document)
    wanted = {option for entry in specified.values() for option in entry["options"]}
    assert set(OPTIONS[role]) == wanted
    for option, spec in specified["main"]["options"].items():
        assert spec["type"] not in ("int", "float") or option in LIMITS, f"{option} has no range"


def test_the_contract_says_whose_each_is() -> None:
    rows = (ROOT / "docs/contract.md").read_text().split("### Whose variables decide")[1].split("## ")[0].splitlines()
    beginnings = {
        "| the host's own": Whose.HOST,
        "| the client's": Whose.CLIENT,
        "| those of all hosts": Whose.INVENTORY,
        "| one for the whole play": Whose.PLAY,
    }
    told = {
        option: whose
        for beginning, whose in beginnings.items()
        for row in rows
        if row.startswith(beginning)
        for option in re.findall(r"`(\w+)`", row.split("|")[2])
    }
    assert told == WHOSE


def tasks(several: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in several:
        inner = [each for part in ("block", "rescue", "always") for each in task.get(part, [])]
        yield from tasks(inner)
        yield task if not inner else {name: value for name, value in task.items() if name not in ("block", "rescue", "always")}


def test_a_task_that_runs_once_sees_no_option_of_its_first_host() -> None:
    """Nor a pause, which runs once by itself, nor a condition or a loop: they see what is one for the whole play only."""
    indirect = {name: str(value) for role in OPTIONS for document in documents(role, "vars") for name, value in (document or {}).items()}
    checked = 0
    for role in OPTIONS:
        for document in documents(role, "tasks"):
            for task in tasks(document):
                once = task.get("run_once") or "ansible.builtin.pause" in task
                seen = str(task if once else {name: task.get(name) for name in ("when", "loop", "run_once")})
                for _depth in range(3):
                    seen += "".join(value for name, value in indirect.items() if name in seen)
                wrong = [option for option in WHOSE if re.search(rf"\b{option}\b", seen) and WHOSE[option] is not Whose.PLAY]
                assert wrong == [], f"{role}, {task['name']}: {wrong}"
                checked += bool(once)
    assert checked > 8


@pytest.mark.parametrize(
    ("web1", "db1", "sentence"),
    [
        (
            {"diagnose_report_dir": "a"},
            {"diagnose_report_dir": "b"},
            "the hosts web1 ('a') and db1 ('b') differ: set it for all hosts alike",
        ),
        ({"diagnose_fail_on": "broken"}, {}, "diagnose_fail_on is one for the whole play, and the hosts web1 ('broken') and db1 ("),
        (
            {"diagnose_history": "secret"},
            {"diagnose_history": "hidden"},
            "diagnose_history is one for the whole play, and the hosts web1 and db1",
        ),
        ({"diagnose_client": "web1"}, {"diagnose_client": "web"}, "diagnose_client is one for the whole play"),
        ({"diagnose_webhook": "https://t@x"}, {}, "diagnose_webhook is one for the whole play, and the hosts web1 and db1 differ"),
        ({"remediate_max_hosts": 1}, {"remediate_max_hosts": "2"}, "and the hosts web1 (1) and db1 (2) differ"),
        ({"diagnose_fail_on": "brokn"}, {"diagnose_fail_on": "brokn"}, "diagnose_fail_on is 'brokn': give one of "),
        ({}, {"diagnose_record": "perhaps"}, "diagnose_record of host db1 is 'perhaps': give true or false."),
        ({"diagnose_attempts": 0}, {}, "diagnose_attempts of host web1 is 0: give a value from 1 to 1000."),
        ({"diagnose_attempts": True}, {}, "diagnose_attempts of host web1 is True: give a whole number."),
        ({"diagnose_patience": "nan"}, {}, "diagnose_patience of host web1 is nan: give a value from 0 to 60."),
        ({"diagnose_patience": "long"}, {}, "diagnose_patience of host web1 is 'long': give a number."),
        ({"diagnose_hops": None}, {}, "diagnose_hops of host web1 is None: give true or false."),
        ({"diagnose_report_dir": ""}, {"diagnose_report_dir": ""}, "diagnose_report_dir is '': give a directory on the controller."),
        (
            {"remediate_allow": ["firewal"]},
            {},
            "remediate_allow of host web1 has 'firewal', which is no kind of fix: give some of connection",
        ),
        ({"remediate_allow": {"a": 1}}, {}, "remediate_allow of host web1 is {'a': 1}: give a list."),
        ({"remediate_max_risk": "high"}, {}, "remediate_max_risk of host web1 is 'high': give one of low, disruptive."),
        ({"remediate_batch_hosts": 0}, {"remediate_batch_hosts": 0}, "remediate_batch_hosts is 0: give a value from 1 to 100000."),
        (
            {"diagnose_history": ["secret"]},
            {"diagnose_history": ["secret"]},
            "diagnose_history is not what it must be: give a text, or an empty one for none.",
        ),
        ({"diagnose_webhook": False}, {"diagnose_webhook": False}, "give a text, or an empty one for none."),
        ({"diagnose_fail_on": False}, {"diagnose_fail_on": False}, "diagnose_fail_on is False: give one of never, "),
        ({"diagnose_report_dir": ["a"]}, {"diagnose_report_dir": ["a"]}, "diagnose_report_dir is ['a']: give a path."),
        ({"diagnose_report_dir": {"a": 1}}, {"diagnose_report_dir": {"a": 1}}, "diagnose_report_dir is {'a': 1}: give a path."),
    ],
)
def test_what_cannot_be_is_a_sentence(web1: dict[str, Any], db1: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as error:
        options(web1=web1, db1=db1).check("diagnose", "remediate")
    assert sentence in str(error.value) and "secret" not in str(error.value) and "t@x" not in str(error.value)


def test_what_looks_like_an_option_and_is_none_is_told() -> None:
    found = options(web1={"diagnose_flows": [], "remediate_aply": True}, db1={"diagnose_fail_onn": "broken", "diagnose_targets": ["db"]})
    assert found.misspelt("diagnose", "remediate") == [
        "The variable 'remediate_aply' of host web1 is no option: did you mean remediate_apply?",
        "The variable 'diagnose_fail_onn' of host db1 is no option: did you mean diagnose_fail_on?",
    ]
    assert len(found.misspelt("diagnose")) == 1


def test_values_are_of_the_option_s_type_and_equal_ones_agree() -> None:
    found = options(
        web1={"diagnose_fail_on": "broken", "remediate_apply": "yes", "remediate_allow": "firewall,route", "diagnose_history_days": "7"},
        db1={"diagnose_fail_on": "broken", "remediate_apply": "{}", "diagnose_history_days": 7, "diagnose_history": None},
    )
    assert found.of("web1", "remediate_apply") is True and found.of("web1", "remediate_allow") == ["firewall", "route"]
    assert found.one("diagnose_fail_on") == "broken" and found.one("diagnose_history_days") == 7 and found.one("diagnose_history") == ""
    with pytest.raises(OptionError, match=r"remediate_apply of host db1 is '\{\}': give true or false"):
        found.check("remediate")


def test_facts_that_would_configure_the_whole_play_end_it_and_others_are_told_of() -> None:
    variables = Variables({"web1": {}, "db1": {}})
    several = RoleOptions(variables, DataLoader())  # type: ignore[arg-type]
    variables.facts["db1"] = ["remediate_apply", "handshake_flows", "diagnose_custom", "handshake_run"]
    several.check("diagnose", "remediate")
    (sentence,) = several.claimed()
    assert sentence.startswith("Host db1 says in its facts what 'handshake_flows', 'remediate_apply' is: that does not count")
    for name in ("diagnose_report_dir", "__diagnose_report_dir"):
        variables.facts["db1"] = [name]
        with pytest.raises(OptionError, match=f"^Host db1 says in its facts what '{name}' is, and Ansible would go by that"):
            several.check("diagnose")
