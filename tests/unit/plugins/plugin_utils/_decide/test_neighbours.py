# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neighbours and ways back on recorded evidence, changed by hand: what proves them, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import Phases, recorded


def causes(plan: Any, found: Phases) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]["causes"]
    return told


def snapshots(found: Phases, host: str) -> Iterator[dict[str, Any]]:
    for answer in found[host].values():
        for part in ("snapshot", "before", "after"):
            if answer["evidence"].get(part):
                yield answer["evidence"][part]


def first(told: list[dict[str, Any]]) -> tuple[str, str, str]:
    return told[0]["code"], told[0]["host"], told[0]["certainty"]


def test_a_recording_that_may_lack_the_reply_proves_no_silence() -> None:
    plan, found = recorded("neighbour_silent.arp-table")
    assert first(causes(plan, found)) == ("neighbour_silent", "db1", "proven")
    found["db1"]["close"]["evidence"]["recording"]["dropped"] = 3
    told = causes(plan, found)
    assert [each["certainty"] for each in told if each["code"] == "neighbour_silent"] in ([], ["likely"])


def test_what_is_not_the_hosts_own_address_it_need_not_answer_for() -> None:
    plan, found = recorded("neighbour_silent.arp-table")
    for snapshot in snapshots(found, "db1"):
        snapshot["addresses"] = [each for each in snapshot["addresses"] if each["address"] != "10.0.2.21"]
        snapshot["routes"] = [each for each in snapshot["routes"] if each["remote"] != "10.0.2.21"]
    assert "neighbour_silent" not in {each["code"] for each in causes(plan, found)}


@pytest.mark.parametrize(
    ("flags", "reason"), [(["dadfailed", "tentative"], "duplicate"), (["tentative"], "tentative"), (["deprecated"], "firewall")]
)
def test_an_address_that_is_not_in_use_is_not_answered_for(flags: list[str], reason: str) -> None:
    plan, found = recorded("neighbour_silent.solicitations-dropped")
    for snapshot in snapshots(found, "db1"):
        for entry in snapshot["addresses"]:
            if entry["address"] == "2001:db8:2::21":
                entry["flags"] = flags
    told = causes(plan, found)
    assert first(told) == ("neighbour_silent", "db1", "proven") and told[0]["detail"]["reason"] == reason


def test_without_the_counter_the_firewall_is_not_named() -> None:
    """As in evidence of before: the counter of solicitations was told only where it was not 0."""
    plan, found = recorded("neighbour_silent.solicitations-dropped")
    for snapshot in snapshots(found, "db1"):
        snapshot["counters"]["Icmp6"].pop("InNeighborSolicits", None)
    cause = causes(plan, found)[0]
    assert (cause["code"], cause["detail"]["reason"]) == ("neighbour_silent", None) and "firewall" not in cause["summary"]


@pytest.mark.parametrize(("value", "reason"), [("1", "arp_ignore"), ("8", "arp_ignore"), ("0", None)])
def test_arp_ignore_is_named_where_it_explains_the_silence(value: str, reason: str | None) -> None:
    plan, found = recorded("neighbour_silent.arp-ignore")
    for snapshot in snapshots(found, "db1"):
        for name in snapshot["sysctls"]:
            if name.endswith(".arp_ignore"):
                snapshot["sysctls"][name] = value
    assert causes(plan, found)[0]["detail"]["reason"] == reason


def test_ports_of_one_bridge_or_bond_are_one_way() -> None:
    """The answer leaves by another port of the same master."""
    plan, found = recorded("asymmetric_route")
    assert first(causes(plan, found)) == ("asymmetric_route", "db1", "likely")
    for snapshot in snapshots(found, "db1"):
        for link in snapshot["links"]:
            if link["name"] in ("eth0", "eth1"):
                link["master"] = "bond0"
    assert first(causes(plan, found)) == ("path_drop", "path", "proven")


def test_where_no_other_address_would_do_the_source_is_not_wrong() -> None:
    plan, found = recorded("wrong_source_address")
    assert first(causes(plan, found)) == ("wrong_source_address", "web1", "likely")
    for snapshot in snapshots(found, "web1"):
        snapshot["addresses"] = [each for each in snapshot["addresses"] if each["address"] != "10.0.1.11"]
    assert first(causes(plan, found)) == ("path_drop", "path", "likely")


def test_a_source_that_is_not_the_clients_own_was_translated() -> None:
    plan, found = recorded("wrong_source_address")
    for snapshot in snapshots(found, "web1"):
        snapshot["addresses"] = [each for each in snapshot["addresses"] if each["address"] != "192.168.50.11"]
    assert first(causes(plan, found)) == ("path_drop", "path", "likely")


def test_who_claims_the_address_and_sends_others_packets_may_be_a_proxy() -> None:
    plan, found = recorded("ip_conflict.unnamed.ipv6")
    told = causes(plan, found)
    assert first(told) == ("ip_conflict", "path", "proven")
    for snapshot in snapshots(found, "db1"):
        snapshot["neighbours"].append({"address": "fe80::7", "interface": "eth0", "mac": told[0]["detail"]["mac"], "state": "STALE"})
    assert first(causes(plan, found)) == ("ip_conflict", "path", "likely")


@pytest.mark.parametrize(("recording", "host"), [("neighbour_wrong.gateway", "web1"), ("neighbour_wrong.gateway-back", "db1")])
def test_only_what_is_pinned_is_held_against_the_answer(recording: str, host: str) -> None:
    plan, found = recorded(recording)
    told = causes(plan, found)
    assert first(told) == ("neighbour_wrong", host, "proven")
    for snapshot in snapshots(found, host):
        for entry in snapshot["neighbours"]:
            if entry["mac"] == told[0]["detail"]["mac"]:
                entry["state"] = "STALE"
    assert "neighbour_wrong" not in {each["code"] for each in causes(plan, found)}
    for snapshot in snapshots(found, host):
        for entry in snapshot["neighbours"]:
            if entry["mac"] == told[0]["detail"]["mac"]:
                entry.update(state="PERMANENT", mac=told[0]["detail"]["real_mac"])
    assert first(causes(plan, found))[0] == "path_drop"


def test_what_xdp_may_have_dropped_is_not_proven_to_be_lost_on_the_way() -> None:
    plan, found = recorded("path_drop.syn-ack")
    assert first(causes(plan, found)) == ("path_drop", "path", "proven")
    for snapshot in snapshots(found, "web1"):
        for link in snapshot["links"]:
            link["xdp"] = link["name"] == "eth0"
    assert first(causes(plan, found)) == ("path_drop", "path", "likely")
