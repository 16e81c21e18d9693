# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elements of sets that stop a SYN, or lack, of rulesets that the kernel has; and what their commands do to the kernel's own rules."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

NETWORK = """
ip link add eth0 type veth peer name eth1; ip link set eth0 up; ip link set eth1 up
ip address add 10.9.1.1/24 dev eth0; ip address add 10.9.2.1/24 dev eth1
"""
SYN = {"packet": "syn", "direction": "in", "source": "10.9.1.11", "source_port": 40000, "destination": "10.9.2.1", "port": 5432,
       "interface": "eth0", "state": "new", "missed": True}  # fmt: skip
ASK = """(lambda subprocess: verdicts.observe([{question}], lambda command, data=None: (lambda done: (
    done.returncode, done.stdout, done.stderr))(subprocess.run(command, input=data, capture_output=True, text=True)
)))(__import__('subprocess'))['verdicts'][0]"""
NFT = """nft 'table ip f {{
    set one {{ type ipv4_addr; flags timeout; elements = {{ 10.9.1.11 timeout 1h comment "scans", 10.9.1.99 }}; }}
    set wide {{ type ipv4_addr; flags interval; elements = {{ 10.9.0.0/16, 192.0.2.0/24 }}; }}
    set near {{ type ipv4_addr; flags interval; elements = {{ 10.9.1.12-10.9.1.14, 10.9.7.0/24, 192.0.2.0/24 }}; }}
    set far {{ type ipv4_addr; elements = {{ 192.0.2.1 }}; }}
    set ports {{ type ipv4_addr . inet_service; elements = {{ 10.9.1.11 . 5433 }}; }}
    set spans {{ type ipv4_addr . inet_service; flags interval; elements = {{ 10.9.1.0/24 . 5400-5500 }}; }}
    map ends {{ type ipv4_addr : verdict; flags interval; elements = {{ 10.9.1.0/24 : drop }}; }}
    chain c {{ type filter hook input priority 0; {}; }}
}}'"""
IPSETS = """
ipset create one hash:ip timeout 0 comment; ipset add one 10.9.1.11 timeout 3600 comment scans
ipset create nets hash:net; ipset add nets 10.9.0.0/16; ipset add nets 10.9.1.0/24
ipset create near hash:ip,port; ipset add near 10.9.1.11,tcp:5433
ipset create both list:set; ipset add both near; ipset add both one
{}"""
COUNT = """(lambda walks: (
    sys.setprofile(lambda frame, event, _what: walks.append(1) if (event, frame.f_code) == ("call", walk.Walk.run.__code__) else None),
    {}, sys.setprofile(None), len(walks)
))([])"""
SETS = ("set", "elements", "alone", "nearest")


def found(rules: str, typed: bool = True, **question: object) -> list[tuple[t.Any, ...]]:
    """What is found in sets; what is to be typed changes the verdict to accept."""
    with Rootless() as network:
        network.sh(NETWORK + rules)
        ask = ASK.format(question={**SYN, **question})
        told: dict[str, t.Any] = network.python("_firewall.verdicts", ask)
        first = told["sets"][0]["commands"] if told["sets"] else ()
        if first and typed:
            network.sh("\n".join(first))
            assert network.python("_firewall.verdicts", ask)["verdict"] == "accept"
    return [tuple(each[name] for name in SETS) for each in told["sets"]]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("ip saddr @one drop", ("one", ["10.9.1.11"], True, None)),
        ("ip saddr @wide drop", ("wide", ["10.9.0.0/16"], False, None)),
        ("ip saddr @wide tcp dport 5432 reject", ("wide", ["10.9.0.0/16"], False, None)),
        ("ip saddr . tcp dport @spans drop", ("spans", ["10.9.1.0/24 . 5400-5500"], False, None)),
        ("ip saddr vmap @ends", ("ends", ["10.9.1.0/24"], False, None)),
        ("ip saddr @near tcp dport 5432 accept; tcp dport 5432 drop", ("near", [], False, "10.9.1.12-10.9.1.14")),
        ("ip saddr @far tcp dport 5432 accept; tcp dport 5432 drop", ("far", [], False, None)),
        ("ip saddr . tcp dport @ports accept; tcp dport 5432 drop", ("ports", [], False, "10.9.1.11 . 5433")),
        ("ip saddr != @near drop", ("near", [], False, "10.9.1.12-10.9.1.14")),
    ],
)
def test_an_element_of_nf_tables(rules: str, expected: tuple[t.Any, ...]) -> None:
    assert found(NFT.format(rules)) == [expected]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("-m set --match-set one src -j DROP", ("one", ["10.9.1.11"], True, None)),
        ("-m set --match-set nets src -j DROP", ("nets", ["10.9.1.0/24", "10.9.0.0/16"], False, None)),
        ("-m set --match-set both src,dst -j DROP", ("one", ["10.9.1.11"], True, None)),
        ("-m set ! --match-set near src,dst -j DROP", ("near", [], False, "10.9.1.11,tcp:5433")),
    ],
)
def test_a_member_of_an_ipset(rule: str, expected: tuple[t.Any, ...]) -> None:
    assert found(IPSETS.format(f"iptables-nft -A INPUT -p tcp {rule}")) == [expected]


def test_an_element_without_which_it_depends_on_a_limit() -> None:
    limited = "ip saddr @one drop; tcp dport 5432 limit rate over 5/second drop"
    assert found(NFT.format(limited), typed=False) == [("one", ["10.9.1.11"], True, None)]


@pytest.mark.parametrize(
    "rules",
    [
        "ip saddr @wide drop; tcp dport 5432 drop",  # behind it, another rule stops the SYN
        "ip saddr @wide ip saddr @one drop; ip saddr @one drop; ip saddr @wide drop",
        "ip saddr { 10.9.0.0/16 } drop",  # without a name
        "ip saddr @one accept; tcp dport 22 drop",
        "ip saddr @far accept; tcp dport 5432 drop",  # lets in whoever is in the set, for any port
    ],
)
def test_what_a_set_does_not_decide_alone(rules: str) -> None:
    assert found(NFT.format(rules)) == []


def test_who_fills_it_and_how_long_it_stays() -> None:
    with Rootless() as network:
        network.sh(NETWORK + NFT.format("ip saddr @one drop; tcp dport 23 add @one { ip saddr }"))
        told = network.python("_firewall.verdicts", ASK.format(question=SYN))["sets"][0]
    assert 3500 < told["expires"] <= 3600
    assert (told["comment"], told["key"], told["count"]) == ("scans", "10.9.1.11", 2)
    assert told["filled_by"]["text"] == "tcp dport 23 add @one { ip saddr }"


@pytest.mark.parametrize("sets", [1, 200])
def test_many_rules_that_look_into_sets_cost_little(sets: int) -> None:
    """As lists of senders that are counted, ahead of the rule that stops them."""
    declared = "".join(f"set s{number} {{ type ipv4_addr; elements = {{ 10.9.1.11 }}; }}; " for number in range(sets))
    rules = "".join(f"ip saddr @s{number % sets} counter; " for number in range(400))
    ruleset = f"table ip f {{ {declared} chain c {{ type filter hook input priority 0; {rules} tcp dport 5432 drop; }}; }}"
    with Rootless() as network:
        network.sh(f"{NETWORK}\nnft '{ruleset}'")
        _start, told, _end, walks = network.python("_firewall.verdicts, _firewall.walk", COUNT.format(ASK.format(question=SYN)))
    assert (told["verdict"], told["sets"]) == ("drop", [])
    assert walks < 100
