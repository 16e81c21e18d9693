# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that moved, on recorded evidence: no fix adds an address that another host of the run has."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.misdelivered import others
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.examine import examine
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.faults._recorded import load

RECORDED = Path(__file__).parents[1] / "recorded"


def decided(name: str, silent: str | None = None, apart: bool = False, linkless: str | None = None) -> dict[str, Any]:
    """The first flow of a recording; ``silent``: a host whose answers are missing; ``apart``: each server has a flow of its own;
    ``linkless``: a host whose links are not known."""
    kept = load(RECORDED / f"{name}.json.gz")
    plan = {**kept["plan"], "entries": [{**each, **({"flow": each["server"]} if apart else {})} for each in kept["plan"]["entries"]]}
    found: dict[str, dict[str, Any]] = {}
    for answer in kept["evidence"]:
        for snapshot in ("snapshot", "before", "after") if answer["host"] == linkless else ():
            (answer["evidence"].get(snapshot) or {}).pop("links", None)
        if answer["host"] != silent:
            found.setdefault(answer["host"], {})[answer["phase"]] = answer
    flow: dict[str, Any] = decide(Plan.from_json(plan), found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"][0]
    return flow


def test_the_server_that_has_the_address_now_is_examined() -> None:
    cause = decided("neighbour_wrong.failover")["causes"][0]
    assert (cause["code"], cause["certainty"]) == ("neighbour_wrong", "proven")
    assert "to db1, but it is db2 that has the address" in cause["summary"]


def test_where_the_other_server_is_unknown_nothing_is_proven() -> None:
    cause = decided("neighbour_wrong.failover", silent="db2")["causes"][0]
    assert (cause["code"], cause["certainty"]) == ("address_not_local", "likely")


def test_two_machines_may_have_one_link_address() -> None:
    """Where the server's own is not known, the neighbour entry may be right."""
    cause = decided("neighbour_wrong.failover", linkless="db2")["causes"][0]
    assert (cause["code"], cause["certainty"]) == ("neighbour_wrong", "likely")


def test_no_second_machine_is_given_an_address() -> None:
    """The flows name one server each: db2, which has the address, is one of another flow."""
    cause = decided("neighbour_wrong.failover", apart=True)["causes"][0]
    assert cause["code"] == "address_not_local" and "db2 has it" in cause["summary"]
    assert "add" not in cause["fix"]["summary"] and "forget its neighbour entry" in cause["fix"]["summary"]


@pytest.mark.parametrize("code", ["path_reset", "answered_by_middlebox"])
def test_nothing_on_the_way_is_proven_to_answer_where_another_host_did(code: str) -> None:
    for name in ("ip_conflict.split-brain", "ip_conflict.split-brain.answers", "ip_conflict.split-brain.unrecorded", "address_elsewhere"):
        flow = decided(name)
        assert [cause for cause in flow["causes"] if cause["code"] == code] == []
        assert flow["causes"][0]["host"] == "db2"


def test_who_only_has_the_address_makes_a_conflict_likely() -> None:
    """db2 has the address as well, and recorded nothing of the flow: an RST of the router's may be its."""
    kept = load(RECORDED / "path_reset.json.gz")
    found: dict[str, dict[str, Any]] = {}
    for answer in kept["evidence"]:
        found.setdefault(answer["host"], {})[answer["phase"]] = answer
    twin = {"interface": "eth0", "address": "10.0.2.21", "prefix": 24, "family": "ipv4", "flags": []}
    found["db2"] = {"close": {"host": "db2", "phase": "close", "failure": None, "evidence": {"after": {"time": 1.0, "addresses": [twin]}}}}
    kept["plan"]["entries"].append({**kept["plan"]["entries"][0], "flow": "other", "server": "db2", "port": 22, "dial": 9})
    causes = decide(Plan.from_json(kept["plan"]), found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"][0]["causes"]
    assert [cause["code"] for cause in causes] == ["ip_conflict"] and causes[0]["certainty"] == "likely"
    assert causes[0]["host"] == "db2"


def test_a_managed_host_that_the_flow_does_not_name_is_named() -> None:
    """r1 rejects, and takes part in the run by another flow alone: its recording shows the RST going out."""
    kept = load(RECORDED / "firewall_reject.router-reset.json.gz")
    found: dict[str, dict[str, Any]] = {}
    for answer in kept["evidence"]:
        found.setdefault(answer["host"], {})[answer["phase"]] = answer
    entry = kept["plan"]["entries"][0]
    kept["plan"]["entries"] = [{**entry, "via": []}, {**entry, "flow": "other", "port": 22, "dial": 9}]
    causes = decide(Plan.from_json(kept["plan"]), found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"][0]["causes"]
    assert (causes[0]["code"], causes[0]["host"]) == ("path_reset", "r1"), causes


def test_all_who_have_the_address_are_named() -> None:
    """A third host has it as well: to leave it on one of two would not do."""
    kept = load(RECORDED / "ip_conflict.split-brain.json.gz")
    found: dict[str, dict[str, Any]] = {}
    for answer in kept["evidence"]:
        found.setdefault(answer["host"], {})[answer["phase"]] = answer
    address = kept["plan"]["entries"][0]["address"]
    twin = {"interface": "eth0", "address": address, "prefix": 24, "family": "ipv4", "flags": []}
    found["db3"] = {"close": {"host": "db3", "phase": "close", "failure": None, "evidence": {"after": {"time": 1.0, "addresses": [twin]}}}}
    kept["plan"]["entries"].append({**kept["plan"]["entries"][0], "flow": "other", "server": "db3", "port": 22, "dial": 9})
    cause = decide(Plan.from_json(kept["plan"]), found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"][0]["causes"][0]
    assert (cause["code"], cause["host"], cause["certainty"]) == ("ip_conflict", "db2", "proven")
    assert cause["detail"]["hosts"] == ["db1", "db2", "db3"] and "one of db1, db2 and db3" in cause["fix"]["summary"]


def with_a_second_name(recording: str, netns: int, copied: bool = False, second: str = "pg1") -> tuple[Plan, dict[str, dict[str, Any]]]:
    """Evidence of an inventory that has db1 as `second`, too: in that network namespace, and with link addresses of its own when copied."""
    kept = load(RECORDED / f"{recording}.json.gz")
    found: dict[str, dict[str, Any]] = {}
    for answer in kept["evidence"]:
        for name, inode in (("db1", 4026531840), (second, netns)) if answer["host"] == "db1" else ((answer["host"], None),):
            same = copy.deepcopy({**answer, "host": name})
            for snapshot in ("snapshot", "before", "after"):
                if inode and same["evidence"].get(snapshot):
                    same["evidence"][snapshot].update(boot="2f1c4bde-0f63-4d4a-a9f0-5c5e7f3d7c11", netns=inode)
                    if copied and name == second:
                        links = same["evidence"][snapshot]["links"]
                        same["evidence"][snapshot]["links"] = [{**link, "mac": f"02:00:00:00:00:{at:02x}"} for at, link in enumerate(links)]
            found.setdefault(name, {})[answer["phase"]] = same
    kept["plan"]["entries"].append({**kept["plan"]["entries"][0], "flow": "other", "server": second, "port": 22, "dial": 9})
    return Plan.from_json(kept["plan"]), found


@pytest.mark.parametrize(
    ("netns", "copied", "first"),
    [
        (4026531840, False, ("path_drop", "proven")),
        (4026532000, False, ("ip_conflict", "likely")),
        (4026531840, True, ("ip_conflict", "likely")),
    ],
)
def test_two_names_of_one_machine_are_no_two_machines(netns: int, copied: bool, first: tuple[str, str]) -> None:
    """The inventory has db1 as pg1, too: it has the address, of course. Namespaces of one machine are told apart, and so is a copy."""
    plan, found = with_a_second_name("path_drop.syn", netns, copied)
    cause = decide(plan, found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"][0]["causes"][0]
    assert (cause["code"], cause["certainty"]) == first


@pytest.mark.parametrize("second", ["pg1", "an1"])
def test_a_second_name_claims_no_address_of_the_first(second: str) -> None:
    """Whichever of the two the inventory has first."""
    plan, found = with_a_second_name("no_listener", 4026531840, second=second)
    report = decide(plan, found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z", keep_all=True).report
    flow = next(each for each in report["flows"] if each["server"] == "db1")
    assert "which has no part in the flow" not in str(flow), flow["remarks"]


@pytest.mark.parametrize(("netns", "names"), [(4026531840, []), (4026532000, ["pg1"])])
def test_a_second_name_of_the_server_took_no_packet_away(netns: int, names: list[str]) -> None:
    plan, found = with_a_second_name("no_listener", netns)
    _hosts, [examined, _other] = examine(plan, found)
    (case,) = examined.cases
    assert [other.host.name for other in others(case)] == names


def test_who_answers_and_may_have_the_address_proves_nothing_on_the_way() -> None:
    """db2's addresses could not be read: it may have the address as well."""
    kept = load(RECORDED / "ip_conflict.split-brain.answers.json.gz")
    found: dict[str, dict[str, Any]] = {}
    for answer in kept["evidence"]:
        found.setdefault(answer["host"], {})[answer["phase"]] = answer
        for snapshot in ("snapshot", "before", "after"):
            if answer["host"] == "db2":
                (answer["evidence"].get(snapshot) or {}).pop("addresses", None)
    flow = decide(Plan.from_json(kept["plan"]), found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"][0]
    assert [cause["code"] for cause in flow["causes"] if cause["certainty"] == "proven"] == []
