# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the rule that stops a packet is not the reason: scenes from recordings, in which one fact at a time is otherwise."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.faults._recorded import load
from tests.unit.plugins.plugin_utils._decide.test_not_proven import flags, frames

RECORDED = Path(__file__).parents[1] / "recorded"
Change = Callable[[dict[str, Any]], object]


def flow(name: str, change: Change = lambda answer: None) -> dict[str, Any]:
    """What is decided of a recording, each of whose answers `change` may alter."""
    kept = load(RECORDED / f"{name}.json.gz")
    evidence: dict[str, dict[str, Any]] = {}
    for answer in copy.deepcopy(kept["evidence"]):
        change(answer)
        evidence.setdefault(answer["host"], {})[answer["phase"]] = answer
    (decided,) = decide(Plan.from_json(kept["plan"]), evidence, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"]
    return dict(decided)


def dictionaries(found: Any) -> Iterator[dict[str, Any]]:
    if isinstance(found, dict):
        yield found
        found = list(found.values())
    for each in found if isinstance(found, list) else ():
        yield from dictionaries(each)


def without(field: str) -> Change:
    """As a version told it that did not know the field."""
    return lambda answer: [each.pop(field) for each in dictionaries(answer) if field in each]


def with_sysctl(name: str, value: str) -> Change:
    return lambda answer: [each.update({name: value}) for each in dictionaries(answer) if name in each]


def first(found: dict[str, Any]) -> tuple[str, str]:
    return (found["causes"][0]["code"], found["causes"][0]["certainty"]) if found["causes"] else ("", "")


def test_the_way_back_is_named() -> None:
    cause = flow("firewall_drop.rpfilter")["causes"][0]
    assert "leaves by wg0, and it came in by eth0" in cause["summary"]
    assert cause["fix"]["kind"] == "route" and cause["fix"]["steps"] == []
    assert cause["fix"]["commands"] == ["ip route get 10.0.1.11"]
    plain = flow("firewall_drop.rpfilter", without("way_back"))["causes"][0]
    assert "wg0" not in plain["summary"] and plain["fix"]["kind"] == "firewall"


def test_the_router_that_brought_the_packet_is_the_way_back() -> None:
    router = {"address": "10.0.2.1", "interface": "eth0", "mac": "da:2b:a6:8d:86:10", "state": "REACHABLE"}
    known = flow(
        "firewall_drop.rpfilter",
        lambda answer: [part["neighbours"].append(router) for part in dictionaries(answer) if "neighbours" in part],
    )
    assert known["causes"][0]["fix"]["commands"] == ["ip route add 10.0.1.11/32 via 10.0.2.1 dev eth0"]


def test_another_interface_is_no_change_of_the_rules() -> None:
    said = [each["observation"] for each in flow("firewall_drop.rpfilter")["causes"][0]["evidence"]]
    assert not [sentence for sentence in said if "rules changed" in sentence]
    assert first(flow("firewall_drop.rpfilter")) == ("firewall_drop", "proven")


def test_a_zone_of_one_direction_is_the_reason() -> None:
    found = flow("conntrack_invalid.zone")
    assert first(found)[0] == "conntrack_invalid" and "CT --zone 5" in found["causes"][0]["summary"]
    assert "the SYN-ACK into zone 5 as well, or take the SYN out of it" in found["causes"][0]["fix"]["summary"]
    assert first(flow("conntrack_invalid.zone", without("zones")))[0] == "firewall_drop"


@pytest.mark.parametrize(("loose", "code"), [("1", "synproxy_loose"), ("0", "synproxy_unserved")])
def test_synproxy_needs_a_strict_conntrack(loose: str, code: str) -> None:
    assert first(flow("synproxy_loose", with_sysctl("net.netfilter.nf_conntrack_tcp_loose", loose)))[0] == code


def test_connections_that_came_meanwhile_leave_synproxy_likely() -> None:
    def opened(answer: dict[str, Any]) -> None:
        if answer["phase"] == "close":
            answer["evidence"]["after"]["counters"]["Tcp"]["PassiveOpens"] += 1

    assert first(flow("synproxy_loose")) == ("synproxy_loose", "proven")
    assert first(flow("synproxy_loose", opened)) == ("synproxy_loose", "likely")


def test_a_draw_is_told_by_its_ends() -> None:
    found = flow("nat_wrong_target.client-by-lot")
    assert first(found)[0] == "nat_wrong_target" and "10.0.2.99:5432" in found["causes"][0]["summary"]
    assert first(flow("nat_wrong_target.client-by-lot", without("targets")))[0] != "nat_wrong_target"


def attempts(completed: int, failed: int) -> Change:
    """Of the client's attempts no more than these."""

    def change(answer: dict[str, Any]) -> None:
        if answer["phase"] == "try":
            probes = answer["evidence"]["probes"]
            kept = [each for each in probes if each["outcome"] == "connected"][:completed]
            answer["evidence"]["probes"] = kept + [each for each in probes if each["outcome"] != "connected"][:failed]

    return change


def without_errors(answer: dict[str, Any]) -> None:
    """As if the router had not yet said that nobody is there."""
    for each in dictionaries(answer):
        if isinstance(each.get("frames"), str):
            frames(each, lambda every: [frame for frame in every if flags(frame) is not None])


@pytest.mark.parametrize(
    ("change", "certainty"),
    [(lambda answer: None, "proven"), (attempts(1, 7), "likely"), (attempts(3, 1), "likely"), (without_errors, "likely")],
)
def test_a_draw_is_proven_by_several_and_by_an_error(change: Change, certainty: str) -> None:
    assert first(flow("nat_wrong_target.client-by-lot", change)) == ("nat_wrong_target", certainty)


def test_an_attempt_that_fails_elsewhere_is_no_draws() -> None:
    def failed(answer: dict[str, Any]) -> None:
        if answer["phase"] == "try":
            connected = next(each for each in answer["evidence"]["probes"] if each["outcome"] == "connected")
            connected.update(outcome="timeout", stage="wait", tcp_info=None)

    found = flow("nat_wrong_target.client-by-lot", failed)
    assert "by lot" not in str([cause["summary"] for cause in found["causes"]])


@pytest.mark.parametrize("field", ["one_of", "targets"])
def test_rules_of_which_one_stops_it_are_named(field: str) -> None:
    summary = flow("firewall_drop.either", without(field))["causes"][0]["summary"]
    assert ("numgen" in summary and " or rule " in summary) is (field != "one_of")


def test_a_proxy_that_is_gone_is_to_be_started() -> None:
    cause = flow("firewall_drop.tproxy")["causes"][0]
    assert cause["fix"]["kind"] == "service" and "no transparent socket" in cause["summary"]


def test_what_holds_for_one_user_alone_is_said() -> None:
    found = flow("firewall_reject.other-users")
    assert (found["status"], found["causes"]) == ("ok", [])
    (remark,) = found["remarks"]
    assert "uid 0" in remark and "daemon" in remark
    assert flow("firewall_reject.other-users", without("users"))["remarks"] == []
