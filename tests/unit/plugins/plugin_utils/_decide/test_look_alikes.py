# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of filters, proxies and rules that are there, and need not be what ends the connections."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._decide.changes import (
    CLIENT,
    SERVER,
    Change,
    added,
    answer,
    nat,
    nothing,
    only,
    snapshots,
)
from tests.unit.plugins.plugin_utils._decide.test_kernel_drops import EVENT
from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils._decide.test_traced import PORT
from tests.unit.plugins.plugin_utils.recordings import FINISHED, STARTED, Phases, decide, recorded

elsewhere_served = only(SERVER, "listeners", lambda entry: entry["port"] != 5432)


def part_of_a_bridge(found: Phases) -> None:
    for snapshot in snapshots(found, SERVER):
        next(link for link in snapshot["links"] if link["name"] == "mon")["master"] = "br0"


@pytest.mark.parametrize(
    ("change", "certainty"),
    [
        (nothing, "proven"),
        (elsewhere_served, "likely"),  # another network namespace behind it may serve
        (added(SERVER, "addresses", interface="mon", address="10.9.0.1", prefix=24), "likely"),
        (part_of_a_bridge, "likely"),
    ],
)
def test_what_filters_redirect_may_be_meant_to_go_that_way(change: Change, certainty: str) -> None:
    plan, found = recorded("traffic_redirected")
    change(found)
    assert causes(plan, found)[0] == ("traffic_redirected", SERVER, certainty)


def test_what_filters_redirect_may_come_further() -> None:
    """The router that drops the SYN has it by the leg to which the filter sends it."""
    codes = [code for code, _host, _certainty in causes(*recorded("firewall_drop.redirected-before"))]
    assert codes[0] == "firewall_drop" and "traffic_redirected" not in codes


def nearer(found: Phases) -> None:
    """Who has the loopback address alone gets what is for it (SO_REUSEPORT)."""
    for snapshot in snapshots(found, SERVER):
        mine = next(listener for listener in snapshot["listeners"] if listener["port"] == 5432)
        other = copy.deepcopy(mine)
        other.update(address="127.0.0.1", inode=1)
        other["processes"][0].update(pid=99, name="orders")
        snapshot["listeners"].append(other)


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (nothing, ("proxy_no_backend", SERVER, "proven")),
        (nat(SERVER, "output"), ("proxy_no_backend", SERVER, "likely")),  # which may lead it to a container
        (nearer, ("application_silent", SERVER, "likely")),
    ],
)
def test_a_relay_to_an_address_of_its_host_need_not_call_itself(change: Change, first: tuple[str, str, str]) -> None:
    plan, found = recorded("proxy_no_backend.itself-socat")
    change(found)
    assert causes(plan, found)[0] == first


@pytest.mark.parametrize(
    ("address", "first"),
    [
        ("0.0.0.0", ("service_refuses", SERVER, "proven")),
        ("10.0.2.21", ("service_refuses", SERVER, "proven")),
        (None, ("service_refuses", SERVER, "likely")),
        ("10.0.2.23", ("application_hangs_up", SERVER, "likely")),  # of another server block, which the client calls as well
    ],
)
def test_nginx_turns_the_client_away_at_one_of_its_addresses(address: str | None, first: tuple[str, str, str]) -> None:
    plan, found = recorded("service_refuses.nginx-access")
    for entry in answer(found, SERVER)["after"]["turned_away"]:
        entry["address"] = address
    assert causes(plan, found)[0] == first


def told(found: Phases, reason: str) -> None:
    """The server's kernel says why it drops the first SYN."""
    probe = {**answer(found, CLIENT)["probes"][0], "local_port": PORT}
    found[CLIENT]["trace_try"] = {"failure": None, "evidence": {"probes": [probe], "trace": None, "absent": []}}
    drops = {"how": "bpf", "events": [{**EVENT, "destination": probe["address"], "drop_reason": reason}]}
    found[SERVER]["trace_close"] = {"failure": None, "evidence": {"drops": drops}}


@pytest.mark.parametrize(("reason", "code"), [("TC_INGRESS", "traffic_redirected"), ("SOCKET_RCVBUFF", "kernel_drop")])
def test_what_is_dropped_behind_traffic_control_was_not_redirected(reason: str, code: str) -> None:
    """To a link that is down filters may send others' packets, as many or more."""
    plan, found = recorded("traffic_redirected.down")
    told(found, reason)
    assert causes(plan, found)[0][0] == code


@pytest.mark.parametrize(("used_up", "words"), [(True, "reset the quota of rule"), (False, "accept TCP from")])
def test_who_has_used_up_a_quota_is_not_taken_out_of_its_account(used_up: bool, words: str) -> None:
    plan, found = recorded("firewall_drop.quota-until")
    for snapshot in snapshots(found, SERVER):
        for missed in (each for verdict in snapshot["firewall"]["verdicts"] for each in verdict.get("missed") or ()):
            missed["used_up"] = used_up
    cause = decide(plan, found, STARTED, FINISHED).report["flows"][0]["causes"][0]
    assert cause["fix"]["summary"].startswith(words) and ("which is used up" in cause["summary"]) is used_up


@pytest.mark.parametrize(("stops", "may_be_it"), [("drop", False), ("accept", True)])
def test_a_counter_does_not_show_which_of_two_unknowns_it_is(stops: str, may_be_it: bool) -> None:
    """The rule that stops what is invalid stops the SYN as it is as well, if something unknown is so."""
    plan, found = recorded("firewall_drop.full-set")
    for snapshot in snapshots(found, SERVER):
        verdicts = snapshot["firewall"]["verdicts"]
        for verdict in [each for each in verdicts if each["state"] == "new"]:
            verdicts.append({**copy.deepcopy(verdict), "state": "invalid", "missed": []})
            unknown = {"kind": "unknown", "what": "tcp window < 5", "otherwise": "accept", "if_so": stops}
            verdict.update(verdict="undecided", undecided=unknown, rule=None, missed=[])
    assert ("conntrack_invalid" in [each[0] for each in causes(plan, found)]) is may_be_it


def test_the_reverse_path_filter_does_not_ask_for_the_listeners_user() -> None:
    """fib_validate_source(): what it drops meanwhile is of others."""
    plan, found = recorded("no_return_route.of-owner")
    before, after = found[SERVER]["open"]["evidence"]["snapshot"], found[SERVER]["close"]["evidence"]["after"]
    for snapshot, count in ((before, 0), (after, 99)):
        snapshot["sysctls"]["net.ipv4.conf.eth0.rp_filter"] = "1"
        snapshot["counters"]["TcpExt"]["IPReversePathFilter"] = count
    assert next(code for code, _host, _certainty in causes(plan, found)) == "no_return_route"


def test_a_route_that_refuses_is_told_without_the_rule_for_main() -> None:
    plan, found = recorded("no_return_route.of-owner")
    for snapshot in snapshots(found, SERVER):
        snapshot["rules"] = [rule for rule in snapshot["rules"] if rule["table"] != 254]
    (cause,) = [each for each in flows(plan, found)[0]["causes"] if each["code"] == "no_return_route"]
    assert "table main" not in cause["summary"] + cause["fix"]["summary"]


@pytest.mark.parametrize("before", [True, False])
def test_a_socket_that_listens_later_is_not_one_that_the_kernel_does_not_find(before: bool) -> None:
    plan, found = recorded("no_listener")
    told(found, "NO_SOCKET")
    listener = copy.deepcopy(next(each for each in LISTENING if each["port"] == 5432))
    for snapshot in list(snapshots(found, SERVER))[0 if before else 1 :]:
        snapshot["listeners"].append(listener)
    flow = decide(plan, found, STARTED, FINISHED).report["flows"][0]
    assert any("finds no socket" in cause["summary"] for cause in flow["causes"]) is before, flow["causes"]


_plan, _found = recorded("proxy_no_backend.itself-socat")
LISTENING: list[dict[str, Any]] = answer(_found, SERVER)["after"]["listeners"]
