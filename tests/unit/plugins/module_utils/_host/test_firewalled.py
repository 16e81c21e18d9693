# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot tells of a firewall, against the kernel."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import traversals
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

RUN = "run=lambda command, data=None: (lambda done: (done.returncode, done.stdout, done.stderr))("
RUN += "__import__('subprocess').run(command, input=data, capture_output=True, text=True))"
LINK = "ip link add eth0 type veth peer name peer0; ip link set eth0 up; ip link set peer0 up; ip addr add 192.0.2.1/24 dev eth0"
CLIENT = ("192.0.2.2", 40001)


def ask(namespace: Rootless, packets: list[traversals.Question], left_out: int = 0) -> tuple[dict[str, t.Any], list[dict[str, str]]]:
    order = {"packets": packets, "packets_left_out": left_out}
    dials = [("192.0.2.1", None, "192.0.2.2", 80, 0, 0), (None, None, "203.0.113.1", 80, 0, 0)]
    asked = f"firewalled.ask({order!r}, [firewalled.Dial(*each) for each in {dials!r}], {RUN})"
    firewall, absent = namespace.python("_host.firewalled", asked)
    return firewall, absent


@pytest.fixture(scope="module")
def firewall() -> t.Iterator[tuple[dict[str, t.Any], list[dict[str, str]]]]:
    others = "".join(f"tcp dport {port} accept; " for port in range(6000, 6050))
    rules = f"ct state invalid counter drop; {others} tcp dport 5432 counter drop; meta skuid 0 tcp dport 80 accept"
    marks = "".join(f"meta mark set {mark}; " for mark in range(30))
    with Rootless() as namespace:
        namespace.sh(f"""{LINK}
        nft 'table inet test {{ chain input {{ type filter hook input priority 0; {rules}; }}; chain output {{
        type filter hook output priority 0; {marks} meta skuid 0 counter accept; }}; }}'""")
        yield ask(namespace, traversals.traversal("server", CLIENT, ("192.0.2.1", 5432)), left_out=7)


def test_verdicts_come_in_order_own_dials_first(firewall: tuple[dict[str, t.Any], list[dict[str, str]]]) -> None:
    told = [(each["packet"], each["direction"], each["port"], each["state"], each["verdict"]) for each in firewall[0]["verdicts"]]
    assert told[:6] == [
        ("syn", "out", 80, "new", "accept"),
        ("syn_ack", "in", None, "established", "undecided"),  # the port that it comes to is not known yet
        ("ack", "out", 80, "established", "accept"),
        ("syn", "in", 5432, "new", "drop"),
        ("syn_ack", "out", 40001, "established", "accept"),
        ("ack", "in", 5432, "established", "drop"),
    ]
    assert told[6:] == [("syn_ack", "in", None, "invalid", "drop")]  # where it makes a difference
    assert firewall[0]["begun"] <= firewall[0]["ended"]


def test_a_way_is_told_by_the_rules_that_matched(firewall: tuple[dict[str, t.Any], list[dict[str, str]]]) -> None:
    syn, sent = firewall[0]["verdicts"][3], firewall[0]["verdicts"][0]
    assert [step["rule"]["text"] for step in syn["path"]] == ["tcp dport 5432 counter drop"]
    assert syn["rule"]["packets"] == 0
    assert syn["passed"] >= 51
    assert len(sent["path"]) == 20
    assert sent["path"][-1]["effect"] == "accept"
    assert sent["uid"] == 0


def test_what_was_not_asked_is_told(firewall: tuple[dict[str, t.Any], list[dict[str, str]]]) -> None:
    assert firewall[1] == [{"what": "firewall", "why": "not asked about 7 handshakes: at most 100 are asked about on a host"}]
