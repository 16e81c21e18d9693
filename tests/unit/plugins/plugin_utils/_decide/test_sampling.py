# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Losses that follow a pattern, alterations that are normal, signatures that no probe has, attempts that are turned away."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.losses import beside_each_other
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes, evidence
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded


def tried(found: Phases) -> list[dict[str, Any]]:
    probes: list[dict[str, Any]] = evidence(found, "web1", "try")["probes"]
    return probes


def only(found: Phases, *numbers: int) -> None:
    """No other attempts were made than these, in the order of their numbers."""
    evidence(found, "web1", "try")["probes"] = [probe for probe in tried(found) if probe["attempt"] in numbers]


def flow(plan: Plan, found: Phases) -> dict[str, Any]:
    told: dict[str, Any] = flows(plan, found)[0]
    return told


@pytest.mark.parametrize(
    ("marks", "chance"),
    [("1100", 2 / 6), ("0110", 4 / 6), ("1010", 1.0), ("1111", 1.0), ("11111000000", 2 / 462), ("00111110000", 11 / 462)],
)
def test_how_often_chance_puts_losses_beside_each_other(marks: str, chance: float) -> None:
    assert beside_each_other([mark == "1" for mark in marks]) == pytest.approx(chance)


def test_three_attempts_do_not_prove_that_first_syns_are_dropped() -> None:
    plan, found = recorded("first_syn_dropped")
    assert causes(plan, found)[0] == ("first_syn_dropped", "path", "proven")
    only(found, 0, 1, 2)
    assert causes(plan, found)[0] == ("first_syn_dropped", "path", "likely")


def test_a_timeout_below_the_first_repetition_stands_beside_it() -> None:
    assert ("connect_timeout_too_short", "web1", "likely") in causes(*recorded("first_syn_dropped"))
    assert "connect_timeout_too_short" not in [code for code, *_more in causes(*recorded("first_syn_dropped.patient"))]


def test_two_ports_on_either_side_are_no_range() -> None:
    plan, found = recorded("port_range_dropped")
    lost = [probe["attempt"] for probe in tried(found) if probe["outcome"] != "connected"]
    passed = [probe["attempt"] for probe in tried(found) if probe["outcome"] == "connected"]
    only(found, *lost[:2], *passed[:2])
    assert causes(plan, found)[0][0] in ("ecmp_member_bad", "path_loss")
    assert causes(plan, found)[0][2] == "likely"


def test_a_while_without_answers_is_no_range_of_ports() -> None:
    """The ports that are lost lie beside each other in time as well."""
    plan, found = recorded("port_range_dropped")
    names = {probe["local_port"]: number for number, probe in enumerate(sorted(tried(found), key=lambda probe: probe["local_port"]))}
    start = min(probe["started"] for probe in tried(found))
    for probe in tried(found):
        probe["started"] = start + names[probe["local_port"]] * 1e-3
    assert ("port_range_dropped", "path", "proven") not in causes(plan, found)


@pytest.mark.parametrize(
    ("recording", "normal", "status", "remarked"),
    [
        ("option_altered.clamped.twin", ("mss_lowered",), "ok", True),
        ("option_altered.clamped.twin", (), "degraded", False),
        ("option_altered", ("mss_lowered",), "degraded", False),
        ("option_altered", ("mss_lowered", "mss_changed"), "ok", True),
        ("option_altered.stripped", ("mss_lowered",), "degraded", False),
        ("option_altered.stripped", ("sack_changed",), "ok", True),
        ("option_altered.answer", ("mss_lowered", "mss_changed", "sack_changed", "timestamps_changed"), "degraded", False),
        ("sequence_rewritten", ("mss_lowered",), "degraded", False),
        ("sequence_rewritten", ("sequence_rewritten",), "ok", True),
    ],
)
def test_what_is_called_normal_is_remarked_only(recording: str, normal: tuple[str, ...], status: str, remarked: bool) -> None:
    plan, found = recorded(recording)
    raw = {**plan.to_json(), "normal": list(normal)}
    told = flow(Plan.from_json(raw), found)
    assert (told["status"], len(told["remarks"]) == 1) == (status, remarked)


def test_a_signed_session_is_told_and_nothing_is_wrong() -> None:
    told = flow(*recorded("tcp_md5_mismatch.session"))
    assert (told["status"], told["causes"]) == ("undetermined", [])
    (remark,) = told["remarks"]
    assert "signed connections" in remark
    assert "cannot sign" in told["undecided"][0]


def without_session(found: Phases, **changed: Any) -> None:
    sockets = evidence(found, "db1", "open")["snapshot"]["sockets"]
    for each in sockets:
        each.update(changed)


@pytest.mark.parametrize("changed", [{"remote": "10.0.1.12"}, {"state": "SYN_RECV"}, {"local_port": 80}])
def test_another_connection_is_no_session_of_these_hosts(changed: dict[str, Any]) -> None:
    plan, found = recorded("tcp_md5_mismatch.session")
    without_session(found, **changed)
    assert causes(plan, found)[0] == ("tcp_md5_mismatch", "db1", "likely")


def test_a_session_that_the_server_dialled_is_one() -> None:
    plan, found = recorded("tcp_md5_mismatch.session")
    for each in evidence(found, "db1", "open")["snapshot"]["sockets"]:
        each["local_port"], each["remote_port"] = each["remote_port"], each["local_port"]
    assert causes(plan, found) == []


def test_what_is_taken_again_was_not_turned_away() -> None:
    plan, found = recorded("turned_away")
    assert causes(plan, found)[0] == ("turned_away", "db1", "likely")
    first = min(tried(found), key=lambda probe: float(probe["started"]))
    first["started"] += 3600.0
    assert "turned_away" not in [code for code, *_more in causes(plan, found)]


def test_a_few_that_are_turned_away_are_chance() -> None:
    plan, found = recorded("turned_away")
    only(found, 0, 1, 2, 3)
    assert ("turned_away", "db1", "possible") in causes(plan, found)


def test_of_servers_that_do_not_speak_first_silence_is_nothing() -> None:
    plan, found = recorded("application_silent.accepts")
    for probe in tried(found):
        probe["awaited_ms"] = None
    assert flow(plan, found)["status"] == "ok"


def test_a_server_that_hangs_up_and_need_not_speak_first_turns_clients_away_as_well() -> None:
    plan, found = recorded("application_hangs_up")
    for probe in tried(found):
        probe["awaited_ms"] = None
    told = flow(plan, found)
    assert (told["status"], told["remarks"], told["causes"][0]["code"]) == ("degraded", [], "application_hangs_up")


@pytest.mark.parametrize(("recording", "remarks"), [("application_hangs_up", 1), ("application_silent.accepts", 0)])
def test_a_server_that_says_a_word_and_hangs_up_is_remarked(recording: str, remarks: int) -> None:
    plan, found = recorded(recording)
    for probe in tried(found):
        probe["peer"] = "data"
    told = flow(plan, found)
    assert (told["status"], len(told["remarks"])) == ("ok", remarks)
    assert all("says something and closes the connection at once" in remark for remark in told["remarks"])


def test_a_server_with_which_the_client_is_to_speak_and_that_hangs_up_after_a_word_is_degraded() -> None:
    plan, found = recorded("application_hangs_up")
    for probe in tried(found):
        probe["peer"] = "data"
    for listener in evidence(found, "db1", "close")["after"]["listeners"]:
        for process in listener["processes"] or ():
            process["name"] = "redis-server"
    told = flow(plan, found)
    assert (told["status"], told["causes"][0]["code"]) == ("degraded", "application_hangs_up")
    assert "protected-mode" in told["causes"][0]["fix"]["summary"]


@pytest.mark.parametrize(
    ("recording", "silent", "says"),
    [
        ("name_resolution_slow.ipv6", None, "answers A queries for it and no AAAA queries"),
        ("name_resolution_slow.search", None, "does not answer for db.example.org.dead.test, which the search list has it asked for first"),
        ("name_resolution_slow.search", ("db.example.org", "A"), "does not answer for db.example.org.dead.test"),
        ("name_resolution_slow.ipv6", ("db.example.org", "A"), "before any connection begins"),
    ],
)
def test_which_queries_a_nameserver_leaves_unanswered(recording: str, silent: tuple[str, str] | None, says: str) -> None:
    plan, found = recorded(recording)
    for nameserver in evidence(found, "web1", "try")["resolutions"][0]["nameservers"]:
        for query in nameserver["queries"]:
            if (query["name"], query["type"]) == silent:
                query["answer_ms"] = None
    (cause,) = (cause for cause in flow(plan, found)["causes"] if cause["code"] == "name_resolution_slow")
    assert says in cause["summary"]
    assert cause["detail"]["dead"] == []


@pytest.mark.parametrize(("changed", "told"), [({}, True), ({"hosts": None}, False), ({"hosts": ["10.0.2.77"]}, False)])
def test_the_hosts_file_is_named_where_the_address_stands_in_it(changed: dict[str, Any], told: bool) -> None:
    plan, found = recorded("name_resolves_elsewhere.hosts")
    evidence(found, "web1", "try")["resolutions"][0].update(changed)
    (cause,) = (cause for cause in flow(plan, found)["causes"] if cause["code"] == "name_resolves_elsewhere")
    assert ("/etc/hosts, which takes precedence over DNS" in cause["summary"]) == told
    assert ("correct the line" in cause["fix"]["summary"]) == told


def test_of_an_unmanaged_server_the_hosts_file_is_a_remark() -> None:
    plan, found = recorded("name_resolves_elsewhere.hosts")
    raw = plan.to_json()
    raw["entries"] = [{**entry, "server": None} for entry in raw["entries"]]
    told = flow(Plan.from_json(raw), found)
    (remark,) = told["remarks"]
    assert "/etc/hosts" in remark


@pytest.mark.parametrize(
    ("recording", "pattern", "says"), [("path_loss", "random", "95 % interval"), ("path_loss.first", "first", "the very first one")]
)
def test_how_losses_lie(recording: str, pattern: str, says: str) -> None:
    (cause,) = (cause for cause in flow(*recorded(recording))["causes"] if cause["code"] == "path_loss")
    assert cause["detail"]["pattern"] == pattern
    assert says in cause["summary"]
