# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ticket: its structure is ours, its words are the report's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.markdown import render

Report = dict[str, Any]


def test_a_ticket_has_verdict_cause_evidence_and_fix(demo: Callable[[], Report]) -> None:
    lines = render(demo()).splitlines()
    assert r"## BROKEN: web1 -\> db1 10.0.2.21:5432" in lines
    assert r"**SYN dropped at db1, server.firewall** \[likely\]" in lines
    assert "| db1 | recording | SYN reached eth0 9 times; no SYN-ACK and no RST left |" in lines
    assert any(line.startswith("**Fix** on db1: accept 10.0.1.11") for line in lines)
    assert "| inet filter input, handle 12 | tcp dport 5432 (yes) | drop | 9 |" in lines
    assert "- nft insert rule inet filter input position 12 ip saddr 10.0.1.11 tcp dport 5432 accept" in lines
    assert "- undo: nft delete rule inet filter input handle 13" in lines
    assert "- check: the rule's counter rises" in lines
    assert "| app1 10.0.2.11:8080 | 0 | 0 | 0 | 1 |" in lines


def test_a_root_cause_is_told_once(fleet: Callable[..., Report]) -> None:
    text = render(fleet())
    assert text.count("**Cause** firewall_drop") == 1
    assert r"web21 -\> db3 10.0.2.3:5432 and 29 more" in text
    assert len(text.splitlines()) < 200


@settings(max_examples=30)
@given(text=st.text(min_size=1, max_size=80).filter(lambda text: not text.isspace()))
@example("| a |\n## heading\n<script>")
def test_a_host_cannot_add_to_the_structure(hostile: Callable[[str], Report], text: str) -> None:
    def structure(report: str) -> list[tuple[str, int]]:
        return [(line[:2].strip(), len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))) for line in report.splitlines()]

    out = render(hostile(text))
    assert structure(out) == structure(render(hostile("harmless")))
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>\[\]]", out)
    assert all(line.isprintable() for line in out.split("\n"))


def test_what_was_tried_for_comparison_is_said(demo: Callable[[], Report], probed: Callable[[int], Report]) -> None:
    text = render(probed(2))
    assert "- also tried, for comparison: w0 -\\> db1:5432 broken (firewall_drop at db1); w1 -\\> db1:5432 ok\n" in text
    assert "for comparison" not in render(demo())


def test_what_fails_is_told_before_the_root_causes(demo: Callable[[], Report]) -> None:
    found = {"summary": "server db1: 3 of 3 fail", "entries": ["a", "b", "c"], "rivals": ["port 5432"], "next_probe": None}
    text = render(demo() | {"isolated": [found]})
    assert text.index("- what fails: server db1: 3 of 3 fail; or: port 5432\n") < text.index("## BROKEN")
    assert "**Advice** look at the router" in text
