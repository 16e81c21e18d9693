# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module firewall_rule and its rehearsal take the same arguments, and refuse the same."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.arguments import read
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.loaded import Place
from ansible_collections.threeway.handshake.plugins.module_utils._work import rehearsed

GOOD: dict[str, Any] = {"chain": "input", "source": "192.0.2.11", "destination": "192.0.2.21", "port": 5432}
MODULE = "threeway.handshake.firewall_rule"


def test_what_is_rehearsed_is_what_the_module_makes() -> None:
    place, accepted = read(GOOD)
    assert place == Place("nft", "inet", "filter", "input")
    assert rehearsed.read(MODULE, {**GOOD, "before": "0" * 16}) == rehearsed.Rule(place, accepted, "0" * 16)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"source": "db1"}, "source is 'db1', which is no IP address"),
        ({"destination": None}, "destination is None, which is no IP address"),
        ({"port": 70000}, "port is 70000: give a number from 1 to 65535"),
        ({"port": 0}, "port is 0: give a number from 1 to 65535"),
        ({"port": True}, "port is True: give a number from 1 to 65535"),
        ({"port": None}, "give one of port and source_port"),
        ({"source_port": 1}, "give one of port and source_port"),
        ({"variant": "ipfw"}, "variant is 'ipfw': give one of nft"),
        ({"family": "ip7"}, "family is 'ip7': give one of ip,"),
        ({"variant": "iptables-nft", "family": "ip6"}, "keeps ip and ip6 apart"),
        ({"chain": None}, "no name of a table or chain"),
        ({"chain": "input; flush ruleset"}, "no name of a table or chain"),
        ({"in_interface": "a b"}, "cannot stand in a rule as an interface"),
    ],
)
def test_both_refuse_the_same(wrong: dict[str, Any], says: str) -> None:
    for refuse in (read, lambda arguments: rehearsed.read(MODULE, arguments)):
        with pytest.raises(ObserveError, match=says):
            refuse({**GOOD, **wrong})
