# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translations that a SYN does not get because of rules ahead, of rulesets that the kernel has."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._firewall.test_missed import ASK, END, NETWORK, SYN
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

PRE = "nft 'table ip n {{ chain other {{ {1}; }}; chain c {{ type nat hook prerouting priority -100; {0}; }}; }}'"
DNAT = "tcp dport 5432 dnat to 10.9.1.12"


def hidden(rules: str, **question: object) -> tuple[list[str], str, tuple[str, int]] | None:
    """The rules that take the SYN, the one that would translate it, and where to."""
    asked = {**SYN, "interface": "eth0", "state": "new", "missed": True, **question}
    with Rootless() as network:
        network.sh(NETWORK + rules)
        told: dict[str, t.Any] = network.python("_firewall.verdicts", ASK.format(question=asked))["hidden"]
    if told is None:
        return None
    return [rule["text"] for rule in told["by"]], told["translating"]["text"], (told["destination"], told["port"])


@pytest.mark.parametrize(
    ("rules", "by"),
    [
        (PRE.format(f"ip saddr 10.9.1.0/24 return; {DNAT}", ""), ["ip saddr 10.9.1.0/24 return"]),
        (PRE.format(f"ip saddr 10.9.1.0/24 accept; {DNAT}", ""), ["ip saddr 10.9.1.0/24 accept"]),
        (PRE.format(f"jump other; {DNAT}", "tcp dport 5432 accept"), ["tcp dport 5432 accept"]),
        (PRE.format(f"goto other; {DNAT}", "tcp dport 80 accept"), ["goto other"]),
        (PRE.format(f"iif eth0 return; ip saddr 10.9.1.0/24 accept; {DNAT}", ""), ['iif "eth0" return', "ip saddr 10.9.1.0/24 accept"]),
        (
            PRE.format(DNAT, "") + "; nft 'table ip r { chain c { type filter hook prerouting priority -300; tcp dport 5432 notrack; }; }'",
            ["tcp dport 5432 notrack"],
        ),
    ],
)
def test_rules_ahead_take_it(rules: str, by: list[str]) -> None:
    assert hidden(rules) == (by, DNAT, END)


@pytest.mark.parametrize("tool", ["iptables-nft", "iptables-legacy"])
def test_rules_of_iptables(tool: str) -> None:
    rules = f"{tool} -t nat -A PREROUTING -s 10.9.1.0/24 -j RETURN; {tool} -t nat -A PREROUTING -p tcp --dport 5432 -j DNAT --to 10.9.1.12"
    found = hidden(rules)
    assert found is not None
    assert (len(found[0]), found[2]) == (1, END)


@pytest.mark.parametrize(
    "rules",
    [
        PRE.format(f"ip saddr 10.9.8.0/24 return; {DNAT}", ""),  # others are taken
        PRE.format(f"jump other; {DNAT}", "return"),  # it comes back
        PRE.format("iif eth0 return; tcp dport 5433 dnat to 10.9.1.12", ""),  # another port's
        PRE.format("tcp dport 5432 return; dnat to 10.9.1.12", ""),  # any port's, such as a proxy's
        PRE.format("iif eth0 return; tcp dport 5432 dnat to 10.9.2.1", ""),  # where it goes anyway
        PRE.format(DNAT, "") + "; nft 'table ip r { chain c { type filter hook prerouting priority -150; accept; }; }'",  # not of NAT
    ],
)
def test_nothing_is_hidden(rules: str) -> None:
    assert hidden(rules) is None


def test_all_ports_of_an_address_that_is_not_the_hosts_own() -> None:
    rules = PRE.format("ip daddr 10.9.2.9 tcp dport 5432 return; ip daddr 10.9.2.9 dnat to 10.9.1.12", "")
    assert hidden(rules, direction="forward", destination="10.9.2.9") == (
        ["ip daddr 10.9.2.9 tcp dport 5432 return"],
        "ip daddr 10.9.2.9 dnat to 10.9.1.12",
        END,
    )
