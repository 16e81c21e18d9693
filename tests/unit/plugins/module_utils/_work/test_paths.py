# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._host import links, policy_rules
from ansible_collections.threeway.handshake.plugins.module_utils._work.paths import observe


def test_the_way_to_oneself() -> None:
    answer = observe([{"address": "127.0.0.1"}, {"address": "0:0:0:0:0:0:0:1"}])
    assert answer["absent"] == []
    assert [(path["address"], path["type"], path["interface"], path["neighbour"]) for path in answer["paths"]] == [
        ("127.0.0.1", "local", "lo", None),
        ("::1", "local", "lo", None),
    ]
    # Without rules of its own, a namespace has local and main in one trie, and the kernel may name either.
    assert answer["paths"][0]["table"] in (254, 255)
    assert answer["paths"][1]["rule"] == {"priority": 0, "text": "from all lookup local"}


def test_rules_and_neighbours_that_cannot_be_read_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_arguments: object) -> t.NoReturn:
        raise ObserveError("not today")

    monkeypatch.setattr(policy_rules, "rules", unreadable)
    monkeypatch.setattr(links, "neighbours", unreadable)
    answer = observe([{"address": "127.0.0.1"}])
    assert answer["paths"][0]["type"] == "local"
    assert answer["paths"][0]["rule"] is None
    assert answer["absent"] == [{"what": "rules", "why": "not today"}, {"what": "neighbours", "why": "not today"}]


@pytest.mark.parametrize(
    ("destination", "sentence"),
    [
        ({"address": "db"}, "'db' is not an IP address"),
        ({"address": "127.0.0.1", "source": "db"}, "'db' is not an IP address"),
        ({"address": "127.0.0.1", "source": "::1"}, "of different address families"),
        ({"address": "127.0.0.1", "mark": 1 << 32}, "mark is 4294967296"),
        ({"address": "127.0.0.1", "uid": -1}, "uid is -1"),
        ({"address": "127.0.0.1", "port": 0}, "port is 0: give a number from 1 to 65535"),
        ({"address": "127.0.0.1", "device": "eth99"}, "there is no interface eth99"),
        ({"address": "127.0.0.1", "arrives_on": "lo"}, "local is missing"),
    ],
)
def test_wrong_input_is_one_sentence(destination: dict[str, t.Any], sentence: str) -> None:
    with pytest.raises(ObserveError, match=sentence):
        observe([destination])
