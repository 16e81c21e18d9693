# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that would translate a SYN, or let it through, but for one condition, of rulesets that the kernel has."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

NETWORK = """
ip link add eth0 type veth peer name eth1; ip link set eth0 up; ip link set eth1 up
ip address add 10.9.1.1/24 dev eth0; ip address add 10.9.2.1/24 dev eth1
"""
SYN = {"packet": "syn", "direction": "in", "source": "10.9.1.11", "source_port": 40000, "destination": "10.9.2.1", "port": 5432}
ASK = """(lambda subprocess: verdicts.observe([{question}], lambda command, data=None: (lambda done: (
    done.returncode, done.stdout, done.stderr))(subprocess.run(command, input=data, capture_output=True, text=True)
)))(__import__('subprocess'))['verdicts'][0]"""
PRE = "nft 'table ip n {{ chain out {{ tcp dport 5432 dnat to 10.9.1.12; }}; chain c {{ type nat hook prerouting priority -100; {}; }}; }}'"
IPTABLES = "{} -t nat -A PREROUTING {} -p tcp --dport 5432 -j DNAT --to-destination 10.9.1.12:80"
END = ("10.9.1.12", 5432)


def answers(rules: str, **question: object) -> list[dict[str, t.Any]]:
    asked = {**SYN, "interface": "eth0", "state": "new", "missed": True, **question}
    with Rootless() as network:
        network.sh(NETWORK + rules)
        told: dict[str, t.Any] = network.python("_firewall.verdicts", ASK.format(question=asked))
    return list(told.get("missed", []))


def missed(rules: str, **question: object) -> list[tuple[str, str | None, tuple[str, int]]]:
    """Of each rule that misses the SYN: the condition, what the SYN has there, and where it would go."""
    told = answers(rules, **question)
    return [(each["condition"]["text"], each["condition"]["seen"], (each["destination"], each["port"])) for each in told]


@pytest.mark.parametrize(
    ("rules", "condition", "seen", "end"),
    [
        (PRE.format('iifname "eth1" tcp dport 5432 dnat to 10.9.1.12'), 'iifname "eth1"', 'iifname "eth0"', END),
        (PRE.format("ip daddr 10.9.2.99 tcp dport 5432 dnat to 10.9.1.12"), "ip daddr 10.9.2.99", "ip daddr 10.9.2.1", END),
        (PRE.format("ip saddr { 10.9.8.0/24 } tcp dport 5432 dnat to 10.9.1.12"), "ip saddr 10.9.8.0/24", "ip saddr 10.9.1.0/24", END),
        (PRE.format('iifname "eth1" goto out'), 'iifname "eth1"', 'iifname "eth0"', END),
        (PRE.format('iifname "eth1" tcp dport 5000-6000 redirect to :80'), 'iifname "eth1"', 'iifname "eth0"', ("10.9.1.1", 80)),
        (IPTABLES.format("iptables-nft", "-i eth1"), "-i eth1", "interface eth0", ("10.9.1.12", 80)),
        (IPTABLES.format("iptables-nft", "-d 10.9.2.99 ! -i eth1"), "-d 10.9.2.99/32", "destination 10.9.2.1", ("10.9.1.12", 80)),
        (IPTABLES.format("iptables-legacy", "-i eth1"), "-i eth1", "interface eth0", ("10.9.1.12", 80)),
    ],
)
def test_one_condition_keeps_the_rule_from_it(rules: str, condition: str, seen: str, end: tuple[str, int]) -> None:
    assert missed(rules) == [(condition, seen, end)]


@pytest.mark.parametrize(
    "rule",
    [
        'iifname "eth0" tcp dport 5433 dnat to 10.9.1.12',  # another port's
        'iifname "eth1" tcp dport 5433 dnat to 10.9.1.12',
        'iifname "eth1" dnat to 10.9.1.12',  # any port's
        'iifname "eth1" ip saddr 10.9.8.0/24 tcp dport 5432 dnat to 10.9.1.12',  # two conditions
        'iifname "eth1" tcp dport 5432 accept',
        'iifname "eth1" tcp dport 5432 dnat to 10.9.2.1',  # where it goes anyway
    ],
)
def test_other_rules_are_not_meant_for_it(rule: str) -> None:
    assert missed(PRE.format(rule)) == []


DROP = """nft 'table ip f {{ set allowed {{ type ipv4_addr; elements = {{ 10.9.1.99 }}; }}
    chain c {{ type filter hook input priority 0; policy drop; {}; }}; }}'"""
SELF = ("10.9.2.1", 5432)


@pytest.mark.parametrize(
    ("rules", "condition", "seen"),
    [
        (DROP.format("iif lo accept; ip saddr @allowed tcp dport 5432 accept"), "ip saddr @allowed", "ip saddr 10.9.1.11"),
        (DROP.format("iif lo accept; tcp dport 22 accept; iifname ens3 tcp dport 5432 accept"), 'iifname "ens3"', 'iifname "eth0"'),
        (
            DROP.format("ct state established accept; ip daddr 10.9.2.2 tcp dport 5432 accept; reject"),
            "ip daddr 10.9.2.2",
            "ip daddr 10.9.2.1",
        ),
        ("iptables-legacy -A INPUT -i ens3 -p tcp --dport 5432 -j ACCEPT; iptables-legacy -P INPUT DROP", "-i ens3", "interface eth0"),
    ],
)
def test_one_condition_keeps_it_from_being_accepted(rules: str, condition: str, seen: str) -> None:
    assert missed(rules) == [(condition, seen, SELF)]


@pytest.mark.parametrize(("size", "full"), [(1, ["seen"]), (2, [])])
def test_a_rule_misses_it_as_its_set_is_full(size: int, full: list[str]) -> None:
    declared = f"set seen {{ type ipv4_addr; size {size}; flags dynamic; elements = {{ 10.9.1.99 }}; }};"
    rules = "tcp dport 5432 add @seen { ip saddr limit rate 5/second } accept; tcp dport 5432 drop"
    ruleset = f"nft 'table ip f {{ {declared} chain c {{ type filter hook input priority 0; {rules}; }}; }}'"
    assert [each["full"] for each in answers(ruleset)] == full


@pytest.mark.parametrize(
    "rules",
    [
        "iif lo accept",
        "ct state established accept",
        "tcp dport 22 accept",
        "iifname ens3 accept",
        "iifname ens3 ip saddr @allowed tcp dport 5432 accept",
    ],
)
def test_what_accepts_others_was_not_meant_for_it(rules: str) -> None:
    assert missed(DROP.format(rules)) == []


def test_what_accepts_anything_in_its_own_table_was_not_meant_for_it() -> None:
    """Beside another firewall that lets this port alone through."""
    other = "nft 'table ip z { chain c { type filter hook input priority 10; tcp dport 5432 accept; reject; }; }'"
    assert missed(f"{DROP.format('iif lo accept')}; {other}") == []
    meant = DROP.format('iifname "eth1" tcp dport 5432 accept')
    assert [each[0] for each in missed(f"{meant}; {other}")] == ['iifname "eth1"']


def test_nobody_who_does_not_ask_is_told() -> None:
    assert missed(PRE.format('iifname "eth1" tcp dport 5432 dnat to 10.9.1.12'), missed=False) == []


def test_a_rule_for_another_protocol_and_another_port() -> None:
    """The range of ports is compared as well, although both are one condition in nft's words."""
    ranges = "tcp dport 1025-65535 accept; udp dport 1025-65535 accept"
    rules = f"nft 'table ip f {{ chain c {{ type filter hook input priority 0; policy drop; {ranges}; }}; }}'"
    assert missed(rules, port=80) == []
    assert missed(rules.replace("policy drop;", "policy drop; meta l4proto icmp accept;"), port=80) == []  # for any port
    assert [condition for condition, _seen, _end in missed(rules.replace("udp dport 1025", "udp dport 80"), port=80)] == [
        "udp dport 80-65535"
    ]
