# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder: where lines start, end and break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._report.read import view
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.ladder import ROWS, ladder

Report = dict[str, Any]
Flow = dict[str, Any]


def drawn(flow: Flow, attempt: int = 0) -> ElementTree.Element:
    return ElementTree.fromstring(str(ladder(view({"flows": [flow]}).flows[0], attempt)))


def columns(svg: ElementTree.Element) -> dict[str, float]:
    return {text.text or "": float(text.attrib["x"]) for text in svg.iter("text") if text.get("class") == "host"}


def crosses(svg: ElementTree.Element) -> list[float]:
    return [float(path.attrib["d"].removeprefix("M").split()[0]) + 7 for path in svg.iter("path")]


def packet(**fields: Any) -> Flow:
    seen = [dict(zip(("host", "interface", "direction", "t_ms"), item, strict=True)) for item in fields.pop("seen")]
    return (
        {"attempt": 0, "t_ms": seen[0]["t_ms"], "packet": "syn", "label": "SYN", "detail": "", "from": "client"} | fields | {"seen": seen}
    )


@pytest.fixture
def flow(demo: Callable[[], Report]) -> Flow:
    """web1 -> r1 -> r2 (not recorded) -> cache1, without packets."""
    return {**demo()["flows"][2], "timeline": []}


def test_a_column_per_vantage_point_in_order(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0)])]
    svg = drawn(flow)
    assert list(columns(svg)) == ["web1", "r1", "r2", "cache1"]
    assert sorted(columns(svg).values()) == list(columns(svg).values())
    assert [group.get("class") for group in svg.iter("g")][:4] == ["column", "column", "column unseen", "column"]


def test_a_packet_that_vanished_between_hosts_ends_between_them(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0)], lost=True)]
    svg = drawn(flow)
    at = columns(svg)
    assert at["web1"] < crosses(svg)[0] < at["r1"]


def test_where_nobody_recorded_the_doubt_spans_all_of_it(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0), ("r1", "a", "in", 0.1), ("r1", "b", "out", 0.2)], lost=True)]
    svg = drawn(flow)
    at = columns(svg)
    (doubt,) = [line for line in svg.iter("polyline") if line.get("class") == "doubt"]
    ends = [float(point.split(",")[0]) for point in doubt.attrib["points"].split()]
    assert at["r1"] < ends[0] < crosses(svg)[0] < ends[1] < at["cache1"]


def test_a_packet_that_a_host_swallowed_ends_at_that_host(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0), ("r1", "a", "in", 0.1)], lost=True)]
    svg = drawn(flow)
    assert crosses(svg) == [pytest.approx(columns(svg)["r1"], abs=1)]


def test_a_packet_that_the_report_saw_last_at_a_host_ends_there(demo: Callable[[], Report]) -> None:
    flow = demo()["flows"][1]
    svg = drawn(flow)
    assert crosses(svg) == [pytest.approx(columns(svg)["db1"], abs=1)] * 3
    assert not crosses(drawn(flow | {"status": "degraded"}))


def test_a_packet_that_was_answered_has_no_cross(demo: Callable[[], Report]) -> None:
    flow = demo()["flows"][3]
    svg = drawn(flow)
    assert len(crosses(svg)) == 1  # the first SYN; the second was answered
    assert drawn(flow | {"leg": "ack"}).find("title").text == (  # type: ignore[union-attr]
        "Ladder diagram of attempt 1: SYN, then SYN, then SYN-ACK, then ACK lost, then SYN-ACK, then ACK lost, then RST"
    )


def test_a_server_that_is_no_vantage_point_has_a_column(flow: Flow) -> None:
    flow |= {"vantages": flow["vantages"][:1], "server": None, "timeline": [packet(seen=[("web1", "eth0", "out", 0.0)])]}
    svg = drawn(flow)
    assert list(columns(svg)) == ["web1", "10.0.3.31"]
    assert [line.get("class") for line in svg.iter("polyline")] == ["guess"]


def test_a_lost_packet_that_a_router_answered_did_not_arrive(flow: Flow) -> None:
    answer = packet(seen=[("web1", "eth0", "in", 0.2)], packet="icmp", **{"from": "192.0.2.9"})
    flow |= {"last_seen": {"host": "web1", "interface": "eth0"}, "vantages": flow["vantages"][:1]}
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0)]), answer]
    svg = drawn(flow)
    assert columns(svg)["web1"] < crosses(svg)[0] < columns(svg)["10.0.3.31"]


def test_a_second_ack_is_no_retransmission(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0)], packet="ack", transmission=2)]
    assert not [span for span in drawn(flow).iter("tspan") if span.get("class") == "again"]


def test_time_runs_down_even_where_clocks_disagree(flow: Flow) -> None:
    flow["timeline"] = [
        packet(seen=[("web1", "eth0", "out", 5.0), ("cache1", "eth0", "in", 4.0)]),
        packet(seen=[("web1", "eth0", "out", 1029.0)], transmission=2),
    ]
    svg = drawn(flow)
    for line in svg.iter("polyline"):
        heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
        assert heights == sorted(heights)
    words = [text.text for text in svg.iter("text")]
    assert "5.00 ms" in words
    assert "1.0290 s" in words
    assert "1.02 s later" in words
    assert [span.text for span in svg.iter("tspan") if span.get("class") == "again"] == [" retransmission 1"]


def test_an_answer_runs_from_right_to_left(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("cache1", "eth0", "out", 1.0), ("web1", "eth0", "in", 1.2)], packet="syn_ack", **{"from": "server"})]
    svg = drawn(flow)
    (line,) = [line for line in svg.iter("polyline") if line.get("class") == "seen"]
    start, end = (float(point.split(",")[0]) for point in line.attrib["points"].split())
    assert (start, end) == (columns(svg)["cache1"], columns(svg)["web1"])


def test_an_error_of_a_router_that_we_do_not_manage_comes_from_beyond(flow: Flow) -> None:
    flow["timeline"] = [
        packet(seen=[("r1", "b", "in", 1.0), ("r1", "a", "out", 1.1), ("web1", "eth0", "in", 1.2)], packet="icmp", **{"from": "192.0.2.9"})
    ]
    svg = drawn(flow)
    (origin,) = [float(circle.attrib["cx"]) for circle in svg.iter("circle")]
    assert columns(svg)["r1"] < origin < columns(svg)["r2"]
    assert any("from 192.0.2.9" in (span.text or "") for span in svg.iter("tspan"))


def test_what_only_the_far_end_saw_is_dashed_from_its_sender(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("cache1", "eth0", "in", 1.0)])]
    (guess,) = list(drawn(flow).iter("polyline"))
    assert guess.get("class") == "guess"


def test_no_drawing_of_what_nobody_saw(flow: Flow) -> None:
    assert not ladder(view({"flows": [flow]}).flows[0], 0)
    flow["timeline"] = [packet(seen=[("elsewhere", "eth0", "in", 1.0)])]
    assert not ladder(view({"flows": [flow]}).flows[0], 0)


def test_a_storm_is_cut(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", float(n))]) for n in range(500)]
    assert sum((group.get("class") or "").startswith("packet") for group in drawn(flow).iter("g")) == ROWS
