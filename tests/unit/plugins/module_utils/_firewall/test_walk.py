# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of hooks. That it is the kernel's order is shown by tests/differential."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall import prose
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import (
    ACCEPT,
    Action,
    Evaluation,
    Outcome,
    UnsupportedError,
    explore,
)
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import Packet, packed
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.questions import packet_of
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.walk import Walk
from tests.unit.plugins.module_utils._firewall.host import Host, Passed, ruleset

IN = {"source": "192.0.2.9", "destination": "192.0.2.1", "port": 5432}
OUT = {"source": "192.0.2.1", "destination": "192.0.2.9", "port": 5432}
FORWARD = {"source": "192.0.2.9", "destination": "198.51.100.9", "port": 5432}


def walk(question: dict[str, object], *chains: Passed, host: Host | None = None) -> tuple[Outcome, Packet]:
    facts = host or Host()
    packet = packet_of(question, facts)
    return Walk(ruleset(*chains), facts, packet, Evaluation(facts)).run(), packet


def places(log: list[tuple[str, str, int, str | None]]) -> list[str]:
    return [f"{hook} {priority}" for _family, hook, priority, _state in log]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (IN, ["prerouting -300", "prerouting -200", "prerouting 0", "input -100", "input 50"]),
        (OUT, ["output -300", "output 0", "postrouting 0"]),
        (FORWARD, ["prerouting -300", "prerouting -200", "prerouting 0", "forward 0", "postrouting 0"]),
    ],
)
def test_hooks_are_passed_in_order(question: dict[str, object], expected: list[str]) -> None:
    log: list[tuple[str, str, int, str | None]] = []
    hooks = ("postrouting 0", "input 50", "input -100", "forward 0", "output 0", "output -300")
    places_ = (*hooks, "prerouting 0", "prerouting -200", "prerouting -300")
    chains = [Passed("inet", place.split()[0], int(place.split()[1]), log=log) for place in places_]
    outcome, _packet = walk(question, *chains, Passed("ip6", "input", 0, log=log))
    assert outcome == ACCEPT
    assert places(log) == expected


def test_conntrack_comes_at_its_place() -> None:
    log: list[tuple[str, str, int, str | None]] = []
    walk(IN, Passed("ip", "prerouting", -300, log=log), Passed("ip", "prerouting", -199, log=log))
    assert [state for *_place, state in log] == [None, "new"]


def test_a_drop_is_the_end() -> None:
    log: list[tuple[str, str, int, str | None]] = []
    outcome, _packet = walk(IN, Passed("ip", "input", 0, do=lambda packet: Outcome("drop"), log=log), Passed("ip", "input", 1, log=log))
    assert outcome.verdict == "drop"
    assert places(log) == ["input 0"]


def test_devices_have_their_own_chains() -> None:
    log: list[tuple[str, str, int, str | None]] = []
    mine, other = (Passed("netdev", "ingress", 0, devices=(name,), log=log) for name in ("eth0", "eth1"))
    walk(
        IN,
        mine,
        other,
        Passed("inet", "ingress", -5, devices=("eth0",), log=log),
        Passed("netdev", "egress", 0, devices=("eth0",), log=log),
    )
    assert places(log) == ["ingress -5", "ingress 0"]


def translated(to: str) -> Callable[[Packet], Outcome]:
    def do(packet: Packet) -> Outcome:
        assert packet.tracking
        packet.tracking.destination_translated = True
        packet.rewrite(destination=packed(to))
        packet.changed(Action("dnat", to))
        return ACCEPT

    return do


def test_destination_nat_sends_it_elsewhere_and_ends_the_nat_hook() -> None:
    log: list[tuple[str, str, int, str | None]] = []
    first = Passed("ip", "prerouting", -110, "nat", do=translated("198.51.100.7"), log=log)
    second = Passed("ip", "prerouting", -90, "nat", log=log)
    _outcome, packet = walk(IN, first, second, Passed("ip", "input", 0, log=log), Passed("ip", "forward", 0, log=log))
    assert places(log) == ["prerouting -110", "forward 0"]
    assert packet.oif and packet.oif.name == "eth1"


def test_destination_nat_may_bring_it_here() -> None:
    log: list[tuple[str, str, int, str | None]] = []
    nat = Passed("ip", "prerouting", -100, "nat", do=translated("192.0.2.1"), log=log)
    walk(FORWARD, nat, Passed("ip", "input", 0, log=log), Passed("ip", "forward", 0, log=log))
    assert places(log) == ["prerouting -100", "input 0"]


@pytest.mark.parametrize("state", ["established", "invalid", "untracked"])
def test_nat_is_for_the_first_packet_of_a_connection(state: str) -> None:
    log: list[tuple[str, str, int, str | None]] = []
    walk({**IN, "state": state}, Passed("ip", "prerouting", -100, "nat", log=log))
    assert log == []


def test_a_port_of_a_bridge_is_passed_first() -> None:
    log: list[tuple[str, str, int, str | None]] = []
    question = {"source": "203.0.113.9", "destination": "203.0.113.1", "port": 80, "interface": "port1"}
    _outcome, packet = walk(question, *(Passed("bridge", hook, 0, log=log) for hook in ("prerouting", "input", "forward")))
    assert [place for _family, place, *_rest in log] == ["prerouting", "input"]
    assert packet.iif and packet.iif.name == "br0"


def test_a_bridge_whose_port_is_unknown_is_undecided() -> None:
    question = {"source": "203.0.113.9", "destination": "203.0.113.1", "port": 80}
    with pytest.raises(UnsupportedError, match="give the port as interface"):
        walk(question, Passed("bridge", "input", 0))


def test_bridged_rules_of_ip_are_undecided() -> None:
    question = {"source": "203.0.113.9", "destination": "203.0.113.1", "port": 80, "interface": "port1"}
    host = Host({"net.bridge.bridge-nf-call-iptables": "1"})
    with pytest.raises(UnsupportedError, match="bridge-nf-call-iptables"):
        walk(question, Passed("ip", "forward", 0), host=host)


def test_ties_between_tables_are_an_unknown() -> None:
    facts = Host()
    drops = Passed("inet", "input", 0, maker="table a", do=lambda packet: Outcome("drop"))
    rejects = Passed("inet", "input", 0, maker="table b", do=lambda packet: Outcome("reject"))

    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        return Walk(ruleset(drops, rejects), facts, packet, evaluation).run()

    explored = explore(evaluate, packet_of(IN, facts), facts)
    assert explored.outcome is None
    assert prose.because(explored.undecided) == "it depends on which was there first, table b or table a: drop if not, reject if so"
