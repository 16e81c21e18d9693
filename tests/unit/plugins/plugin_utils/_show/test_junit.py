# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JUnit XML: CI must be able to read it, and never take doubt for a pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.junit import render

Report = dict[str, Any]


def test_a_case_per_flow_with_the_outcome_of_its_status(fleet: Callable[..., Report]) -> None:
    suites = ElementTree.fromstring(render(fleet()))
    (suite,) = suites
    outcomes = [[child.tag for child in case] for case in suite.iter("testcase")]
    assert len(outcomes) == 500
    assert {key: suite.attrib[key] for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "500",
        "failures": str(outcomes.count(["failure"])),
        "errors": str(outcomes.count(["error"])),
        "skipped": "0",
    }
    assert (outcomes.count(["failure"]), outcomes.count(["error"]), outcomes.count(["system-out"])) == (75, 1, 8)
    assert suite.attrib["timestamp"] == "2026-11-21T04:00:00"
    assert suite.attrib["time"] == "7.400"


def test_a_failure_says_what_the_terminal_says(demo: Callable[[], Report]) -> None:
    case = ElementTree.fromstring(render(demo())).findall(".//testcase")[1]
    assert case.attrib["name"] == "web1 -> db1 10.0.2.21:5432"
    (failure,) = case
    assert failure.attrib == {"type": "firewall_drop", "message": "SYN dropped at db1, server.firewall"}
    assert "db1 recording: SYN reached eth0 9 times; no SYN-ACK and no RST left" in (failure.text or "")


@settings(max_examples=30)
@given(text=st.text(min_size=1, max_size=80))
def test_it_stays_well_formed(hostile: Callable[[str], Report], text: str) -> None:
    def tags(report: Report) -> list[str]:
        return [element.tag for element in ElementTree.fromstring(render(report)).iter()]

    assert tags(hostile(text)) == tags(hostile("harmless"))
