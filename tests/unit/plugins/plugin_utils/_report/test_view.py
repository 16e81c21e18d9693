# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The view of a report: no report is too odd to be shown, every trouble is in one group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._report import document
from ansible_collections.threeway.handshake.plugins.plugin_utils._report.read import PACKETS, view
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import junit, markdown, metrics, page, terminal

Report = dict[str, Any]

RENDERERS: list[Callable[[Report], str | bytes]] = [
    page.render,
    document.render,
    junit.render,
    markdown.render,
    metrics.render,
    lambda report: terminal.render(report, width=80),
]
FIELDS = (
    "id name client server address port dialled resolved status leg segment between via last_seen causes undecided probes timeline "
    "vantages clock not_observed code title host certainty summary evidence against fix attempt t_ms packet label from transmission "
    "seen lost text kind remarks unexplained detail errors connect_ms"
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["broken", "ok", "client", "syn", "h"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS.split()), inner, max_size=6),
    max_leaves=25,
)


@pytest.mark.parametrize("render", RENDERERS)
@settings(max_examples=25)
@given(flows=st.lists(st.dictionaries(st.sampled_from(FIELDS.split()), VALUES, max_size=12), max_size=4), groups=VALUES)
def test_no_report_is_too_odd(render: Callable[[Report], str | bytes], flows: list[Report], groups: Any) -> None:
    render({"started": groups, "finished": None, "flows": flows, "groups": groups})


def test_every_flow_with_trouble_is_in_exactly_one_group(fleet: Callable[..., Report]) -> None:
    report = fleet()
    del report["groups"][0]
    groups = view(report).groups
    told = [flow.id for group in groups for flow in group.flows]
    assert sorted(told) == sorted(flow["id"] for flow in report["flows"] if flow["status"] != "ok")


def test_groups_may_name_flows_by_name(demo: Callable[[], Report]) -> None:
    assert [(group.code, [flow.name for flow in group.flows]) for group in view(demo()).groups] == [
        ("firewall_drop", ["web-to-db"]),
        ("path_drop", ["web-to-cache"]),
        ("accept_queue_full", ["web-to-queue"]),
    ]


def test_an_endless_timeline_is_cut_and_the_rest_counted(demo: Callable[[], Report]) -> None:
    report = demo()
    report["flows"][0]["timeline"] *= 1000
    flow = view(report).flows[0]
    assert (len(flow.packets), flow.packets_left_out) == (PACKETS, 12_000 - PACKETS)
