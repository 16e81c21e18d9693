# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a name is not resolved, by changed evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils._decide.test_neighbours import causes
from tests.unit.plugins.plugin_utils.recordings import FINISHED, STARTED, Phases, recorded


def resolution(found: Phases) -> dict[str, Any]:
    entry: dict[str, Any] = found["web1"]["try"]["evidence"]["resolutions"][0]
    return entry


@pytest.mark.parametrize(("error", "says"), [("EPERM", "a rule of its firewall"), ("EACCES", "a route of type prohibit"), (None, "")])
def test_what_the_kernel_says_to_the_query(error: str | None, says: str) -> None:
    plan, found = recorded("name_resolution_failed.prohibited")
    resolution(found)["nameservers"][0]["error"] = error
    (told,) = causes(plan, found)
    assert says in told["summary"] and ("lets no query go" in told["summary"]) == (error is not None)


@pytest.mark.parametrize("error", ["EPERM", "EACCES"])
def test_another_nameserver_answers_that_it_has_no_such_name(error: str) -> None:
    plan, found = recorded("name_resolution_failed.prohibited")
    entry = resolution(found)
    first = {**entry["nameservers"][0], "error": error}
    entry["nameservers"] = [first, {**first, "address": "10.0.2.1", "error": None, "answer_ms": 1.0}]
    (told,) = causes(plan, found)
    assert "lets no query go" not in told["summary"] and told["fix"]["summary"].startswith("make ")


@pytest.mark.parametrize(
    ("closed", "hosts", "answers", "matters"),
    [
        ("/etc/hosts", [], 0, False),
        ("/etc/hosts", ["10.0.2.21"], 0, True),
        ("/etc/resolv.conf", [], 0, False),
        ("/etc/resolv.conf", [], 1, True),
        ("/etc/hosts", [], 1, False),
    ],
)
def test_a_file_that_would_not_have_helped(closed: str, hosts: list[str], answers: int, matters: bool) -> None:
    plan, found = recorded("name_resolution_failed.nobody-knows-it")
    entry = resolution(found)
    entry.update(unreadable=[closed], hosts=hosts)
    entry["nameservers"][0]["queries"][0]["answers"] = answers
    (told,) = causes(plan, found)
    assert (f"daemon may not read {closed}" in told["summary"]) == matters == ("chmod" in str(told["fix"]["commands"]))


@pytest.mark.parametrize(("opened", "said"), [(0, "none"), (2, "2 at most"), (3, ""), (None, "")])
def test_handshakes_of_another_machine_are_not_those_of_a_translated_port(opened: int | None, said: str) -> None:
    """A gateway may hand them to the server on another port, by which they are not known in its recording."""
    plan, found = recorded("answered_by_middlebox")
    plan = replace(plan, entries=[replace(entry, assumed=True) for entry in plan.entries])
    for phase, part in (("open", "snapshot"), ("close", "after")):
        snapshot = found["db1"][phase]["evidence"][part]
        snapshot["addresses"] = [{**each, "address": each["address"].replace("2.21", "2.99")} for each in snapshot["addresses"]]
        snapshot["routes"] = []
        counters = snapshot["counters"]["Tcp"]
        counters["PassiveOpens"] = 7 + (opened or 0) * (phase == "close")
        if opened is None:
            del counters["PassiveOpens"]
    remarks = decide(plan, found, STARTED, FINISHED).report["flows"][0]["remarks"]
    assert [f"and {said} of the handshakes came to it: whoever has the address took them" in remark for remark in remarks] == [True] * bool(
        said
    )


@pytest.mark.parametrize(("joined", "claimed"), [("10.0.2.21", True), ("10.0.2.99", False)])
def test_a_name_that_ends_like_an_address_is_no_line_of_its_own(joined: str, claimed: bool) -> None:
    """Such as ip-10.0.2.99, beside the name; the address with which a line should begin is the server's."""
    plan, found = recorded("name_resolves_elsewhere.joined")
    resolution(found)["joined"] = [joined]
    (cause,) = causes(plan, found)
    assert (f"{joined} stands at the end" in cause["summary"]) == claimed == ("begin a line" in cause["fix"]["summary"])


@pytest.mark.parametrize(("holds", "more"), [(True, False), (None, True)])
def test_a_nameserver_on_another_port_has_to_answer_on_the_usual_one(holds: bool | None, more: bool) -> None:
    plan, found = recorded("name_resolution_failed.port")
    resolution(found)["passed_over"][0]["holds"] = holds
    (cause,) = causes(plan, found)
    assert "write nameserver 10.0.2.22" in cause["fix"]["summary"] and ("answer on port 53" in cause["fix"]["summary"]) == more
