# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection tracking zones of one direction. That they are the kernel's is shown by tests/differential and the fault of that name."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import ACCEPT, Outcome, UnsupportedError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import Packet, Zone
from tests.unit.plugins.module_utils._firewall.host import Host, Passed
from tests.unit.plugins.module_utils._firewall.test_walk import walk

SYN_ACK = {"packet": "syn_ack", "source": "192.0.2.9", "source_port": 5432, "destination": "192.0.2.1", "port": 40000}
ACK = {"packet": "ack", "source": "192.0.2.1", "source_port": 40000, "destination": "192.0.2.9", "port": 5432}


def puts(zone: Zone, kinds: str = "syn syn_ack ack") -> Passed:
    def do(packet: Packet) -> Outcome:
        if packet.kind in kinds.split():
            packet.put_in_zone(zone)
        return ACCEPT

    return Passed("ip", "output", -300, do=do)


def state(question: dict[str, object], *chains: Passed, loose: str = "1") -> str:
    _outcome, packet = walk(question, *chains, host=Host({"net.netfilter.nf_conntrack_tcp_loose": loose}))
    assert packet.tracking
    return packet.tracking.state


@pytest.mark.parametrize(
    ("zone", "expected"),
    [(Zone(5), "invalid"), (Zone(5, ("original",)), "established"), (Zone(5, ("reply",)), "invalid"), (Zone(0), "established")],
)
def test_an_answer_is_looked_for_in_its_own_zone(zone: Zone, expected: str) -> None:
    assert state(SYN_ACK, puts(zone)) == expected


@pytest.mark.parametrize(("loose", "expected"), [("1", "new"), ("0", "invalid")])
def test_an_ack_of_another_zone_is_picked_up_where_conntrack_is_loose(loose: str, expected: str) -> None:
    assert state(ACK, puts(Zone(5), "syn"), loose=loose) == expected
    assert state(ACK, puts(Zone(5)), loose=loose) == "established"


def test_what_the_syn_met_is_not_on_the_way() -> None:
    log: list[tuple[str, str, int, str | None]] = []
    _outcome, packet = walk(SYN_ACK, puts(Zone(5)), Passed("ip", "input", 0, log=log))
    assert [entry[1] for entry in log] == ["input"]
    assert packet.opened_in == Zone(5) and not packet.changes


def test_rules_that_are_not_understood_for_the_syn_leave_the_answer_alone() -> None:
    def fails(packet: Packet) -> Outcome:
        raise UnsupportedError(packet.kind)

    assert state(SYN_ACK, Passed("ip", "output", -300, do=fails)) == "established"
