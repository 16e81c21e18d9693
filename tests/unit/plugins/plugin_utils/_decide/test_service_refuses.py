# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that takes connections and turns them away, by its own lines in the journal."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._logs.collect import record_of
from ansible_collections.threeway.handshake.plugins.module_utils._logs.line import Line
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils.recordings import recorded

SAID = "drop connection #10 from [{local_address}]:{local_port} on [{address}]:{port} past MaxStartups"


def refused(lines: int, used: int = 0, attested: bool = True) -> list[tuple[str, str, str]]:
    """What is found where sshd says of so many of the connections that it drops them, and so many are of use."""
    plan, found = recorded("application_silent")
    probes: list[dict[str, Any]] = found["web1"]["try"]["evidence"]["probes"]
    for number, probe in enumerate(probes):
        probe.update(peer="open" if number < used else "closed", ended=number >= used, awaited_ms=None)
    after = found["db1"]["close"]["evidence"]["after"]
    after["logs"] = [
        record_of(Line(probe["started"], "journal", attested, "sshd", SAID.format(**probe), unit="ssh.service")) for probe in probes[:lines]
    ]
    return causes(plan, found)


def test_a_line_for_each_connection_proves_it() -> None:
    assert refused(3)[0] == ("service_refuses", "db1", "proven")


@pytest.mark.parametrize(("lines", "used"), [(2, 0), (3, 1), (2, 1)])
def test_a_connection_without_a_line_or_of_use_leaves_it_likely(lines: int, used: int) -> None:
    assert ("service_refuses", "db1", "likely") in refused(lines, used)


def test_what_somebody_else_may_have_written_says_nothing() -> None:
    assert "service_refuses" not in [code for code, _host, _certainty in refused(3, attested=False)]


@pytest.mark.parametrize(("more", "certainty"), [(0, ["proven"]), (2, ["likely"]), (5, [])])
def test_haproxy_counts_what_another_section_turns_away_as_well(more: int, certainty: list[str]) -> None:
    """Which section is for the flow's port is not known."""
    plan, found = recorded("service_refuses.denied")
    for phase, part, count in (("open", "snapshot", 7), ("close", "after", 7 + more)):
        denials = found["db2"][phase]["evidence"][part]["denials"]
        denials.insert(0, {**denials[0], "section": "admin", "count": count, "connections": count})
    assert [sure for code, _host, sure in causes(plan, found) if code == "service_refuses"] == certainty


@pytest.mark.parametrize(("up", "code"), [(True, "service_refuses"), (False, "load_balancer_no_backend")])
def test_haproxy_may_turn_others_away_while_it_has_no_server(up: bool, code: str) -> None:
    """More than the run has are also those of somebody who scans it; what it says of its servers is proven."""
    plan, found = recorded("service_refuses.denied")
    found["db2"]["close"]["evidence"]["after"]["denials"][0]["count"] += 5
    for phase, part in (("open", "snapshot"), ("close", "after")):
        for server in [] if up else found["db2"][phase]["evidence"][part]["balancers"]:
            server.update(up=False, status="DOWN", check="L4CON")
    assert causes(plan, found)[0][0] == code
