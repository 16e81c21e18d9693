# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets that real programs made: what is said of packets is what the kernel did to them, by which rule, and whose rule it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RULESETS = Path(__file__).parent / "rulesets"
COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
# Which program the rules that stop packets belong to; podman leaves the policy of the chain forward to others.
MANAGERS = {
    "docker": {"docker"},
    "fail2ban": {"fail2ban"},
    "fail2ban-iptables": {"fail2ban"},
    "firewalld": {"firewalld"},
    "firewalld-iptables": {"firewalld"},
    "kube-proxy": {"kube-proxy"},
    "netavark": {"iptables"},
    "ufw": {"ufw"},
}
# Nobody can know how often it dialled before, nor which endpoint it gets.
UNKNOWN = {("ufw", "c1 10.0.1.1 2222"), ("kube-proxy", "c1 10.96.0.10 80")}


@pytest.fixture(scope="module", params=sorted(MANAGERS))
def ruleset(request: pytest.FixtureRequest) -> tuple[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """The name, and for each packet what the kernel and what firewall_info say."""
    name = request.param
    packets = json.loads((RULESETS / f"{name}.json").read_text())["packets"]
    environment = {"PYTHONPATH": str(COLLECTIONS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    command = [*UNSHARE, sys.executable, str(RULESETS / "evaluate.py"), name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["absent"] == []
    return name, list(zip(packets, answer["verdicts"]))


def test_the_verdict_is_the_kernels(ruleset: tuple[str, list[tuple[dict[str, Any], dict[str, Any]]]]) -> None:
    name, answers = ruleset
    differ = [
        (kernel["dial"], kernel["packet"], kernel["verdict"], told["verdict"], told["undecided_because"])
        for kernel, told in answers
        if told["verdict"] != kernel["verdict"] and not (told["verdict"] == "undecided" and (name, kernel["dial"]) in UNKNOWN)
    ]
    assert differ == []


def test_the_rule_is_the_kernels(ruleset: tuple[str, list[tuple[dict[str, Any], dict[str, Any]]]]) -> None:
    """Of NAT the kernel says that it accepts; what accepted before is not told then. Of packets that conntrack translates back the
    question does not tell where they really go: only what happens to them is compared."""
    differ = []
    for kernel, told in ruleset[1]:
        decided = kernel["rule"]
        if decided is None or decided["effect"] == "other" or told["verdict"] == "undecided":
            continue
        if kernel["packet"] != "syn" and told["direction"] != kernel["direction"]:
            continue
        place = {part: decided[part] for part in ("family", "table", "chain", "number")}
        rule = told["rule"] and {part: told["rule"][part] for part in place}
        if rule != place:
            differ.append((kernel["dial"], kernel["packet"], place, rule))
    assert differ == []


def test_interfaces_come_from_the_routes(ruleset: tuple[str, list[tuple[dict[str, Any], dict[str, Any]]]]) -> None:
    differ = [
        (kernel["dial"], kernel["packet"], kernel["interface"], told["interface"])
        for kernel, told in ruleset[1]
        if kernel["interface"] != told["interface"]
    ]
    assert differ == []


def test_the_rule_has_its_manager_and_a_change(ruleset: tuple[str, list[tuple[dict[str, Any], dict[str, Any]]]]) -> None:
    name, answers = ruleset
    stopped = [told for _kernel, told in answers if told["verdict"] in ("drop", "reject")]
    assert {told["rule"]["manager"] for told in stopped} == MANAGERS[name]
    assert [told["rule"] for told in stopped if told["change"] is None] == []
