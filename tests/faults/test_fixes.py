# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fix that a diagnosis proposes mends: break, diagnose, take its steps through Ansible, and the kernel's own connect() works."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.faults import catalogue  # noqa: F401  # pylint: disable=unused-import  # fills CATALOGUE
from tests.faults._advice import CONNECTED, OTHERWISE
from tests.faults._fault import CATALOGUE, Fault, Flow, clocks, diagnose, needs
from tests.faults._pack import Pack, packs
from tests.faults._recorded import stem
from tests.lab._machines import Machines
from tests.lab.fleet import Fleet
from tests.unit.plugins.plugin_utils.recordings import NAMES, reported

BROKEN = (fault for fault in CATALOGUE if not fault.systemd and fault.status == "broken")
FAULTS = {fault.name: fault for fault in BROKEN if ":" not in fault.flow.client}
# One for each kind of fix; that of nftables is taken by test_the_file_gets_the_rule_too, that of connections by test_remediate.py.
QUICK = (
    "firewall_drop/iptables-legacy/policy",
    "firewall_drop/router-iptables",
    "rp_filter_drop/client",
    "neighbour_wrong",
    "route_unreachable/ipv6",
)
MENDABLE = ("firewall_drop", "firewall_reject", "rp_filter_drop", "router_not_forwarding", "syn_backlog_reserved", "ttl_too_low")
MENDABLE += ("route_blackhole", "route_prohibit", "route_unreachable", "ecn_blackhole", "stale_translation", "synack_retries_too_low")
MENDABLE += ("neighbour_wrong", "syn_queue_full", "ephemeral_ports_exhausted", "stale_connection")
LEARNED_AGAIN = ("neighbour_wrong/proxy",)  # what the fix takes away comes back


REST = [name for name, fault in FAULTS.items() if fault.code in MENDABLE and name not in (*QUICK, *LEARNED_AGAIN)]


def cells(names: Iterable[str]) -> list[Pack]:
    """These faults with hosts of their own: several fixes may change the same host's rules, and each must mend by itself."""
    return packs(replace(FAULTS[name], packed="") for name in names)


PACKS = cells(REST)
PACKED = [fault.name for pack in PACKS for fault in pack.faults]
SINGLE = [
    *(pytest.param(name, marks=clocks(FAULTS[name])) for name in QUICK),
    *(pytest.param(name, marks=[pytest.mark.slow, *needs(FAULTS[name])]) for name in REST if name not in PACKED),
]


@pytest.mark.parametrize("name", SINGLE)
def test_the_fix_mends(name: str) -> None:
    fault = FAULTS[name]
    if is_advice(fault):
        pytest.skip("it is advice by its recorded evidence: test_faults types it")
    with Fleet(fault.topology()) as fleet:
        fault.make(fleet)
        mends(fleet, [fault], [fleet], diagnose(fleet, fault)["flows"])


@pytest.mark.slow
@pytest.mark.parametrize("pack", [pytest.param(pack, id=pack.name, marks=clocks(*pack.faults)) for pack in PACKS])
def test_the_fixes_mend(pack: Pack) -> None:
    """As `test_the_fix_mends` for several at once."""
    pack = replace(pack, faults=tuple(fault for fault in pack.faults if not is_advice(fault)))
    if not pack.faults:
        pytest.skip("all of them are advice by their recorded evidence: test_faults types it")
    with Fleet(pack.topology()) as fleet:
        views = pack.views(fleet)
        for fault, view in zip(pack.faults, views, strict=True):
            fault.make(view)
        mends(fleet, pack.faults, views, pack.reported(fleet, views))


def mends(fleet: Fleet, faults: Sequence[Fault], views: Sequence[Machines], flows: Sequence[dict[str, Any]]) -> None:
    """Each decisive cause's fix, taken, lets its flow through, and has nothing left to do."""
    fixes = [proposed(flow) for flow in flows]
    names = [fault.name for fault in faults]
    for arguments in (["--check"], []):
        assert [name for name, changed in zip(names, take_all(fleet, fixes, *arguments), strict=True) if not changed] == []
    for fault, view, fix in zip(faults, views, fixes, strict=True):
        assert connects(view, fault.flow) == OTHERWISE.get(fault.name, (CONNECTED,))[0], (fault.name, fix)
    assert [name for name, changed in zip(names, take_all(fleet, fixes), strict=True) if changed] == []


NFTABLES = """\
flush ruleset
table inet filter {
\tset blocked { type ipv4_addr; elements = { 10.0.1.0 } }
\tchain input {
\t\ttype filter hook input priority filter; policy %s;
\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
\t\t%s
\t}
}
"""
IPTABLES = "*filter\n:INPUT %s [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n%sCOMMIT\n"
BLOCKED = "tcp dport { 5000-6000 } counter drop  # of old"
# The file, its text, and how it is loaded at boot.
WRITTEN = {
    "nft-rule": ("/etc/nftables.conf", NFTABLES % ("accept", BLOCKED), ["nft", "-f"]),
    "nft-policy": ("/etc/nftables.conf", NFTABLES % ("drop", "ct state established accept"), ["nft", "-f"]),
    "iptables-nft": ("/etc/iptables/rules.v4", IPTABLES % ("ACCEPT", "-A INPUT -p tcp --dport 5432 -j DROP\n"), ["iptables-nft-restore"]),
    "iptables-legacy-policy": ("/etc/iptables/rules.v4", IPTABLES % ("DROP", ""), ["iptables-legacy-restore"]),
}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * kind.endswith("-policy")) for kind in WRITTEN])
def test_the_file_gets_the_rule_too(kind: str) -> None:
    """The next boot keeps the fix, and its undo leaves nothing of it."""
    file, text, load = WRITTEN[kind]
    fault = FAULTS["firewall_drop/server-input"]
    with Fleet() as fleet:
        fleet.listen("db1", "::", 5432)
        fleet.run("db1", ["mkdir", "-p", "/etc/iptables"])
        fleet.write("db1", file, text)
        fleet.run("db1", [*load, file])
        fix = proposed(diagnose(fleet, fault)["flows"][0])
        assert fix["saves"]["files"] == [file]
        assert take(fleet, fix, "--check") == 1
        assert fleet.run("db1", ["cat", file]).stdout == text
        assert take(fleet, fix) == 1
        fleet.run("db1", [*load, file])
        assert connects(fleet, fault.flow) == "connected", fleet.run("db1", ["cat", file]).stdout
        assert take(fleet, fix) == 0
        for command in fix["undo"]:
            fleet.run("db1", ["sh", "-c", command])
        assert fleet.run("db1", ["cat", file]).stdout == text
        assert connects(fleet, fault.flow) == "timeout"


@pytest.mark.slow
def test_the_advice_for_docker_lets_answers_through_as_well() -> None:
    """The policy that drops the SYN would drop the SYN-ACK: docker's own rule for answers is for its own bridges."""
    fault = FAULTS["firewall_drop/bridged-guest"]
    with Fleet(fault.topology()) as fleet:
        fault.make(fleet)
        fleet.run("db1", ["sh", "-ec", "iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; iptables -A DOCKER-USER -j RETURN"])
        fix = diagnose(fleet, fault)["flows"][0]["causes"][0]["fix"]
        assert "DOCKER-USER" in fix["summary"]
        for command in fix["commands"]:
            fleet.run("db1", ["sh", "-ec", command])
        assert connects(fleet, fault.flow) == "connected", fix


def connects(machines: Machines, flow: Flow) -> str:
    return machines.connect(flow.client, flow.address, flow.port, flow.timeout, source=flow.source)


def proposed(flow: dict[str, Any]) -> dict[str, Any]:
    """The fix of the decisive cause."""
    fix: dict[str, Any] = flow["causes"][0]["fix"]
    assert fix["steps"], flow["causes"][0]
    assert fix["risk"] in ("low", "disruptive")
    return fix


def is_advice(fault: Fault) -> bool:
    """Whether the fault's recorded evidence has a fix that people take."""
    if stem(fault) not in NAMES:
        return False
    fix = reported(stem(fault))["flows"][0]["causes"][0]["fix"]
    return not (fix and fix["steps"])


def take(fleet: Fleet, fix: dict[str, Any], *arguments: str) -> int:
    """Take the steps of a fix; returns how many of them changed something."""
    return take_all(fleet, [fix], *arguments)[0]


def take_all(fleet: Fleet, fixes: Sequence[dict[str, Any]], *arguments: str) -> list[int]:
    """The same of several, each for another host."""
    plays = [
        {
            "hosts": fix["host"],
            "gather_facts": False,
            "tasks": [{"name": step["command"], step["module"]: step["arguments"]} for step in fix["steps"]],
        }
        for fix in fixes
    ]
    path = fleet.directory / "fix.json"
    path.write_text(json.dumps(plays))
    done = fleet.playbook(str(path), "--diff", *arguments)
    recap = dict(re.findall(r"^(\S+)\s+: .*\bchanged=(\d+)", done.stdout, re.MULTILINE))
    assert len(recap) == len(fixes), done.stdout
    return [int(recap[fix["host"]]) for fix in fixes]
