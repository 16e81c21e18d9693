# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes that end connections or restart a network, and causes that no test may bring about: on recorded evidence that was changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.faults._recorded import load

RECORDED = Path(__file__).parents[1] / "recorded"
MASQUERADING = {"family": "ip", "table": "nat", "chain": "post", "type": "nat", "hook": "postrouting", "rules": 1, "policy": "accept"}
Change = Callable[[str, str, dict[str, Any]], None]  # host, part, snapshot


def first_cause(name: str, change: Change) -> dict[str, Any]:
    """The decisive cause of a recorded fault whose snapshots are changed."""
    kept = load(RECORDED / f"{name}.json.gz")
    evidence: dict[str, dict[str, Any]] = {}
    for answer in copy.deepcopy(kept["evidence"]):
        for part in ("snapshot", "before", "after"):
            if answer["evidence"].get(part):
                change(answer["host"], part, answer["evidence"][part])
        evidence.setdefault(answer["host"], {})[answer["phase"]] = answer
    report = decide(Plan.from_json(kept["plan"]), evidence, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report
    cause: dict[str, Any] = report["flows"][0]["causes"][0]
    return cause


def as_it_is(_host: str, _part: str, _snapshot: dict[str, Any]) -> None:
    pass


def ports(fix: dict[str, Any]) -> Iterator[int]:
    return (step["arguments"]["destination_port"] for step in fix["steps"])


def test_all_that_the_client_has_forgotten_is_ended() -> None:
    fix = first_cause("stale_connection", as_it_is)["fix"]
    assert sorted(ports(fix)) == list(range(40000, 40010))
    assert (fix["kind"], fix["risk"], fix["host"]) == ("connection", "disruptive", "db1")  # most of them were not met


def test_to_end_what_was_met_and_nothing_else_is_no_risk() -> None:
    met = set(first_cause("stale_connection", as_it_is)["detail"]["ports"])

    def nothing_else(host: str, _part: str, snapshot: dict[str, Any]) -> None:
        if host == "db1":
            snapshot["sockets"] = [entry for entry in snapshot["sockets"] if entry["remote_port"] in met]

    fix = first_cause("stale_connection", nothing_else)["fix"]
    assert set(ports(fix)) == met and fix["risk"] == "low"


def test_connections_by_another_address_are_not_ended() -> None:
    """Something on the way may lead them there, and the client has them, with other ends."""
    met = set(first_cause("stale_connection", as_it_is)["detail"]["ports"])

    def elsewhere(host: str, _part: str, snapshot: dict[str, Any]) -> None:
        if host == "db1":
            for entry in snapshot["sockets"]:
                entry["local"] = entry["local"] if entry["remote_port"] in met else "10.0.2.99"

    assert set(ports(first_cause("stale_connection", elsewhere)["fix"])) == met


def test_what_the_client_still_has_is_not_ended() -> None:
    dialled = set(first_cause("stale_connection", as_it_is)["detail"]["ports"])
    alive = next(port for port in range(40000, 40010) if port not in dialled)

    def still_there(host: str, _part: str, snapshot: dict[str, Any]) -> None:
        if host == "web1":
            ends = {"local": "10.0.1.11", "local_port": alive, "remote": "10.0.2.21", "remote_port": 5432}
            snapshot["sockets"].append({"state": "ESTABLISHED", **ends})

    assert alive not in ports(first_cause("stale_connection", still_there)["fix"])


@pytest.mark.parametrize("chains", [[MASQUERADING], None])
def test_where_others_may_use_the_clients_address_only_what_was_met_is_ended(chains: list[dict[str, Any]] | None) -> None:
    """Containers behind the client's address have connections that the client itself knows nothing of."""

    def translating(host: str, _part: str, snapshot: dict[str, Any]) -> None:
        if host == "web1":
            snapshot["hooks"]["netfilter"] = chains

    cause = first_cause("stale_connection", translating)
    assert sorted(ports(cause["fix"])) == sorted(cause["detail"]["ports"])
    assert cause["fix"]["risk"] == "disruptive"


def test_sockets_that_are_not_all_told_prove_nothing_about_the_others() -> None:
    kept = load(RECORDED / "stale_connection.json.gz")
    for answer in kept["evidence"]:
        if answer["host"] == "web1":
            answer["evidence"]["absent"].append({"what": "sockets", "why": "only the first 1000 are told"})
    evidence: dict[str, dict[str, Any]] = {}
    for answer in kept["evidence"]:
        evidence.setdefault(answer["host"], {})[answer["phase"]] = answer
    cause = decide(Plan.from_json(kept["plan"]), evidence, "", "").report["flows"][0]["causes"][0]
    assert sorted(ports(cause["fix"])) == sorted(cause["detail"]["ports"])


def managed(*units: str | None) -> Change:
    def change(host: str, _part: str, snapshot: dict[str, Any]) -> None:
        if host == "web1":
            for link, unit in zip([link for link in snapshot["links"] if link["name"] != "lo"] * 2, units, strict=False):
                link["manager"] = unit

    return change


@pytest.mark.parametrize("unit", ["systemd-networkd.service", "NetworkManager.service", "networking.service"])
@pytest.mark.parametrize("name", ["no_route", "source_address_unavailable"])
def test_the_last_resort_is_the_units_restart(name: str, unit: str) -> None:
    fix = first_cause(name, managed(unit))["fix"]
    assert (fix["kind"], fix["risk"], fix["host"]) == ("network", "disruptive", "web1")
    assert [step["arguments"] for step in fix["steps"]] == [{"name": unit, "state": "restarted"}]
    assert fix["saves"]["routes"] and fix["saves"]["units"] == [unit]


@pytest.mark.parametrize("unit", [None, "-x; reboot.service"])
def test_nobody_is_restarted_who_does_not_manage_the_network(unit: str | None) -> None:
    assert first_cause("no_route", managed(unit))["fix"]["risk"] == "advice"


def table_full(entry: bool) -> Change:
    """As the kernel tells it that could make no entry for the gateway; `entry`: it has one."""

    def change(host: str, part: str, snapshot: dict[str, Any]) -> None:
        snapshot["hooks"].update(netfilter=[], iptables_legacy=[])
        snapshot["firewall"] = {"begun": snapshot["time"], "ended": snapshot["time"], "verdicts": []}
        if host == "web1":
            snapshot["counters"]["Arp"] = {"entries": 1024, "table_fulls": 4 if part == "after" else 0}
            snapshot["sysctls"].update({f"net.ipv4.neigh.default.gc_thresh{number}": "1024" for number in (1, 2, 3)})
            known = {"address": "10.0.1.1", "interface": "eth0", "mac": "00:00:5e:00:53:01", "state": "REACHABLE"}
            snapshot["neighbours"] = [known] if entry else []

    return change


def test_a_full_neighbour_table_is_likely_where_the_next_hop_is_not_in_it() -> None:
    cause = first_cause("firewall_drop.client-output", table_full(entry=False))
    assert (cause["code"], cause["certainty"], cause["segment"]) == ("neighbour_table_full", "likely", "client.neighbour")
    values = {step["arguments"]["name"].rpartition(".")[2]: step["arguments"]["value"] for step in cause["fix"]["steps"]}
    assert values == {"gc_thresh3": "4096", "gc_thresh2": "2048"}


def test_a_full_neighbour_table_is_nothing_to_a_neighbour_that_is_in_it() -> None:
    with pytest.raises(IndexError):  # no cause is found at all
        first_cause("firewall_drop.client-output", table_full(entry=True))


def test_a_rule_that_stops_the_packet_comes_before_the_neighbour() -> None:
    def change(host: str, part: str, snapshot: dict[str, Any]) -> None:
        kept = {name: copy.deepcopy(snapshot.get(name)) for name in ("hooks", "firewall")}
        table_full(entry=False)(host, part, snapshot)
        snapshot.update(kept)

    assert first_cause("firewall_drop.client-output", change)["code"] == "firewall_drop"
