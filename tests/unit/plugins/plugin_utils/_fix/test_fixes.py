# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes on recorded evidence: complete or for people, their arguments as the modules want them, and nothing in them that a host made up."""

from __future__ import annotations

import ast
import functools
import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.catalogue import FIXES
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.start import started
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.unit_records import Unit
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.lab._machines import collections_root
from tests.unit.plugins.plugin_utils.recordings import NAMES, RECORDED, kept, recorded, reported

FAULTS = [name for name in NAMES if not name.endswith("twin")]
KEYS = {"kind", "host", "summary", "risk", "commands", "why", "steps", "saves", "undo", "check", "simple", "packets", "rehearsed"}
SAVES = {"sysctls", "files", "units", "firewall", "routes", "neighbours"}
MODULES = ("ansible.posix.sysctl", "threeway.handshake.firewall_rule", "threeway.handshake.network_entry")
LOST_FOR_GOOD = ("connection", "conntrack")  # kinds whose steps nothing takes back, and that leave nothing to save
CHOSEN = ["table", "chain", "text", "file", "interface", "zone", "unit", "name", "command", "item", "summary", "commands", "mac", "prefix"]
HOSTILE = "{{ lookup('pipe', 'id') }}; $(id) `id`\n| 'x' \" "


def causes(path: Path, twist: Any = None, addresses: Any = None, **entry: Any) -> Iterator[dict[str, Any]]:
    """Of a recording, whose hosts tell otherwise (`twist`), whose inventory has other `addresses`, whose flow is another one (`entry`)."""
    name = path.name.removesuffix(".json.gz")
    plan = {**kept(name)["plan"], "entries": [{**each, **entry} for each in kept(name)["plan"]["entries"]]}
    if addresses is not None:
        plan["addresses"] = addresses
    _plan, evidence = recorded(name)
    if twist:
        evidence = {host: {phase: twist(answer) for phase, answer in phases.items()} for host, phases in evidence.items()}
    report = decide(Plan.from_json(plan), evidence, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report
    for flow in report["flows"]:
        yield from flow["causes"]


def fixes(path: Path, twist: Any = None, addresses: Any = None, **entry: Any) -> Iterator[dict[str, Any]]:
    return (cause["fix"] for cause in causes(path, twist, addresses, **entry) if cause["fix"])


@functools.cache
def options(module: str) -> dict[str, Any]:
    """The argument spec, as the module documents it: validate-modules holds the two together."""
    namespace, collection, name = module.split(".")
    file = collections_root() / "ansible_collections" / namespace / collection / "plugins" / "modules" / f"{name}.py"
    assert file.exists(), f"{module} is not installed: make setup"
    documented = yaml.safe_load(_documentation(file))["options"]
    known = ("type", "required", "choices", "elements", "default", "aliases")
    return {option: {key: value for key, value in about.items() if key in known} for option, about in documented.items()}


def _documentation(file: Path) -> str:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "DOCUMENTATION":
            return str(ast.literal_eval(node.value))
    raise AssertionError(f"{file} has no DOCUMENTATION")


@pytest.mark.parametrize("recording", FAULTS)
def test_a_fix_is_complete_or_for_people(recording: str) -> None:
    for cause in (cause for flow in reported(recording)["flows"] for cause in flow["causes"]):
        fix = cause["fix"]
        # A finding without a subject, or with another one than its fix is made of, has none. Of hosts that nobody manages little is known.
        assert fix or cause["code"] not in FIXES or cause["host"] == "path", cause
        if not fix:
            continue
        assert set(fix) == KEYS
        assert not any("GATEWAY" in command or "INTERFACE" in command or "  # " in command for command in fix["commands"]), fix
        assert (fix["risk"] == "advice") is (not fix["steps"]), fix
        if not fix["steps"]:
            continue
        assert fix["risk"] in ("low", "disruptive")
        assert fix["why"] and fix["check"], fix
        assert set(fix["saves"]) == SAVES
        assert any(fix["saves"].values()) is (fix["kind"] not in LOST_FOR_GOOD), fix
        assert fix["undo"] or fix["kind"] in (*LOST_FOR_GOOD, "neighbour"), fix
        assert list(fix["commands"]) == [step["command"] for step in fix["steps"]]
        # What a change of the firewall is to open is rehearsed, and nothing else is: each of these packets is of the flow's two ends.
        assert bool(fix["packets"]) is (fix["kind"] == "firewall"), fix
        assert len({frozenset((packet["source"], packet["destination"])) for packet in fix["packets"]}) < 2, fix
        for step in fix["steps"]:
            assert step["module"] in MODULES
            result = ArgumentSpecValidator(options(step["module"])).validate(json.loads(json.dumps(step["arguments"])))
            assert result.error_messages == []


def twisted(value: Any, name: str = "") -> Any:
    """Every text of a host's that is neither an address nor one that decides what the evidence is taken for."""
    if isinstance(value, dict):
        return {key: twisted(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [twisted(item, name) for item in value]
    chosen = isinstance(value, str) and name in CHOSEN and value != "lo" and not _is_address(value)
    return value + HOSTILE if chosen else value


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


@pytest.mark.parametrize("recording", FAULTS[::4])
def test_nothing_hostile_gets_into_a_step(recording: str) -> None:
    for fix in fixes(RECORDED / f"{recording}.json.gz", twisted):
        told = json.dumps([fix["steps"], fix["saves"], fix["undo"] if fix["steps"] else []])
        assert not re.search(r"\{\{|\$\(id|`|lookup", told), fix


@pytest.mark.parametrize("result", ["start-limit-hit", "trigger-limit-hit", "exit-code"])
def test_what_systemd_gave_up_is_not_just_started(result: str) -> None:
    fix = started(Host("db1"), Unit(port=7001, unit="orders.socket", how="socket", active="failed", result=result))
    assert bool(fix.steps) is (result == "exit-code")
    why = {"start-limit-hit": "too many starts (start-limit-hit)", "trigger-limit-hit": "too many connections"}
    assert why.get(result, "") in str(fix.summary)


WEB1, DB1 = ["10.0.1.11", "2001:db8:1::11"], ["10.0.2.21", "2001:db8:2::21"]


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("firewall_drop.server-input", "db1"),
        ("firewall_drop.ip6tables-nft.ipv6", "db1"),
        ("rp_filter_drop.server", "db1"),
        ("no_return_route.blackhole", "db1"),
        ("stale_connection", "db1"),
        ("stale_translation", "r1"),
        ("firewall_drop.router-iptables", "r1"),
    ],
)
def test_only_the_inventory_says_whose_an_address_is(name: str, host: str) -> None:
    """The same evidence, and an inventory that does not have the client's address, or has it in one of three ways."""
    path = RECORDED / f"{name}.json.gz"
    fix = next(fixes(path, addresses={"web1": ["192.0.2.11"], "db1": DB1}))
    assert fix["host"] == host and not fix["steps"] and fix["risk"] == "advice", fix
    assert "the inventory does not say that" in fix["summary"] and "is an address of web1 (it has: 192.0.2.11)" in fix["summary"]
    assert "declare it, as handshake_address: " in fix["summary"]
    for known in ({"web1": WEB1}, {"web1": ["10.0.0.0/16", "2001:db8::/32"]}):
        assert next(fixes(path, addresses={**known, "db1": DB1}))["steps"], known


def test_what_a_client_dials_is_what_is_opened() -> None:
    """A client may say that it dialled an address or a port that the flow does not name."""
    path = RECORDED / "firewall_drop.server-input.json.gz"
    assert next(fixes(path, port=22))["steps"] == []
    assert "the packet is for port 5432, and the flow names port 22" in next(fixes(path, port=22))["summary"]
    on_the_way = RECORDED / "firewall_drop.router-iptables.json.gz"
    fix = next(fixes(on_the_way, addresses={"web1": WEB1}, address="192.0.2.9"))
    assert fix["steps"] == [] and "is for 10.0.2.21, which neither the flow nor the inventory names" in fix["summary"]


@pytest.mark.parametrize(
    "addresses", [{"web1": WEB1, "db1": ["10.0.2.21", "192.0.2.21"]}, {"web1": WEB1}, {"db1": ["10.0.2.21", "192.0.2.21"]}]
)
def test_a_name_leads_to_the_data_address(addresses: Any) -> None:
    """Not to the address by which Ansible manages the server, which the kernel lists first."""

    def managed(answer: dict[str, Any]) -> dict[str, Any]:
        for snapshot in (answer["evidence"] or {}).values():
            if answer["host"] == "db1" and isinstance(snapshot, dict) and "addresses" in snapshot:
                snapshot["addresses"].insert(0, {"interface": "mgmt", "address": "192.0.2.21", "prefix": 24, "family": "ipv4", "flags": []})
        return answer

    fix = next(fixes(RECORDED / "name_resolution_failed.json.gz", managed, addresses))
    assert "/etc/hosts: 10.0.2.21 " in fix["summary"] and "192.0.2.21" not in fix["summary"]


@pytest.mark.parametrize("name", ["firewall_drop.server-input", "firewall_drop.iptables-legacy.port"])
@pytest.mark.parametrize(
    ("manager", "origin", "module"),
    [
        ("firewalld", {"zone": "public", "part": "deny"}, "ansible.posix.firewalld"),
        ("firewalld", {"zone": "public; reboot", "part": "deny"}, None),
        ("firewalld", {"policy": "inward", "zone": None, "part": "deny"}, None),
        ("ufw", {"number": 3, "file": "/etc/ufw/user.rules", "line": 12}, "community.general.ufw"),
        ("ufw", {"number": "3; reboot"}, "community.general.ufw"),
        ("docker", {"container": "172.17.0.2"}, None),
        ("nftables", {"file": "/etc/nftables.conf", "line": 9}, "threeway.handshake.firewall_rule"),
        ("iptables", {"file": "/etc/../root/x", "line": 9}, "threeway.handshake.firewall_rule"),
    ],
)
def test_the_manager_decides_the_module(name: str, manager: str, origin: dict[str, Any], module: str | None) -> None:
    def owned(answer: dict[str, Any]) -> dict[str, Any]:
        for snapshot in (answer["evidence"] or {}).values():
            for verdict in snapshot.get("firewall", {}).get("verdicts", []) if isinstance(snapshot, dict) else []:
                if verdict["rule"]:
                    verdict["rule"].update(manager=manager, origin=origin)
        return answer

    fix = next(fixes(RECORDED / f"{name}.json.gz", owned))
    assert [step["module"] for step in fix["steps"]] == ([module] if module else [])
    assert "reboot" not in json.dumps(fix["steps"]) and "root" not in json.dumps(fix["saves"])
    for step in fix["steps"]:
        assert ArgumentSpecValidator(options(step["module"])).validate(json.loads(json.dumps(step["arguments"]))).error_messages == []
    if module == "threeway.handshake.firewall_rule" and origin["file"] == "/etc/nftables.conf":
        assert fix["saves"]["files"] == ["/etc/nftables.conf"]
        assert "sed -i" in fix["commands"][0]


@pytest.mark.parametrize(
    ("state", "advised"),
    [
        ({"result": "exit-code", "status": 217}, "make the user that orders.service is to run as"),
        ({"result": "exit-code", "status": 203}, "see why the program of orders.service cannot be executed"),
        ({"result": "exit-code", "status": 226, "ran_s": 60.0}, "see which path or namespace orders.service cannot be given"),
        ({"result": "oom-kill", "ran_s": 86400.0}, "find out what took the memory"),
        ({"result": None, "load": "bad-setting", "active": "inactive"}, "see why systemd cannot load orders.service (bad-setting)"),
    ],
)
def test_what_a_start_does_not_cure_is_not_started(state: dict[str, Any], advised: str) -> None:
    told = {"active": "failed", "log": (Prose("orders: bind: Permission denied"),), **state}
    fix = started(Host("db1"), Unit(port=7001, unit="orders.service", how="unit", **told))
    assert fix.risk == "advice" and not fix.steps and f"{fix.summary}".startswith(advised)
    assert f"{fix.why}".startswith("orders: bind: Permission denied (orders.service is ")


def test_an_address_that_is_the_hosts_own_stays_where_packets_come_back_to_it() -> None:
    """A host that dials what is translated back to it, a hairpin, is told nothing that takes its address away."""
    path = RECORDED / "martian_source.json.gz"
    assert "remove 10.0.1.11 from lo of db1" in next(fixes(path))["summary"]
    told = next(fixes(path, addresses={"web1": WEB1, "db1": [*DB1, "10.0.1.11"]}))
    assert (told["host"], told["risk"]) == ("path", "advice")
    assert "translate their source as well" in told["summary"] and "remove" not in told["summary"]


@pytest.mark.parametrize(("taken", "own"), [([], 100), ([100], 101), ([100, 101, 254], 102), (range(100, 250), None)])
def test_a_table_of_its_own_is_one_that_no_rule_of_the_host_leads_to(taken: Any, own: int | None) -> None:
    def twist(answer: dict[str, Any]) -> dict[str, Any]:
        for part in ("snapshot", "before", "after"):
            if (answer.get("evidence") or {}).get(part):
                more = [{"family": "ipv4", "priority": 9, "table": table, "action": "lookup", "text": f"lookup {table}"} for table in taken]
                answer["evidence"][part]["rules"] += more
        return answer

    commands = next(fixes(RECORDED / "asymmetric_route.vpn.json.gz", twist))["commands"]
    assert [command.split()[-1] for command in commands] == ([str(own)] * 2 if own else [])


@pytest.mark.parametrize(("prefix", "typed"), [("10.0.2.0/24", True), ("0.0.0.0/0", False)])
def test_no_rule_for_everything_is_put_ahead_of_the_others(prefix: str, typed: bool) -> None:
    def twist(answer: dict[str, Any]) -> dict[str, Any]:
        for part in ("snapshot", "before", "after"):
            for route in (answer["evidence"].get(part) or {}).get("routes") or ():
                if route.get("sourceless"):
                    route["sourceless"]["prefix"] = prefix
        return answer

    fix = next(fixes(RECORDED / "path_drop.rule-for-source.json.gz", twist))
    assert f"past {prefix}" in fix["summary"]
    assert any(command.startswith("ip rule add to") for command in fix["commands"]) is typed


REFUSED = ["dead-port", "dead-port-iptables", "client-dead-port", "router-dead-port"]
CONNECTED = ["client-elsewhere", "router-elsewhere"]


@pytest.mark.parametrize(
    ("name", "refused"), [*((name, True) for name in REFUSED), ("client-elsewhere", False), ("router-elsewhere", False)]
)
def test_a_translation_is_taken_away_only_where_the_dialled_port_is_served(name: str, refused: bool) -> None:
    """Without a listener there, a port-forward that leads astray is all that the service has."""

    def served(addresses: list[str]) -> Any:
        def twist(answer: dict[str, Any]) -> dict[str, Any]:
            for part in ("snapshot", "before", "after") if answer["host"] == "db1" else ():
                if snapshot := answer["evidence"].get(part):
                    families = [(address, "ipv6" if ":" in address else "ipv4") for address in addresses]
                    snapshot["listeners"] = [{**one, "address": address, "family": family} for address, family in families]
            return answer

        return next(fixes(path, twist))

    path = RECORDED / f"nat_wrong_target.{name}.json.gz"
    one = next(
        listener
        for answer in kept("nat_wrong_target.dead-port")["evidence"]
        for listener in (answer["evidence"].get("after") or {}).get("listeners") or ()
    )
    for addresses, needless in (([], False), (["127.0.0.1"], False), (["10.0.2.21"], True), (["0.0.0.0"], True), (["::"], True)):
        fix = served(addresses)
        assert (bool(fix["commands"]), "take it away" in fix["summary"]) == (needless, needless)
        assert ("start what it leads to" in fix["summary"]) is refused
