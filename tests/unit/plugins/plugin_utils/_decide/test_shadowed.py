# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who answers where a host's address translation keeps its own listener from connections, and for whom it does not."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded, reported

OTHER_CLIENT = "10.0.1.12"


def remarks(name: str) -> list[str]:
    entry = reported(name)["flows"][0]
    assert entry["status"] == "ok"
    found: list[str] = entry["remarks"]
    return found


def test_who_answers_instead_of_the_listener_is_named() -> None:
    (said,) = remarks("nat_wrong_target.shadows.twin")
    assert "on to 10.0.2.21:9090, where python (pid" in said and "which listens on 10.0.2.21:5432" in said
    (said,) = remarks("nat_wrong_target.shadows-for-another.twin")
    assert "on to 10.0.2.22:5432: that answers, and not python (pid" in said


def test_nothing_is_said_where_it_is_for_others() -> None:
    assert remarks("nat_wrong_target.shadows-for-others.twin") == []


def test_nothing_is_said_of_a_program_that_does_the_same() -> None:
    """As docker-proxy does for connections that the translation does not concern."""
    plan, found = recorded("nat_wrong_target.shadows-for-another.twin")
    after = found["db1"]["close"]["evidence"]["after"]
    pid = next(each["processes"][0]["pid"] for each in after["listeners"] if each["port"] == 5432)
    after["relays"] = [{"port": 5432, "program": "docker-proxy", "pid": pid, "address": "10.0.2.22", "to": 5432}]
    assert flows(plan, found)[0]["remarks"] == []


def redirected_for(source: str, verdict: dict[str, Any]) -> dict[str, Any]:
    return {**verdict, "source": source, "rewritten": {**verdict["rewritten"], "source": source}}


def test_the_translation_of_another_client_is_not_the_flows() -> None:
    """The server was asked about both: the queue of the port to which the other one is sent is full, and says nothing of the flow."""
    plan, found = recorded("accept_queue_full.translated-twice")
    for phase, key in (("open", "snapshot"), ("close", "after")):
        firewall = found["db1"][phase]["evidence"][key]["firewall"]
        other = [redirected_for(OTHER_CLIENT, each) for each in firewall["verdicts"] if each["packet"] == "syn" and each["rewritten"]]
        own = [{**each, "rewritten": None} if each["packet"] == "syn" else each for each in firewall["verdicts"]]
        firewall["verdicts"] = [*other, *own]
    entry = flows(plan, found)[0]
    assert all(cause["code"] != "accept_queue_full" for cause in entry["causes"]), entry["causes"]
