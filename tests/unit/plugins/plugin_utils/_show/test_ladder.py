# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ladder: where lines start, end and break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._report.read import view
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.ladder import ROWS, Line, at, columns, ladder, retransmission

Report = dict[str, Any]
Flow = dict[str, Any]


def drawn(flow: Flow, attempt: int = 0) -> list[Line]:
    return ladder(view({"flows": [flow]}).flows[0], attempt)


def places(flow: Flow) -> dict[str, int]:
    return {vantage.host: column for column, vantage in enumerate(columns(view({"flows": [flow]}).flows[0]))}


def crosses(lines: list[Line]) -> list[float]:
    return [line.end for line in lines if line.lost]


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
    assert list(places(flow)) == ["web1", "r1", "r2", "cache1"]
    assert [vantage.recorded for vantage in columns(view({"flows": [flow]}).flows[0])] == [True, True, False, True]


def test_a_packet_that_vanished_between_hosts_ends_between_them(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0)], lost=True)]
    assert 0 < crosses(drawn(flow))[0] < 1


def test_where_nobody_recorded_the_doubt_spans_all_of_it(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0), ("r1", "a", "in", 0.1), ("r1", "b", "out", 0.2)], lost=True)]
    (line,) = drawn(flow)
    at = places(flow)
    assert (line.seen[-1][0], line.doubt) == (at["r1"], at["cache1"])
    assert at["r1"] < line.end < at["cache1"]


def test_a_packet_that_a_host_swallowed_ends_at_that_host(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0), ("r1", "a", "in", 0.1)], lost=True)]
    assert crosses(drawn(flow)) == [places(flow)["r1"]]


def test_a_packet_that_the_report_saw_last_at_a_host_ends_there(demo: Callable[[], Report]) -> None:
    flow = demo()["flows"][1]
    assert crosses(drawn(flow)) == [places(flow)["db1"]] * 3
    assert not crosses(drawn(flow | {"status": "degraded"}))


def test_a_packet_that_was_answered_has_no_cross(demo: Callable[[], Report]) -> None:
    flow = demo()["flows"][3]
    assert len(crosses(drawn(flow))) == 1  # the first SYN; the second was answered
    said = [line.packet.label + " lost" * line.lost for line in drawn(flow | {"leg": "ack"})]
    assert said == ["SYN", "SYN", "SYN-ACK", "ACK lost", "SYN-ACK", "ACK lost", "RST"]


def test_a_server_that_is_no_vantage_point_has_a_column(flow: Flow) -> None:
    flow |= {"vantages": flow["vantages"][:1], "server": None, "timeline": [packet(seen=[("web1", "eth0", "out", 0.0)])]}
    assert list(places(flow)) == ["web1", "10.0.3.31"]
    assert [(line.seen, line.end) for line in drawn(flow)] == [(((0, 0.0),), 1)]


def test_a_lost_packet_that_a_router_answered_did_not_arrive(flow: Flow) -> None:
    answer = packet(seen=[("web1", "eth0", "in", 0.2)], packet="icmp", **{"from": "192.0.2.9"})
    flow |= {"last_seen": {"host": "web1", "interface": "eth0"}, "vantages": flow["vantages"][:1]}
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0)]), answer]
    assert 0 < crosses(drawn(flow))[0] < 1


def test_a_second_ack_is_no_retransmission(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", 0.0)], packet=kind, transmission=2) for kind in ("ack", "syn")]
    assert [retransmission(line.packet) for line in drawn(flow)] == ["", "retransmission 1"]


def test_time_runs_down_even_where_clocks_disagree(flow: Flow) -> None:
    flow["timeline"] = [
        packet(seen=[("web1", "eth0", "out", 5.0), ("cache1", "eth0", "in", 4.0)]),
        packet(seen=[("web1", "eth0", "out", 1029.0)], transmission=2),
    ]
    lines = drawn(flow)
    for line in lines:
        times = [t_ms for _column, t_ms in line.seen]
        assert times == sorted(times)
    assert [at(line.start_ms) for line in lines] == ["5.00 ms", "1.0290 s"]


def test_an_answer_runs_from_right_to_left(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("cache1", "eth0", "out", 1.0), ("web1", "eth0", "in", 1.2)], packet="syn_ack", **{"from": "server"})]
    (line,) = drawn(flow)
    assert (line.onward, [column for column, _t_ms in line.seen]) == (-1, [places(flow)["cache1"], places(flow)["web1"]])


def test_an_error_of_a_router_that_we_do_not_manage_comes_from_beyond(flow: Flow) -> None:
    flow["timeline"] = [
        packet(seen=[("r1", "b", "in", 1.0), ("r1", "a", "out", 1.1), ("web1", "eth0", "in", 1.2)], packet="icmp", **{"from": "192.0.2.9"})
    ]
    (line,) = drawn(flow)
    assert line.stranger
    assert places(flow)["r1"] < line.origin < places(flow)["r2"]


def test_what_only_the_far_end_saw_is_dashed_from_its_sender(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("cache1", "eth0", "in", 1.0)])]
    (line,) = drawn(flow)
    assert (line.origin, line.seen, line.end) == (0, ((3, 1.0),), 3)


def test_a_storm_of_packets_is_bounded(flow: Flow) -> None:
    flow["timeline"] = [packet(seen=[("web1", "eth0", "out", float(number))]) for number in range(ROWS + 10)]
    assert len(drawn(flow)) == ROWS
    assert not drawn(flow, attempt=1)
