# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""diagnose_depth: full: rules without counters are proven by the kernel's own trace, and nothing of the trace stays on any host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults._fault import DB1, DB1_V6
from tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

SYN_ACK = "tcp flags & (syn|ack) == syn|ack"
PURE_ACK = "tcp flags & (syn|ack) == ack"
BUSY = "table inet busy { chain input { type filter hook input priority -1; policy accept; ct state established accept; }\n}"
DROP = "table inet test { chain input { type filter hook input priority 0; policy accept; tcp dport 5432 drop; }\n}"


def rules(fleet: Fleet) -> dict[str, str]:
    """Every host's ruleset, byte by byte."""
    return {host: fleet.run(host, ["nft", "list", "ruleset"]).stdout for host in fleet.hosts}


def declared(address: str = DB1, **more: Any) -> dict[str, Any]:
    return {"name": "flow", "clients": "web1", "servers": "db1", "address": address, "port": 5432, "timeout": 1.5, **more}


def arguments(fleet: Fleet, *flows: dict[str, Any], report: str = "report", **options: Any) -> list[str]:
    extra = {"handshake_flows": list(flows), "diagnose_report_dir": str(fleet.directory / report), "diagnose_patience": 0.0, **options}
    return ["threeway.handshake.diagnose", "--extra-vars", json.dumps(extra)]


def told(fleet: Fleet, report: str = "report") -> dict[str, Any]:
    document: dict[str, Any] = json.loads((fleet.directory / report / "report.json").read_text())
    return document


def diagnosed(fleet: Fleet, *flows: dict[str, Any], **options: Any) -> dict[str, Any]:
    fleet.playbook(*arguments(fleet, *(flows or [declared()]), **options))
    return told(fleet)


@contextmanager
def tables_made(fleet: Fleet, host: str) -> Iterator[list[str]]:
    """What `nft monitor` saw of new tables on a host, filled when the context ends."""
    seen: list[str] = []
    with fleet.popen(host, ["nft", "monitor", "new", "tables"]) as monitor:
        time.sleep(0.3)
        yield seen
        time.sleep(0.2)
        os.kill(monitor.pid, signal.SIGTERM)
        assert monitor.process.stdout is not None
        seen += monitor.process.stdout.read().splitlines()


def eventually(condition: Callable[[], object], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.2)


# host, hook, rule for a port, address that the client dials, code, leg, segment
STOPS = [
    ("db1", "input", "tcp dport {} drop", DB1, "firewall_drop", "syn", "server.firewall"),
    ("db1", "input", "tcp dport {} drop", DB1_V6, "firewall_drop", "syn", "server.firewall"),
    ("db1", "prerouting", "tcp dport {} drop", DB1, "firewall_drop", "syn", "server.firewall"),
    ("db1", "output", f"tcp sport {{}} {SYN_ACK} drop", DB1, "firewall_drop", "syn_ack", "server.firewall"),
    ("db1", "postrouting", f"tcp sport {{}} {SYN_ACK} drop", DB1, "firewall_drop", "syn_ack", "server.firewall"),
    ("db1", "input", f"tcp dport {{}} {PURE_ACK} drop", DB1, "firewall_drop", "ack", "server.firewall"),
    ("web1", "output", "tcp dport {} drop", DB1, "firewall_drop", "syn", "client.firewall"),
    ("web1", "input", "tcp sport {} drop", DB1, "firewall_drop", "syn_ack", "client.firewall"),
    ("web1", "output", f"tcp dport {{}} {PURE_ACK} drop", DB1, "firewall_drop", "ack", "client.firewall"),
    ("db1", "input", "tcp dport {} reject with tcp reset", DB1, "firewall_reject", "syn", "server.firewall"),
    ("db1", "input", "tcp dport {} reject", DB1, "firewall_reject", "syn", "server.firewall"),
    ("web1", "output", "tcp dport {} reject", DB1, "firewall_reject", "syn", "client.firewall"),
]


def test_rules_without_counters_are_proven() -> None:
    ports = range(5001, 5001 + len(STOPS))
    with Fleet() as fleet:
        for (host, hook, rule, *_expected), port in zip(STOPS, ports, strict=True):
            fleet.listen("db1", "::", port)
            stop = f'tcp dport 1 drop; {rule.format(port)} comment "{port}"'
            fleet.nft(host, f"table inet test{port} {{ chain c {{ type filter hook {hook} priority 0; policy accept; {stop}; }}\n}}")
        before = rules(fleet)
        flows = diagnosed(fleet, *(declared(stop[3], port=port) for stop, port in zip(STOPS, ports, strict=True)), diagnose_trace=True)[
            "flows"
        ]
        assert rules(fleet) == before
    for (host, _hook, _rule, _address, code, leg, segment), port, flow in zip(STOPS, ports, flows, strict=True):
        first = flow["causes"][0]
        assert (first["code"], flow["leg"], flow["segment"], first["host"]) == (code, leg, segment, host), flow
        assert first["certainty"] == "proven", flow
        assert first["detail"]["rule"]["handle"] == 3
        seen = [seen["observation"] for seen in first["evidence"] if seen["source"] == "kernel trace (nf_tables)"]
        assert len(seen) == 1 and seen[0].startswith(f"rule 3 of inet test{port} c stopped ")
        assert first["fix"]["rehearsed"] == {"result": "opens", "why": ""}, first["fix"]


def test_iptables_a_policy_and_a_host_on_the_way() -> None:
    with Fleet() as fleet:
        fleet.listen("db1", "::", 5432)
        fleet.run("db1", ["iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "5432", "-s", "10.0.1.11", "-j", "DROP"])
        fleet.nft("r1", "table ip6 f { chain forward { type filter hook forward priority 0; policy drop; tcp dport 22 accept; }\n}")
        report = diagnosed(fleet, declared(via=["r1"]), declared(DB1_V6, via=["r1"], name="six"), diagnose_trace=True)
        dropped, six = report["flows"]
        assert (dropped["causes"][0]["code"], dropped["causes"][0]["certainty"]) == ("firewall_drop", "proven"), dropped
        assert (six["causes"][0]["host"], six["causes"][0]["certainty"]) == ("r1", "proven"), six
        assert any("the policy of ip6 f forward" in seen["observation"] for seen in six["causes"][0]["evidence"])
        assert "handshake_trace" not in json.dumps(rules(fleet))


def test_without_the_option_no_table_is_ever_made_nor_where_nothing_broke() -> None:
    with Fleet() as fleet:
        fleet.listen("db1", "10.0.2.21", 5432)
        fleet.nft("db1", "table inet test { chain input { type filter hook input priority 0; policy accept; tcp dport 5433 drop; }\n}")
        with tables_made(fleet, "db1") as broken, tables_made(fleet, "web1") as at_client:
            assert diagnosed(fleet, declared(port=5433))["flows"][0]["status"] == "broken"
        with tables_made(fleet, "db1") as healthy:
            assert diagnosed(fleet, declared(), diagnose_trace=True)["flows"][0]["status"] == "ok"
        with tables_made(fleet, "db1") as checked:
            fleet.playbook(*arguments(fleet, declared(port=5433), diagnose_trace=True), "--check")
        with tables_made(fleet, "db1") as traced:
            assert diagnosed(fleet, declared(port=5433), diagnose_trace=True)["flows"][0]["causes"][0]["certainty"] == "proven"
        assert (broken, at_client, healthy, checked) == ([], [], [], [])
        assert len(traced) == 1 and "create table inet handshake_trace_" in traced[0]


@pytest.mark.slow
def test_two_diagnoses_at_once() -> None:
    with Fleet() as fleet:
        fleet.listen("db1", "10.0.2.21", 5432)
        fleet.nft("db1", DROP)
        before = rules(fleet)
        started = [play(fleet, arguments(fleet, declared(), report=name, diagnose_trace=True)) for name in ("one", "two")]
        for process in started:
            output, _errors = process.communicate(timeout=120)
            assert process.returncode == 0, output
        assert rules(fleet) == before
        for name in ("one", "two"):
            (cause,) = told(fleet, name)["flows"][0]["causes"][:1]
            assert (cause["code"], cause["certainty"], cause["detail"]["rule"]["handle"]) == ("firewall_drop", "proven", 2)


def test_legacy_iptables_is_not_traced_and_the_report_says_so() -> None:
    with Fleet() as fleet:
        fleet.listen("db1", "10.0.2.21", 5432)
        fleet.nft("db1", BUSY)
        fleet.run("db1", ["iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "5432", "-j", "DROP"])
        flow = diagnosed(fleet, diagnose_trace=True)["flows"][0]
        assert flow["causes"][0]["code"] == "firewall_drop"
        assert any("db1: trace of legacy iptables:" in line for line in flow["not_observed"])


def play(fleet: Fleet, arguments: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ansible", "playbook", f"--inventory={fleet.inventory}", "--forks=6", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=fleet.directory, env=fleet.environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=lambda end: end.name)
def test_when_the_controller_dies_the_table_goes_at_its_deadline(end: signal.Signals) -> None:
    with Fleet() as fleet:
        fleet.listen("db1", "10.0.2.21", 5432)
        fleet.nft("db1", DROP)
        before = rules(fleet)
        process = play(fleet, arguments(fleet, declared(timeout=3), diagnose_trace=True, diagnose_host_timeout=10))
        eventually(lambda: "handshake_trace" in rules(fleet)["db1"], 60)
        os.killpg(process.pid, end)
        process.communicate(timeout=30)
        order = json.loads(Path(fleet.directory, "report", "evidence", "db1.trace_order.json").read_text())
        eventually(lambda: rules(fleet) == before, order["trace_seconds"] + 10)
        assert "threeway-handshake" not in fleet.run("db1", ["ls", "/run"]).stdout
