# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What plays learn of a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._report.digest import digest

Report = dict[str, Any]


def test_a_flow_with_its_decisive_cause(demo: Callable[[], Report]) -> None:
    report = demo()
    found = digest(report, "report.json")
    flow = next(flow for flow in found["flows"] if flow["name"] == "web-to-db")
    cause = next(flow for flow in report["flows"] if flow["name"] == "web-to-db")["causes"][0]
    assert (flow["status"], flow["code"], flow["host"], flow["certainty"]) == ("broken", "firewall_drop", "db1", "likely")
    assert (flow["summary"], flow["fix"]) == (cause["summary"], cause["fix"]["summary"])
    assert found["summary"] == report["summary"]
    assert found["groups"] == report["groups"]
    assert found["path"] == "report.json"
    well = next(flow for flow in found["flows"] if flow["status"] == "ok")
    assert (well["code"], well["host"], well["certainty"], well["summary"]) == (None, None, None, None)


def test_only_the_flows_that_are_asked_for(demo: Callable[[], Report]) -> None:
    whole = digest(demo(), "")
    assert {flow["status"] for flow in digest(demo(), "", ["ok"])["flows"]} == {"ok"}
    assert [flow["name"] for flow in digest(demo(), "", name="web-to-d*")["flows"]] == ["web-to-db"]
    assert digest(demo(), "", ["ok"])["summary"] == whole["summary"]


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_it_reads_whatever_calls_itself_a_report(value: object) -> None:
    keys = ("flows", "groups", "summary", "run", "started")
    assert digest(dict.fromkeys(keys, value), "")["flows"] is not None
