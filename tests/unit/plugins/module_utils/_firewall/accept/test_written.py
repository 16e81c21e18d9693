# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our rule in files as people write them: on a line of its own in front of the other, or not at all."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.loaded import Place
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.words import MOST_COMMENT, Accepted
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.written import has_rule, with_rule, without_rule

FLOW = Accepted("192.0.2.11", "192.0.2.21", 5432, None, False)
NFT = Place("nft", "inet", "filter", "input")
XTABLES = Place("iptables-nft", "ip", "filter", "INPUT")
STOPPING: dict[str, t.Any] = {}  # which rule it is was decided before: only whether there is one counts here
OURS = FLOW.nft()


def test_flows_that_differ_have_marks_that_differ_and_fit() -> None:
    long = [f"2001:db8:1111:2222:3333:4444:5555:{last}" for last in ("6666", "7777")]
    several = [Accepted(*long, 15432, None, False, *ways) for ways in ((), ("enp129s0f0np1",), ("enp129s0f0np2",), (None, "enp129s0f0np1"))]
    assert len({each.tag for each in several}) == len(several)
    assert max(len(each.tag) for each in several) <= MOST_COMMENT


def inserted(text: str, line: int, before: dict[str, t.Any] | None, place: Place = NFT) -> list[str]:
    """The lines that are new; the rest is as it was."""
    changed = with_rule(text, place, FLOW, line, before)
    assert has_rule(changed, FLOW)
    assert without_rule(changed, FLOW) == text
    return [f"{number}: {found}" for number, found in enumerate(changed.splitlines(), 1) if FLOW.tag in found]


def test_before_a_rule_in_its_block_with_its_indent() -> None:
    text = "table inet filter {\n\tchain input {\n\t\ttcp dport { 22, 5432 } drop; # old\n\t}\n}\n"
    assert inserted(text, 3, STOPPING) == [f"3: \t\t{OURS}"]


def test_before_a_rule_that_goes_on_in_the_next_line() -> None:
    assert inserted("chain input {\n  tcp dport 5432 \\\n    drop\n}\n", 2, STOPPING) == [f"2:   {OURS}"]


def test_before_a_command() -> None:
    text = "add rule inet filter input tcp dport 5432 drop\n"
    assert inserted(text, 1, STOPPING) == [f"1: add rule inet filter input {OURS}"]


def test_at_the_end_of_the_chain_with_the_policy() -> None:
    chain = "  chain input {%stype filter hook input priority 0; policy drop;\n    tcp dport { 22 } accept\n  }\n}\n"
    assert inserted("table inet filter {\n" + chain % "\n    ", 3, None) == [f"5:   \t{OURS}"]
    assert inserted("table inet filter {\n" + chain % " ", 2, None) == [f"4:   \t{OURS}"]


def test_at_the_end_of_a_table_of_iptables() -> None:
    text = "*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n"
    (line,) = inserted(text, 5, None, XTABLES)
    assert line.startswith('7: -A INPUT -s 192.0.2.11 -d 192.0.2.21 -p tcp --dport 5432 -m comment --comment "threeway.handshake: ')


@pytest.mark.parametrize(
    ("text", "line", "before", "says"),
    [
        ("chain input { tcp dport 5432 drop; }\n", 1, STOPPING, "more than that rule"),
        ("tcp dport 22 accept; tcp dport 5432 drop\n", 1, STOPPING, "more than that rule"),
        ("insert rule inet filter input tcp dport 5432 drop\n", 1, STOPPING, "more than that rule"),
        ("chain input { policy drop; }\n", 1, None, "more than the brace"),
        ("chain input {\n policy drop;\n", 2, None, "does not end"),
        ("tcp dport 5432 drop\n", 2, STOPPING, "beyond the end"),
    ],
)
def test_what_takes_more_than_a_line_is_for_people(text: str, line: int, before: dict[str, t.Any] | None, says: str) -> None:
    with pytest.raises(ObserveError, match=says):
        with_rule(text, NFT, FLOW, line, before)


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(ObserveError, match="no table filter"):
        with_rule("*nat\nCOMMIT\n", XTABLES, FLOW, 1, None)
