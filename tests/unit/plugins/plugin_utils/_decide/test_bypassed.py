# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct handshakes with the server behind a balancer: which of the two breaks, and what they are no proof of."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import Phases, recorded

FIREWALL, HTTP = "load_balancer_no_backend.firewall", "load_balancer_no_backend.http"


def told(name: str, *changes: Any) -> dict[str, Any]:
    plan, found = recorded(name)
    for change in changes:
        change(found)
    flow: dict[str, Any] = flows(plan, found)[0]
    return flow


def dials(found: Phases, host: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = found[host]["trace_try"]["evidence"]["bypass"]
    return made


def becomes(host: str, outcome: str, errno: str | None) -> Any:
    def change(found: Phases) -> None:
        for dial in dials(found, host):
            dial.update(outcome=outcome, errno=errno)

    return change


def remarks(flow: dict[str, Any]) -> list[str]:
    return [remark for remark in flow["remarks"] if "dialled directly" in remark]


@pytest.mark.parametrize(
    ("client", "front", "words"),
    [
        ("connected", "timeout", "takes handshakes from web1 but not from db2"),
        ("connected", "connected", "takes handshakes from db2 and from web1: db2 or the service breaks"),
        ("timeout", "connected", "takes handshakes from db2: db2 or the service breaks"),
        ("timeout", "timeout", "neither from db2 nor from web1: what breaks is behind db2"),
    ],
)
def test_which_of_the_two_breaks(client: str, front: str, words: str) -> None:
    (remark,) = remarks(told(FIREWALL, becomes("web1", client, None), becomes("db2", front, None)))
    assert words in remark


def test_one_that_dialled_alone_tells_nothing_of_the_other() -> None:
    def silent(found: Phases) -> None:
        del found["web1"]["trace_try"]

    def neither(found: Phases) -> None:
        silent(found)
        del found["db2"]["trace_try"]

    assert remarks(told(FIREWALL, silent)) == remarks(told(FIREWALL, neither)) == []
    assert "which others reach" not in told(FIREWALL, silent)["causes"][0]["fix"]["summary"]
    assert "which others reach" in told(FIREWALL)["causes"][0]["fix"]["summary"]


def closed(found: Phases) -> None:
    for probe in found["web1"]["try"]["evidence"]["probes"]:
        probe["peer"] = "closed"


def calls_another(found: Phases) -> None:
    """The server passes the balancer's checks; for each connection, the balancer waits for a host that is not the server."""
    call = {"program": "haproxy", "pid": 4, "source": "10.0.2.22", "address": "10.9.0.9", "port": 8080, "count": 3}
    for phase, part, calls in (("open", "snapshot", []), ("close", "after", [call])):
        snapshot = found["db2"][phase]["evidence"][part]
        snapshot["calls"] = calls
        for server in snapshot["balancers"]:
            server["check"] = "L4OK"


def test_a_refusal_by_the_server_is_no_proof_of_what_is_amiss_at_the_balancer() -> None:
    cause = told(HTTP, closed, calls_another)["causes"][0]
    assert (cause["code"], cause["host"], cause["certainty"]) == ("load_balancer_no_backend", "db2", "likely")


def test_that_the_balancers_host_is_refused_is_proof_only_where_clients_are_closed() -> None:
    assert told(HTTP)["causes"][0]["certainty"] == "likely"
    assert told(HTTP, closed)["causes"][0]["certainty"] == "proven"
    assert told(HTTP, closed, becomes("db2", "connected", None))["causes"][0]["certainty"] == "likely"


def test_whom_the_server_keeps_out_where_the_balancer_connects_is_not_told_to_start_it() -> None:
    """Nothing listens on the flow's port; the service is on another one, to which the balancer's host alone cannot connect."""

    def listens(found: Phases) -> None:
        for phase, part in (("open", "snapshot"), ("close", "after")):
            snapshot = found["db1"][phase]["evidence"][part]
            snapshot["listeners"] = [{**snapshot["listeners"][0], "port": 5433}]

    def no_other_connection(found: Phases) -> None:
        was, now = found["db1"]["open"]["evidence"]["snapshot"], found["db1"]["close"]["evidence"]["after"]
        now["counters"]["Tcp"]["PassiveOpens"] = was["counters"]["Tcp"]["PassiveOpens"]

    told_so = told("load_balancer_no_backend.wrong-port", listens, no_other_connection, becomes("web1", "connected", None))
    assert "from port 5433 of db1, which others reach" in told_so["causes"][0]["fix"]["summary"]


@pytest.mark.parametrize("host", ["db1", "db2"])
def test_it_is_no_proof_where_rules_may_let_the_balancer_alone_connect(host: str) -> None:
    """Such as by its user, or by another source address: HAProxy may connect, and close for reasons of its own."""

    def closed(found: Phases) -> None:
        for probe in found["web1"]["try"]["evidence"]["probes"]:
            probe["peer"] = "closed"

    def ruled(found: Phases) -> None:
        for answer in found[host].values():
            for part in ("snapshot", "before", "after"):
                if snapshot := (answer["evidence"] or {}).get(part):
                    snapshot["hooks"]["netfilter"].append(
                        {"family": "inet", "table": "filter", "chain": "c", "type": "filter", "device": None, "priority": 0,
                         "hook": "output" if host == "db2" else "input", "policy": "accept", "rules": 2}
                    )  # fmt: skip

    assert told(HTTP, closed)["causes"][0]["certainty"] == "proven"
    assert told(HTTP, closed, ruled)["causes"][0]["certainty"] == "likely"
    assert told(HTTP, closed, becomes("db2", "timeout", None))["causes"][0]["certainty"] == "likely"


def snapshots(found: Phases, host: str) -> list[dict[str, Any]]:
    kept = [answer["evidence"].get(part) for answer in found[host].values() for part in ("snapshot", "before", "after")]
    return [snapshot for snapshot in kept if snapshot]


def controlled(host: str, direction: str) -> Any:
    def change(found: Phases) -> None:
        for snapshot in snapshots(found, host):
            snapshot["hooks"]["tc"] = [{"interface": "eth0", "direction": direction, "filters": ["bpf"], "drops": 0}]

    return change


def with_xdp(found: Phases) -> None:
    for snapshot in snapshots(found, "db1"):
        next(link for link in snapshot["links"] if link["name"] == "eth0")["xdp"] = True


def by_a_router(found: Phases) -> None:
    for snapshot in snapshots(found, "db2"):
        for route in snapshot.get("routes") or ():
            if route["remote"] == "10.0.2.21":
                route.update(gateway="10.0.2.1", prefix="0.0.0.0/0")


def by_icmp(found: Phases) -> None:
    for dial in dials(found, "db2"):
        dial["icmp"] = {"offender": "10.0.2.21", "type": 3, "code": 3}


def unread(found: Phases) -> None:
    for snapshot in snapshots(found, "db1"):
        snapshot["hooks"]["tc"] = None


@pytest.mark.parametrize("change", [controlled("db2", "egress"), controlled("db1", "ingress"), unread, with_xdp, by_a_router, by_icmp])
def test_it_is_no_proof_where_something_else_than_tcp_may_have_refused(change: Any) -> None:
    def closed(found: Phases) -> None:
        for probe in found["web1"]["try"]["evidence"]["probes"]:
            probe["peer"] = "closed"

    assert told(HTTP, closed)["causes"][0]["certainty"] == "proven"
    assert told(HTTP, closed, change)["causes"][0]["certainty"] == "likely"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (controlled("db2", "egress"), "unless db2's traffic control or db1's firewall treats its balancer in another way"),
        (with_xdp, "unless db1's firewall or an XDP program on eth0 of db1 treats its balancer in another way"),
        (by_a_router, "unless db1's firewall or what is between db2 and db1 treats its balancer in another way"),
    ],
)
def test_a_remark_says_what_the_dials_do_not_show(change: Any, words: str) -> None:
    for client, front in (("connected", "connected"), ("timeout", "timeout")):
        (remark,) = remarks(told(FIREWALL, change, becomes("web1", client, None), becomes("db2", front, None)))
        assert remark.endswith(words)


def test_it_is_no_proof_where_the_balancer_has_another_address_for_the_server() -> None:
    def elsewhere(found: Phases) -> None:
        told = found["db2"]["close"]["evidence"]["after"]["balancers"]
        told.append({**told[0], "port": 9100})

    def closed(found: Phases) -> None:
        for probe in found["web1"]["try"]["evidence"]["probes"]:
            probe["peer"] = "closed"

    assert told(HTTP, closed, elsewhere)["causes"][0]["certainty"] == "likely"


def test_others_addresses_are_not_the_servers() -> None:
    """A host can only tell of direct handshakes with what the inventory has for the server."""

    def lie(found: Phases) -> None:
        for host in ("web1", "db2"):
            for dial in dials(found, host):
                dial["address"] = "10.0.2.99"

    assert remarks(told(FIREWALL, lie)) == []


def test_a_host_that_tells_nonsense_costs_only_that() -> None:
    def nonsense(found: Phases) -> None:
        found["db2"]["trace_try"]["evidence"]["bypass"] = [{"dial": "x"}]

    flow = told(FIREWALL, nonsense)
    assert flow["causes"][0]["certainty"] == "proven"
    assert any("malformed answer" in sentence for sentence in flow["not_observed"])


def test_who_listens_elsewhere_is_served() -> None:
    def busy(found: Phases) -> None:
        found["db1"]["close"]["evidence"]["after"]["counters"]["Tcp"]["PassiveOpens"] += 3

    def listens(found: Phases) -> None:
        for phase, part in (("open", "snapshot"), ("close", "after")):
            listeners = found["db1"][phase]["evidence"][part]["listeners"]
            listeners.append({**listeners[0], "port": 5433})

    def translates(found: Phases) -> None:
        for phase, part in (("open", "snapshot"), ("close", "after")):
            hooks = found["db1"][phase]["evidence"][part]["hooks"]
            hooks["netfilter"].append(
                {"family": "ip", "table": "nat", "chain": "c", "type": "nat", "hook": "prerouting", "device": None,
                 "priority": -100, "policy": "accept", "rules": 1}
            )  # fmt: skip

    name = "load_balancer_no_backend.wrong-port"
    assert [cause["code"] for cause in told(name, busy)["causes"]] == ["load_balancer_no_backend"]
    assert told(name, busy, listens)["causes"] == told(name, busy, translates)["causes"] == []
