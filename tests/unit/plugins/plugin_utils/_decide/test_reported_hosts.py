# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people reported of single hosts: when it is said, and what is advised, on recorded evidence that is changed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._decide.services import EXITED, cause
from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils._decide.test_reported import snapshots
from tests.unit.plugins.plugin_utils.recordings import recorded

# -- translations that miss the SYN

MISSED = "no_listener.missed-translation"


def missing_at(name: str, host: str, **rule: Any) -> dict[str, Any]:
    """The first cause where the rules that miss the SYN are otherwise."""
    plan, found = recorded(name)
    for snapshot in snapshots(found, host):
        for verdict in snapshot["firewall"]["verdicts"]:
            for each in verdict.get("missed") or ():
                each["rule"].update(rule)
                each["translating"].update(rule)
    first: dict[str, Any] = flows(plan, found)[0]["causes"][0]
    return first


def test_both_directions_are_translated_where_answers_would_go_past() -> None:
    commands = missing_at(MISSED, "r1")["fix"]["commands"]
    assert [command.split()[3:5] for command in commands] == [["-I", "PREROUTING"], ["-A", "POSTROUTING"]]
    assert all("-s 10.0.1.0/24" in command for command in commands)


def test_what_no_iptables_made_is_changed_by_no_iptables() -> None:
    assert not missing_at(MISSED, "r1", manager="nftables")["fix"]["commands"]
    assert "docker" in missing_at(MISSED, "r1", manager="docker")["fix"]["summary"]


@pytest.mark.parametrize("manager", ["kube-proxy", "calico"])
def test_rules_for_the_addresses_of_services_are_not_meant_for_a_host(manager: str) -> None:
    assert "misses" in missing_at(MISSED, "r1")["summary"]
    first = missing_at(MISSED, "r1", manager=manager)
    assert (first["code"], "misses" in first["summary"]) == ("no_listener", False)


def test_of_rules_that_lead_to_several_ends_none_is_told() -> None:
    plan, found = recorded(MISSED)
    for snapshot in snapshots(found, "r1"):
        for verdict in snapshot["firewall"]["verdicts"]:
            verdict["missed"] = (
                [*verdict["missed"], *({**each, "port": 8080} for each in verdict["missed"])] if verdict.get("missed") else []
            )
    assert "misses" not in flows(plan, found)[0]["causes"][0]["summary"]


def test_a_rule_that_misses_nothing_is_not_told() -> None:
    plan, found = recorded(MISSED)
    for snapshot in snapshots(found, "r1"):
        for verdict in snapshot["firewall"]["verdicts"]:
            verdict["missed"] = []
    first = flows(plan, found)[0]["causes"][0]
    assert (first["code"], "misses" in first["summary"]) == ("no_listener", False)


def test_the_container_is_published_once_more() -> None:
    told = missing_at("no_listener.published-elsewhere", "db1")["fix"]
    assert "--publish 10.0.2.21:5432:80" in told["summary"]
    assert not told["commands"]


# -- rules that miss what they were meant for


def test_a_rule_that_would_let_it_through_is_told_with_what_it_misses_it_by() -> None:
    plan, found = recorded("firewall_drop.missed-set")
    assert "misses it by 'ip saddr @allowed'" in flows(plan, found)[0]["causes"][0]["summary"]
    for snapshot in snapshots(found, "db1"):
        for verdict in snapshot["firewall"]["verdicts"]:
            verdict["shadowed"] = [verdict["rule"]] if verdict["rule"] else []  # one that comes too late says more
    assert "misses it" not in flows(plan, found)[0]["causes"][0]["summary"]


def test_who_listens_by_systemd_is_not_asked_to_leave_the_port() -> None:
    def by_systemd(snapshot: dict[str, Any]) -> None:
        snapshot["units"] = [{**EXITED, "active": "inactive", "sub": "dead", "result": "success", "status": None}]
        for listener in snapshot["listeners"]:
            listener["processes"] = [{"pid": 1, "name": "systemd", "state": "S", "unit": "init.scope"}]

    told = cause("listener_other_address.loopback", by_systemd)
    assert told["code"] == "listener_other_address"
    assert ("leave it" in told["fix"]["summary"], told["fix"]["commands"]) == (False, ["systemctl list-sockets"])


# -- the other protocol


def test_a_service_that_is_declared_is_told_with_its_udp_port() -> None:
    unit = {**EXITED, "active": "active", "sub": "running", "result": "success", "status": None}
    told = cause("no_listener.udp", lambda snapshot: snapshot.update(units=[unit]))
    assert "orders.service listens on no TCP port; " in told["summary"]
    assert "has UDP port 5432" in told["summary"]


def test_no_udp_port_of_another_number_is_told() -> None:
    def elsewhere(snapshot: dict[str, Any]) -> None:
        for taker in snapshot.get("udp_sockets") or ():
            taker["port"] = 53

    assert "UDP" not in cause("no_listener.udp", elsewhere)["summary"]


# -- addresses that are gone


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        (None, []),
        ("systemd-networkd.service", ["networkctl reconfigure eth0"]),
        ("NetworkManager.service", ["nmcli device connect eth0"]),
        ("networking.service", ["ifup --force eth0"]),
    ],
)
def test_who_configures_the_interface_is_asked_to_do_so_again(manager: str | None, command: list[str]) -> None:
    def managed(snapshot: dict[str, Any]) -> None:
        for link in snapshot["links"]:
            link["manager"] = manager if link["name"] == "eth0" else None

    told = cause("address_not_local.lease", managed)
    assert told["fix"]["commands"] == command


def test_an_interface_that_has_an_address_has_not_lost_all() -> None:
    def other(snapshot: dict[str, Any]) -> None:
        snapshot["addresses"].append({"interface": "eth0", "address": "10.0.2.77", "prefix": 24, "flags": []})

    told = cause("address_not_local.lease", other)
    assert (told["code"], "but what its link gives" in told["summary"]) == ("address_not_local", False)


# -- another service


def instead(unit: dict[str, Any], other: str | None) -> dict[str, Any]:
    """The flow where somebody else has the port of a unit that is as told."""
    plan, found = recorded("name_resolution_slow.twin")
    for snapshot in snapshots(found, "db1"):
        snapshot["units"] = [unit]
        for listener in snapshot["listeners"]:
            listener["processes"] = [{"pid": 9, "name": "other", "state": "S", "unit": other}]
    flow: dict[str, Any] = flows(plan, found)[0]
    return flow


@pytest.mark.parametrize("state", [{}, {"active": "activating", "sub": "auto-restart"}])
def test_a_handshake_with_another_service_is_not_well(state: dict[str, Any]) -> None:
    flow = instead({**EXITED, **state}, "other.service")
    assert (flow["status"], flow["causes"][0]["code"], flow["causes"][0]["certainty"]) == ("degraded", "service_stopped", "likely")
    assert flow["causes"][0]["fix"]["commands"] == [], "whose the port is to be is for people to say"


@pytest.mark.parametrize(
    ("unit", "other"),
    [
        ({**EXITED, "how": "wellknown"}, "other.service"),  # nobody said that it should have the port
        ({**EXITED, "load": "not-found", "active": "inactive"}, "other.service"),
        ({**EXITED, "active": "active", "sub": "running"}, "other.service"),
        ({**EXITED, "once": True}, "other.service"),  # it started what serves
        ({**EXITED, "active": "inactive", "sub": "dead", "result": "success", "status": 0}, "other.service"),  # on purpose
        (EXITED, "pacemaker.service"),
        (EXITED, "snap.orders.daemon.service"),
        (EXITED, "orders@1.service"),
        (EXITED, "docker.service"),
        (EXITED, "init.scope"),  # systemd itself
        (EXITED, "session-3.scope"),
        (EXITED, None),
    ],
)
def test_who_may_stand_for_the_service_is_no_other(unit: dict[str, Any], other: str | None) -> None:
    assert instead(unit, other)["status"] == "ok"
