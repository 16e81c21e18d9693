# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that a set lists: what is advised beside other rules, and where more than the client is listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._fix.test_last_resorts import first_cause

DELETE = "nft delete element inet test5432 banned '{ 10.0.1.11 }'"
OUTPUT = {"family": "inet", "table": "out", "chain": "output", "handle": 9, "number": 1, "text": "drop", "manager": "nftables"}
Verdicts = Callable[[dict[str, Any]], None]


def fix(change: Verdicts) -> dict[str, Any]:
    def changed(host: str, _part: str, snapshot: dict[str, Any]) -> None:
        for verdict in (snapshot.get("firewall") or {}).get("verdicts") or () if host == "db1" else ():
            change(verdict)

    return dict(first_cause("firewall_drop.set.listed", changed)["fix"])


def answer_dropped(simple: str | None) -> Verdicts:
    """Another rule would stop the SYN-ACK, whoever is in the set."""
    asked = {"before": OUTPUT, "commands": ["nft .."], "manager": "nftables", "simple": simple, "stateless": False, "summary": "accept it"}

    def change(verdict: dict[str, Any]) -> None:
        if verdict["packet"] == "syn_ack":
            verdict.update(verdict="drop", rule=OUTPUT, change=asked)

    return change


def acknowledgement_dropped_next(verdict: dict[str, Any]) -> None:
    """Behind the rule that looks into the set, another one lets the SYN pass, but not what follows."""
    asked = {"before": OUTPUT, "commands": ["nft .."], "manager": "nftables", "simple": None, "stateless": False, "summary": "accept it"}
    if verdict["packet"] == "ack":
        verdict["then"].update(verdict="drop", rule=OUTPUT, change=asked)


def whole_network(verdict: dict[str, Any]) -> None:
    for found in verdict.get("sets") or ():
        found.update(alone=False, elements=["10.0.0.0/8"], commands=["nft delete element inet test5432 banned '{ 10.0.0.0/8 }'"])


def test_the_client_is_taken_off_where_that_opens_the_flow() -> None:
    told = fix(lambda verdict: None)
    assert told["commands"] == [DELETE] and "without this element nothing else does" in told["why"]


@pytest.mark.parametrize("simple", ["nft insert rule inet out output accept", None])
def test_a_rule_that_stops_a_later_packet_has_its_part_in_the_fix(simple: str | None) -> None:
    told = fix(answer_dropped(simple))
    assert [command.split()[1:3] for command in told["commands"]] == [["'insert", "rule"]] * 2
    assert told["simple"] == (f"{DELETE} && {simple}" if simple else "")


def test_a_rule_that_stops_the_acknowledgement_next_has_its_part_in_the_fix() -> None:
    told = fix(acknowledgement_dropped_next)
    assert [command.split()[1:5] for command in told["commands"]] == [
        ["'insert", "rule", "inet", "test5432"],
        ["'insert", "rule", "inet", "out"],
    ]
    assert [packet["packet"] for packet in told["packets"]].count("ack") == 1


def test_a_network_is_not_taken_off_for_one_client() -> None:
    told = fix(whole_network)
    assert "10.0.0.0/8" not in told["simple"] and told["simple"].startswith("nft insert rule")
