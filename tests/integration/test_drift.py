# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Baseline and drift on the rootless lab: every kind of change is found, and a busy host that nobody changed is as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

FLOWS = [
    {"name": "orders", "clients": "web1", "servers": "db1", "port": 5432, "via": ["r1"]},
    {"name": "by-name", "clients": "web1", "servers": "db1", "address": "db.example.org", "port": 8080},
    {"name": "over-ipv6", "clients": "web1", "servers": "db1", "address": "2001:db8:2::21", "port": 8080, "via": ["r1"]},
]
RULES = """
flush ruleset
table inet filter {
    set recent { type ipv4_addr; flags timeout, dynamic; timeout 10s; }
    set blocked { type ipv4_addr; flags timeout, dynamic; }
    set allowed { type inet_service; elements = { 5432, 8080 } }
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related counter accept
        meta l4proto { icmp, ipv6-icmp } counter accept
        ip saddr @blocked drop
        tcp flags syn update @recent { ip saddr }
        tcp dport @allowed limit rate 10000/second quota until 1000 mbytes ct count 100000 counter
        tcp dport @allowed counter accept
    }
}
"""
# What each packet changes: counters, quotas, limits, lists of recent addresses.
IPTABLES = """
*filter
:FORWARD ACCEPT
-A FORWARD -m quota --quota 1000000000
-A FORWARD -m limit --limit 10000/s
-A FORWARD -m hashlimit --hashlimit-above 10000/s --hashlimit-mode srcip --hashlimit-name busy
-A FORWARD -p tcp --syn -m recent --set --name busy
-A FORWARD -p tcp --syn -m recent --update --seconds 30 --hitcount 6 --name busy -j LOG
-A FORWARD -p tcp --dport 5432 -j ACCEPT
COMMIT
"""
UNCHANGED = ["--extra-vars", '{"drift_fail_on": "any"}']


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.three_hosts()) as running:
        running.listen("db1", "::", 8080)
        running.write("web1", "/etc/hosts", NAMES)
        running.nft("db1", RULES)
        running.run("r1", ["iptables-restore"], input=IPTABLES)
        with running.listen("db1", "10.0.2.21", 5432):
            play(running, "baseline")
        yield running


@pytest.fixture
def listening(fleet: Fleet) -> Iterator[Fleet]:
    with fleet.listen("db1", "10.0.2.21", 5432):
        yield fleet


def play(fleet: Fleet, book: str, *arguments: str, check: bool = True) -> str:
    extra = json.dumps({"handshake_flows": FLOWS})
    done = fleet.playbook(f"threeway.handshake.{book}", "--extra-vars", extra, *arguments, check=check)
    return f"{done.stdout}{done.stderr}"


def drift(fleet: Fleet, *arguments: str) -> dict[str, Any]:
    play(fleet, "drift", *arguments, check=False)
    report: dict[str, Any] = json.loads((fleet.directory / "handshake-drift/drift.json").read_text())
    return report


def drifts(report: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(host["host"], each["kind"], each["name"]): each for host in report["hosts"] for each in host["drifts"]}


def baselines(fleet: Fleet) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (fleet.directory / "handshake-baseline").iterdir()}


def busy(fleet: Fleet) -> None:
    """Traffic, counters, connections, neighbours that were asked again, sets with elements that expire, sockets without number."""
    for host in fleet.hosts:
        fleet.run(host, ["ip", "neigh", "flush", "all"])
        fleet.run(host, ["ip", "link", "set", "lo", "up"])
    fleet.connects("web1", "10.0.2.21", 5432, 30, timeout=1.0)
    fleet.connects("web1", "2001:db8:2::21", 8080, 5, timeout=1.0)
    fleet.nft("db1", "add element inet filter blocked { 198.51.100.7 timeout 1h }")


@pytest.mark.slow
@pytest.mark.parametrize("runs", [1, 5])
def test_runs_on_a_busy_host_that_nobody_changed(listening: Fleet, runs: int) -> None:
    """Twice so many, and two baselines."""
    fleet = listening
    before = baselines(fleet)
    assert sorted(before) == ["db1.yml", "r1.yml", "web1.yml"]
    held = fleet.hold("web1", "10.0.2.21", 5432, 20)
    with held:
        busy(fleet)
        book = "\n".join("- import_playbook: threeway.handshake.drift" for _run in range(runs))
        (fleet.directory / "runs.yml").write_text(f"{book}\n- import_playbook: threeway.handshake.baseline\n")
        for _half in range(2):
            extra = json.dumps({"handshake_flows": FLOWS, "drift_fail_on": "any"})
            done = fleet.playbook("runs.yml", "--extra-vars", extra)
            assert done.stdout.count("3 hosts, 3 compared: no drift\n") == runs
            assert "changed=0" in done.stdout and "changed=1" not in done.stdout
            busy(fleet)
    assert baselines(fleet) == before


NAMES = "127.0.0.1 localhost\n10.0.2.21 db.example.org\n"
# host, what is done, what undoes it, and the name of the difference
CHANGES: list[tuple[str, str, str, tuple[str, str]]] = [
    (
        "db1",
        "sysctl -qw net.ipv4.tcp_syncookies=0",
        "sysctl -qw net.ipv4.tcp_syncookies=1",
        ("sysctl", "net.ipv4.tcp_syncookies"),
    ),
    (
        "db1",
        "sysctl -qw net.ipv4.conf.eth0.rp_filter=1",
        "sysctl -qw net.ipv4.conf.eth0.rp_filter=0",
        ("sysctl", "net.ipv4.conf.eth0.rp_filter"),
    ),
    (
        "r1",
        "sysctl -qw net.ipv6.conf.all.forwarding=0",
        "sysctl -qw net.ipv6.conf.all.forwarding=1",
        ("sysctl", "net.ipv6.conf.all.forwarding"),
    ),
    (
        "r1",
        "nft 'table ip t { chain f { type filter hook forward priority 0; tcp dport 5432 counter reject; }; }'",
        "nft delete table ip t",
        ("firewall", "syn forward 10.0.1.11 -> 10.0.2.21:5432"),
    ),
    (
        "web1",
        "nft 'table ip t { chain o { type nat hook output priority -100; tcp dport 5432 dnat to 10.0.2.21:5433; }; }'",
        "nft delete table ip t",
        ("firewall", "syn out 10.0.1.11 -> 10.0.2.21:5432"),
    ),
    (
        "db1",
        "nft insert rule inet filter input tcp dport 8080 drop",
        "true",
        ("firewall", "syn in 10.0.1.11 -> 10.0.2.21:8080"),
    ),
    (
        "db1",
        "ip route replace 10.0.1.0/24 via 10.0.2.99",
        "ip route del 10.0.1.0/24 via 10.0.2.99",
        ("route", "to 10.0.1.11 from 10.0.2.21"),
    ),
    (
        "web1",
        "ip -6 route add unreachable 2001:db8:2::21/128",
        "ip -6 route del unreachable 2001:db8:2::21/128",
        ("route", "to 2001:db8:2::21"),
    ),
    (
        "web1",
        "ip neigh replace 10.0.1.1 lladdr 02:00:00:00:00:99 dev eth0",
        "ip neigh del 10.0.1.1 dev eth0",
        ("neighbour", "10.0.1.1 dev eth0"),
    ),
    ("web1", "echo 10.0.2.22 db.example.org > /etc/hosts", f"printf '{NAMES}' > /etc/hosts", ("name", "db.example.org")),
]


def test_every_kind_of_change_is_found_named_and_classified(listening: Fleet) -> None:
    fleet = listening
    before = baselines(fleet)
    try:
        for host, change, _undo, _name in CHANGES:
            fleet.run(host, ["sh", "-ec", change])
        shown = play(fleet, "drift", "--diff", "--extra-vars", '{"drift_fail_on": "endangering"}', check=False)
        report = json.loads((fleet.directory / "handshake-drift/drift.json").read_text())
    finally:
        for host, _change, undo, _name in CHANGES:
            fleet.run(host, ["sh", "-ec", undo])
        fleet.nft("db1", RULES)
    found = drifts(report)
    for host, _change, _undo, (kind, name) in CHANGES:
        assert (host, kind, name) in found, (name, sorted(found))
        each = found[host, kind, name]
        assert each["severity"] == "endangering" and each["endangers"], each
        assert name in each["summary"]
    assert shown.count("  ENDANGERING ") == report["summary"]["endangering"] >= len(CHANGES)
    assert "failed=1" in shown and "+    net.ipv4.tcp_syncookies: '0'" in shown
    assert all(flow["causes"] for flow in report["flows"])
    assert found["db1", "sysctl", "net.ipv4.tcp_syncookies"]["fix"]["steps"][0]["module"] == "ansible.posix.sysctl"
    play(fleet, "baseline")  # the host is as it was, and so is its baseline
    assert baselines(fleet) == before


def test_listeners(fleet: Fleet) -> None:
    (gone,) = drifts(drift(fleet)).values()
    assert (gone["kind"], gone["change"], gone["severity"]) == ("listener", "removed", "endangering")
    assert gone["name"] == "10.0.2.21:5432 (ipv4)" and "nobody listens on port 5432 for it any more" in gone["endangers"][0]["how"]
    with fleet.listen("db1", "10.0.2.21", 5432, backlog=1, min_ttl=5):
        (other,) = drifts(drift(fleet)).values()
    assert (other["kind"], other["change"], other["severity"]) == ("listener", "changed", "endangering")
    assert "backlog is 1 instead of 128" in other["summary"] and "min ttl is 5 instead of nothing" in other["summary"]


def test_expectations_and_policies(listening: Fleet) -> None:
    fleet = listening
    holds = [
        {"name": "cookies", "expect": "sysctls.\"net.ipv4.tcp_syncookies\" == '1'"},
        {"expect": "listeners[?port==`5432`]", "hosts": "db1"},
    ]
    assert "no drift" in play(fleet, "drift", *UNCHANGED, "--extra-vars", json.dumps({"drift_expect": holds}))
    fails = json.dumps(
        {"drift_expect": [{"name": "nobody", "expect": "listeners[?port==`1`]", "hosts": "servers"}], "drift_fail_on": "endangering"}
    )
    said = play(fleet, "drift", "--extra-vars", fails, check=False)
    assert "EXPECTED nobody: the result is []" in said and "Of 3 hosts: 1 expectations broken" in said
    for raw, sentence in (
        ([{"expect": "a["}], "drift_expect[0]: 'a[' is not a JMESPath expression"),
        ([{"expect": "a", "hosts": "nosuch"}], "the inventory has no host or group 'nosuch'"),
    ):
        said = play(fleet, "drift", "--extra-vars", json.dumps({"drift_expect": raw}), check=False)
        assert sentence in " ".join(said.split()) and "Read what the handshakes depend on" not in said


def test_a_host_that_cannot_be_observed(listening: Fleet) -> None:
    fleet = listening
    before = baselines(fleet)
    broken = ["--extra-vars", '{"drift_fail_on": "endangering"}', "--limit", "web1,db1"]
    said = play(fleet, "drift", *broken, check=False)
    assert "not compared: it is not among the hosts of this play (--limit?)" in said and "failed=1" in said
    said = play(fleet, "baseline", "--limit", "web1,db1", check=False)
    assert "No baseline was written for 1 hosts that could not be observed: r1" in said
    assert baselines(fleet) == before


@pytest.mark.parametrize("fail_on", [None, "never"])
def test_when_no_host_could_be_compared_the_play_fails(listening: Fleet, fail_on: str | None) -> None:
    wanted = {"ansible_python_interpreter": "/nowhere/python3", **({"drift_fail_on": fail_on} if fail_on else {})}
    said = " ".join(play(listening, "drift", "--extra-vars", json.dumps(wanted), check=False).split())
    assert ("None of 3 hosts could be compared. db1: it could not be observed: " in said) == (fail_on is None)
    assert ("failed=1" in said) == (fail_on is None)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no baseline handshake-baseline/db1.yml: run the playbook threeway.handshake.baseline for db1 first."),
        ("!!python/object/apply:os.system ['touch /tmp/owned']\n", "has a tag in line 1"),
    ],
)
def test_baselines_that_are_none(listening: Fleet, content: str | None, sentence: str) -> None:
    fleet = listening
    path: Path = fleet.directory / "handshake-baseline/db1.yml"
    good = path.read_bytes()
    try:
        path.unlink()
        if content is not None:
            path.write_text(content)
        report = drift(fleet)
        (host,) = [each for each in report["hosts"] if each["host"] == "db1"]
        assert sentence in host["problem"] and report["summary"]["not_compared"] == 1
    finally:
        path.write_bytes(good)


def test_check_mode_writes_no_baseline(listening: Fleet) -> None:
    fleet = listening
    before = baselines(fleet)
    fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 2)
    try:
        said = play(fleet, "baseline", "--check", "--diff")
        assert "+    net.ipv4.tcp_syncookies: '2'" in said and "changed=1" in said
        assert baselines(fleet) == before
    finally:
        fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 1)
