# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence in the order of what it says: the program's own words, the cause, and last how the packets ended."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.finding import Evidence, Finding, Weight
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded


def evidence(name: str) -> list[dict[str, Any]]:
    plan, found = recorded(name)
    report = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:05Z").report
    told: list[dict[str, Any]] = report["flows"][0]["causes"][0]["evidence"]
    assert all(set(each) == {"host", "source", "observation"} for each in told)
    return told


def test_words_come_before_the_cause_and_the_outcome_last() -> None:
    ended = Evidence("db1", "connect()", "ECONNREFUSED", Weight.OUTCOME)
    cause, more = Evidence("db1", "systemd", "failed"), Evidence("db1", "inet_diag", "no socket")
    words = Evidence("db1", "journal", "bind(): Address already in use", Weight.WORDS)
    assert Finding("proven", "db1", "server.socket", "it is", (ended, cause, more, words)).evidence == (words, cause, more, ended)


def test_a_refused_connection_is_told_by_what_is_missing() -> None:
    assert [each["source"] for each in evidence("no_listener")] == ["inet_diag", "connect()", "capture", "counter Tcp OutRsts"]


def test_a_lost_packet_is_told_with_where_it_was_seen_last() -> None:
    first = evidence("path_drop.syn")[0]
    assert (first["host"], first["source"]) == ("web1", "capture")
    assert first["observation"] == "the SYN left by eth0, gateway 10.0.1.1, source 10.0.1.11; no ICMP error answers it"
    assert evidence("path_drop.syn-ack")[0]["observation"].startswith("the SYN-ACK left by eth0, gateway 10.0.2.1, source 10.0.2.21")
