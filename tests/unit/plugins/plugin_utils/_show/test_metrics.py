# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics: one broken line makes node_exporter drop the whole file, so every line is parsed here."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.metrics import render

Report = dict[str, Any]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

SAMPLE = re.compile(r'(?P<name>[a-z_]+)(?:\{(?P<labels>(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (?P<value>[-+.e0-9]+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


def parsed(text: str) -> Series:
    """The exposition format as its grammar has it: HELP and TYPE once and first, samples of a family together, none twice."""
    series: Series = {}
    families: list[str] = []
    assert text.endswith("\n")
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            families.append(line.split(" ")[2])
            assert families.count(families[-1]) == 1
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2:] == [families[-1], "gauge"]
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            assert found["name"] == families[-1]
            key = found["name"], frozenset(LABEL.findall(found["labels"] or ""))
            assert key not in series
            series[key] = float(found["value"])
    return series


def value(series: Series, name: str, **labels: str) -> float:
    (found,) = [number for (family, told), number in series.items() if family == name and labels.items() <= dict(told).items()]
    return found


def test_states_times_and_totals(demo: Callable[[], Report]) -> None:
    series = parsed(render(demo()))
    assert value(series, "handshake_flow_status", flow="web-to-db", status="broken", server="db1", port="5432") == 1
    assert not [key for key in series if key[0] == "handshake_flow_status" and {("flow", "web-to-db"), ("status", "ok")} <= key[1]]
    assert value(series, "handshake_flow_info", flow="web-to-db", code="firewall_drop", host="db1", certainty="likely") == 1
    assert value(series, "handshake_flow_connect_seconds", flow="web-to-app") == 0.00026
    assert not [key for key in series if key[0] == "handshake_flow_connect_seconds" and ("flow", "web-to-db") in key[1]]
    assert value(series, "handshake_flow_attempts", client="web1", flow="web-to-db") == 3
    assert value(series, "handshake_flow_attempts_connected", flow="web-to-queue") == 1
    assert value(series, "handshake_flows", status="broken") == 3
    assert value(series, "handshake_cause_flows", code="path_drop") == 1
    assert value(series, "handshake_last_run_timestamp_seconds") == 1795233607.4
    assert value(series, "handshake_last_run_duration_seconds") == 7.4


def test_a_fleet_has_few_series_for_flows_that_are_ok(fleet: Callable[..., Report]) -> None:
    report = fleet()
    flows = {flow["name"] for flow in report["flows"] if flow["status"] == "ok"}
    names = [name for name, labels in parsed(render(report)) if dict(labels).get("flow") in flows and ("status", "ok") in labels]
    counted = [name for name, labels in parsed(render(report)) if name.startswith("handshake_flow_")]
    assert names.count("handshake_flow_status") == report["summary"]["ok"]
    assert counted.count("handshake_flow_status") == report["summary"]["flows"] == 500
    assert counted.count("handshake_flow_info") == counted.count("handshake_flow_attempts") == 500 - report["summary"]["ok"]


@settings(max_examples=30)
@given(text=st.text(min_size=1, max_size=80))
def test_it_always_parses(hostile: Callable[[str], Report], text: str) -> None:
    parsed(render(hostile(text)))
