# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall import prose
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import Action, Change, Undecided


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        ([], None),
        ([Action("accept")], "accept"),
        ([Action("set", "mark 0x1"), Action("jump", "web")], "set mark 0x1, jump web"),
        ([Action("dnat", "10.0.2.22:5999"), Action("accept")], "dnat to 10.0.2.22:5999, accept"),
        ([Action("reject", "tcp-reset")], "reject with tcp-reset"),
        ([Action("set", "ct mark")], "set ct mark to an unknown value"),
        ([Action("redirect"), Action("drop")], "redirect to an interface without a suitable address, drop"),
        ([Action("unread_queue", "queue 3"), Action("drop")], "pass queue 3, which nobody reads, drop"),
        ([Action("add", "set banned")], "add to set banned"),
        ([Action("jump", "{0} {braces}")], "jump {0} {braces}"),
    ],
)
def test_effects_in_words(effects: list[Action], words: str) -> None:
    assert prose.effect(effects, of_a_policy=False) == words


def test_a_policy_and_what_depends_on_an_unknown() -> None:
    assert prose.effect([Action("drop")], of_a_policy=True) == "policy drop"
    assert prose.change(Change(Action("snat", "10.0.2.1"), sure=False)) == "perhaps snat to 10.0.2.1"


@pytest.mark.parametrize(
    ("undecided", "words"),
    [
        (None, None),
        (Undecided("limit", "ct count 5", "drop", "accept"), "it depends on ct count 5: drop if not, accept if so"),
        (Undecided("unknown", "ip ttl < 5"), "where it goes depends on ip ttl < 5"),
        (Undecided("too_many", "ip ttl < 5"), "it depends on too many unknowns, such as ip ttl < 5"),
        (Undecided("unsupported", "osf is not modelled"), "osf is not modelled"),
    ],
)
def test_unknowns_in_words(undecided: Undecided | None, words: str | None) -> None:
    assert prose.because(undecided) == words
