# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal report: worst first, each cause once, never wider than the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.terminal import ansi, render
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.text import cells

Report = dict[str, Any]


def test_a_broken_flow_reads_as_one_block(demo: Callable[[], Report]) -> None:
    block = render(demo(), width=100).split("\n\n")[1].splitlines()
    assert block[0] == "web1 -> db1 10.0.2.21:5432   BROKEN  SYN dropped at db1, server.firewall" + "[likely]".rjust(28)
    assert block[1].startswith("    firewall_drop: A netfilter chain on db1 (table inet filter")
    assert "    db1 recording: SYN reached eth0 9 times; no SYN-ACK and no RST left" in block
    assert "    fix: accept 10.0.1.11 -> tcp/5432 ahead of the drop in table inet filter, chain input (risk:" in block
    assert "        $ nft insert rule inet filter input position 12 ip saddr 10.0.1.11 tcp dport 5432 accept" in block
    assert "    not observed: nft on db1: not installed, so no rule counters" in block
    assert any(line.startswith("    would decide: run with become on db1") for line in block)


def test_the_worst_comes_first_and_the_healthy_last(demo: Callable[[], Report]) -> None:
    text = render(demo(), width=100)
    assert text.startswith("4 flows: 3 broken, 1 ok")
    assert text.splitlines()[-1] == "web1 -> app1 10.0.2.11:8080   OK  connected 3 of 3 in 0.26 ms"


def test_a_packet_lost_between_hosts_names_both(demo: Callable[[], Report]) -> None:
    assert "BROKEN  SYN lost between r1 and cache1, path.forward" in render(demo(), width=100)


def test_a_refused_connection_is_not_called_dropped(demo: Callable[[], Report]) -> None:
    report = demo()
    report["flows"][1]["probes"]["errors"] = {"ECONNREFUSED": 3}
    assert "SYN refused at db1, server.firewall" in render(report, width=100)


def test_a_packet_that_never_left_is_not_called_lost(demo: Callable[[], Report]) -> None:
    report = demo()
    report["flows"][1] |= {"segment": "client.route", "timeline": []}
    assert "SYN never sent by web1, client.route" in render(report, width=100)
    report["flows"][1]["vantages"][0]["recorded"] = False
    assert "SYN never sent" not in render(report, width=100)


def test_a_packet_whose_end_nobody_knows_is_only_last_seen(demo: Callable[[], Report]) -> None:
    report = demo()
    report["flows"][1] |= {"status": "undetermined", "segment": None, "causes": []}
    assert "UNDETERMINED  SYN last seen at db1\n" in render(report, width=100)


def test_what_a_dead_client_could_not_try_is_one_group(fleet: Callable[..., Report]) -> None:
    report = fleet()
    why = "no handshake was tried, because dead cannot be reached: make it reachable for Ansible"
    for flow in report["flows"][::9]:
        flow |= {"client": "dead", "status": "undetermined", "leg": None, "segment": None, "between": None, "last_seen": None}
        flow |= {"causes": [], "undecided": [why], "not_observed": [], "remarks": []}
        flow["probes"] = {"attempts": 0, "connected": 0, "errors": {}, "connect_ms": None}
    report["groups"] = []
    many = len(report["flows"][::9])
    text = render(report, width=100)
    assert f"   {many} flows  undetermined  not tried from dead\n" in text
    assert text.count("UNDETERMINED  no attempt was made") == 1
    assert f"... and {many - 1} more of the same, see report.html" in text


def test_five_hundred_flows_fit_on_a_few_screens(fleet: Callable[..., Report]) -> None:
    text = render(fleet(), width=100)
    lines = text.splitlines()
    assert len(lines) < 100
    assert lines[0].startswith("500 flows: 75 broken, 1 undetermined, 8 degraded, 416 ok")
    assert lines[2] == "root causes"
    assert lines[3].startswith("   50 flows  broken        firewall_drop at db3 [likely]: ")
    assert text.count("firewall_drop: A netfilter chain") == 1
    assert "    ... and 49 more of the same cause, see report.html: web2, web3, web4" in text
    assert re.search(r"^db3 10\.0\.2\.3:5432 +50$", text, re.MULTILINE)
    assert re.search(r"^app1 10\.0\.2\.1:8080 +1 +49 +0\.26 ms$", text, re.MULTILINE)


def test_many_root_causes_are_cut_and_the_rest_is_counted(fleet: Callable[..., Report]) -> None:
    report = fleet()
    for number, flow in enumerate(report["flows"]):
        for cause in flow["causes"]:
            cause["host"] = f"host{number}"
    report["groups"] = []
    assert "... and 64 more root causes, see the page" in render(report, width=100, where="the page")


def test_no_flow_at_all() -> None:
    assert render({"flows": []}, width=80) == "no flows\n"


@pytest.mark.parametrize("width", [40, 72, 100, 180])
def test_colours_change_no_text(fleet: Callable[..., Report], width: int) -> None:
    plain = render(fleet(), width=width)
    painted = render(fleet(), width=width, style=ansi)
    assert "\x1b[1;31mBROKEN\x1b[0m" in painted
    assert re.sub("\x1b\\[[0-9;]*m", "", painted) == plain


@settings(max_examples=30)
@given(text=st.text(min_size=1, max_size=200), width=st.integers(40, 120))
def test_a_host_cannot_move_the_cursor_or_leave_its_line(hostile: Callable[[str], Report], text: str, width: int) -> None:
    for line in render(hostile(text), width=width).split("\n"):
        assert line.isprintable()
        assert cells(line) <= width


def test_what_was_tried_for_comparison_is_said(demo: Callable[[], Report], probed: Callable[[int], Report]) -> None:
    text = render(probed(8), width=300)
    said = "also tried, for comparison: w0 -> db1:5432 broken (firewall_drop at db1); w1 -> db1:5432 ok; "
    assert said in text and "w5 -> db1:5432 ok; 2 more\n" in text and "w6" not in text
    assert "for comparison" not in render(demo(), width=300)


def test_what_fails_is_told_before_the_root_causes(demo: Callable[[], Report]) -> None:
    probe = {"client": "web2", "server": "db1", "port": 5432}
    found = {"summary": "server db1: 3 of 3 fail", "entries": ["a", "b", "c"], "rivals": ["port 5432"], "next_probe": probe}
    text = render(demo() | {"isolated": [found]}, width=100)
    said = "\nwhat fails: server db1: 3 of 3 fail; or: port 5432; would decide: web2 -> db1:5432\n"
    assert text.index(said) < text.index("firewall_drop")


def of_proven(demo: Callable[[], Report], *causes: tuple[str, str]) -> Report:
    """As many flows as causes, each proven at its host, and the pattern that they have in common."""
    base = demo()["flows"][1]
    flows = [
        base | {"id": str(number), "name": str(number), "causes": [base["causes"][0] | {"code": code, "host": host, "certainty": "proven"}]}
        for number, (code, host) in enumerate(causes)
    ]
    found = {"summary": "server db1: all fail", "entries": [flow["id"] for flow in flows], "causes": [list(cause) for cause in causes]}
    return demo() | {"flows": flows, "isolated": [found]}


@pytest.mark.parametrize(
    ("causes", "said"),
    [
        ([("no_listener", "db1")], False),
        ([("no_listener", "db1"), ("accept_queue_full", "db1")], False),
        ([("path_drop", "path"), ("no_listener", "db1")], True),
        ([("firewall_drop", "db1"), ("firewall_drop", "db2")], True),
    ],
    ids=["a single one", "each proven by itself", "one on the path", "the same at several hosts"],
)
def test_what_fails_is_said_where_the_root_causes_do_not(demo: Callable[[], Report], causes: list[tuple[str, str]], said: bool) -> None:
    assert ("what fails: server db1" in render(of_proven(demo, *causes), width=100)) == said


def test_what_several_root_causes_could_not_observe_is_said_once(demo: Callable[[], Report]) -> None:
    report = of_proven(demo, ("no_listener", "db1"), ("accept_queue_full", "db1"))
    report["flows"][0]["not_observed"] = ["db1: logs: denied", "only here"]
    report["flows"][1]["not_observed"] = ["db1: logs: denied"]
    text = render(report, width=100)
    assert text.count("db1: logs: denied") == 1
    assert text.index("not observed: only here") < text.index("not observed, of several of these\n    db1: logs: denied\n")
