# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three phases against the kernel, client and server in one network namespace, with and without the right to record."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import unpack
from ansible_collections.threeway.handshake.plugins.module_utils._work import vantage
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.evidence_page import fields, shapes

UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
NO_RAW = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]

pytestmark = pytest.mark.skipif(
    shutil.which("ip") is None or subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode != 0,
    reason="needs iproute2 and unprivileged user namespaces",
)

SCENE = """
import json, os, socket, subprocess, sys, time
from ansible_collections.threeway.handshake.plugins.module_utils._work import vantage
subprocess.run("mount -t tmpfs tmpfs /run; ip link set lo up", shell=True, check=True)
listener = socket.socket(); listener.bind(("127.0.0.1", 8080)); listener.listen()
order = {"run": "r", "host": "h", "phases": ["open", "try", "close"], "recorder_seconds": 30, "record": True, "patience": 0.2,
         "settle": 0.05, "hops": True, "ports": [8080, 8081], "addresses": ["127.0.0.1"], "units": {}, "pairs": [], "interest": None,
         "dials": [{"id": n, "address": address, "port": port, "timeout": 0.5, "source": None, "attempts": 2, "interval": 0.05}
                   for n, (address, port) in enumerate([("127.0.0.1", 8080), ("127.0.0.1", 8081), ("nosuch.invalid", 8080)])]}
def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
"""


def scene(code: str, *wrapper: str):
    root = next(Path(path) for path in sys.path if (Path(path) / "ansible_collections/threeway/handshake").exists())
    done = subprocess.run(
        [*UNSHARE, *wrapper, sys.executable, "-c", SCENE + code],
        check=False, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_three_phases():
    answer = scene("""
opened = vantage.open_(order, run)
tried = vantage.try_(order, run)
ports = [p["local_port"] for p in tried["probes"]]
closed = vantage.close({**order, "interest": {"isns": [], "ports": ports, "addresses": []}}, run, opened["recorder"]["handle"])
print(json.dumps([opened, tried, closed, os.path.exists("/run/threeway-handshake")]))
""")
    opened, tried, closed, left = answer
    assert not left
    assert {probe["outcome"] for probe in tried["probes"] if probe["dial"] == 0} == {"connected"}
    assert {probe["errno"] for probe in tried["probes"] if probe["dial"] == 1} == {"ECONNREFUSED"}
    assert tried["resolutions"][2]["error"].startswith("EAI_")
    assert tried["hops"] == []  # nothing was silent
    assert "logs" in tried["after"]  # some were refused
    assert "logs" not in closed["after"]  # nobody said so
    for snapshot in (opened["snapshot"], tried["before"], tried["after"], closed["after"]):
        assert snapshot["root"] is True
        assert "Tcp" in snapshot["counters"]
    assert tried["before"]["time"] < tried["probes"][0]["started"] < tried["after"]["time"]
    assert opened["snapshot"]["listeners"][0]["processes"][0]["pid"]
    assert {route["remote"] for route in tried["after"]["routes"]} == {"127.0.0.1"}
    for recording in (tried["recording"], closed["recording"]):
        packets = [decode(frame.data, frame.ethertype) for frame in unpack(recording["frames"])]
        syns = [packet.tcp.dport for packet in packets if packet.tcp.is_syn]
        assert sorted(syns) == [8080, 8080, 8081, 8081]


def test_logs_are_read_where_a_handshake_failed_and_nowhere_else():
    tried, closed, asked = scene("""
since = time.time()
order["dials"] = order["dials"][:1]
interest = {"isns": [], "ports": [], "addresses": [], "logs_since": None}
print(json.dumps([vantage.try_(order, run), *(vantage.close({**order, "interest": {**interest, "logs_since": each}}, run, None)
                                              for each in (None, since))]))
""")
    assert {probe["outcome"] for probe in tried["probes"]} == {"connected"}
    assert "logs" not in tried["after"]
    assert "logs" not in closed["after"]
    assert isinstance(asked["after"]["logs"], list)
    assert len(json.dumps(asked["after"]["logs"])) < 100_000


def test_what_is_told_is_what_the_page_shows():
    opened, tried, closed = scene("""
subprocess.run(["nft", "add table inet f; add chain inet f c { type filter hook input priority 0; }"], check=True)
opened = vantage.open_(order, run)
tried = vantage.try_(order, run)
print(json.dumps([opened, tried, vantage.close({**order, "interest": None}, run, opened["recorder"]["handle"])]))
""")
    told = {place for answer in (opened, tried, closed) for place in fields(answer)}
    page = shapes()
    parts = {
        "resolutions": [page["R"]],
        "probes": [page["P"]],
        "hops": [page["H"]],
        "hops_back": [page["H"]],
        "recording": page["F"],
        "absent": [page["A"]],
    }
    shown = set(
        fields(
            {**parts, **dict.fromkeys(("snapshot", "before", "after"), page["S"]), "recorder": {"handle": ""}, "temporary_listeners": None}
        )
    )
    assert told - shown == set()
    whole = {place.rpartition(".")[0] for place in told} - {"", ".snapshot", ".before", ".after"}  # parts of snapshots may be missing
    assert {place for place in shown - told if place.rpartition(".")[0] in whole and place.startswith(".snapshot")} == set()


def test_without_the_right_to_record_everything_else_is_there():
    opened, tried = scene("print(json.dumps([vantage.open_(order, run), vantage.try_(order, run)]))", *NO_RAW)
    assert opened["recorder"] is None
    assert opened["snapshot"]["listeners"]
    assert tried["recording"] is None
    assert len(tried["probes"]) == 4
    for answer in (opened, tried):
        assert [each["what"] for each in answer["absent"]].count("recording") == 1


def test_a_recorder_that_is_gone_does_not_cost_the_snapshot():
    answer = scene("print(json.dumps(vantage.close({**order, 'interest': None}, run, 'f' * 16)))")
    assert answer["recording"] is None
    assert answer["after"]["listeners"]
    assert "there is no recorder ffffffffffffffff" in next(each["why"] for each in answer["absent"] if each["what"] == "recording")


def test_a_collector_that_breaks_costs_its_own_part():
    answer = scene("print(json.dumps(vantage.open_({**order, 'ports': ['x']}, run)))")
    assert answer["recorder"] is None
    assert answer["absent"]


def test_only_destinations_without_any_answer_are_silent():
    from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import Dial, resolve

    resolved = resolve([Dial(0, "192.0.2.1", 80), Dial(1, "192.0.2.2", 80), Dial(2, "192.0.2.3", 80), Dial(3, "2001:db8::1", 80)])

    def probe(dial: int, address: str, **fields: object) -> dict[str, object]:
        return {"dial": dial, "address": address, "outcome": "timeout", "late_ms": None, "icmp": None, **fields}

    probes = [
        probe(0, "192.0.2.1"),
        probe(0, "192.0.2.1", late_ms=3500.0),
        probe(1, "192.0.2.2"),
        probe(1, "192.0.2.2"),
        probe(2, "192.0.2.3", outcome="connected"),
        probe(3, "2001:db8::1"),
    ]
    assert [destination.text for destination in vantage.silent(resolved, probes)] == ["192.0.2.2 port 80", "2001:db8::1 port 80"]
