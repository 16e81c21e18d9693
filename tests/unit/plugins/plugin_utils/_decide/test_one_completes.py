# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's state says would stop every handshake: where one completes all the same, it is not proven to be what stops the others."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, unpack
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_IP, ETH_P_IPV6
from tests.unit.plugins.plugin_utils._decide.changes import CLIENT, ROUTER, SERVER, Change, all_of, answer, snapshots, unknown
from tests.unit.plugins.plugin_utils._decide.test_not_proven import SYN, SYN_ACK, causes, flags, frames
from tests.unit.plugins.plugin_utils._decide.test_ways_not_proven import snapshots as every_snapshot
from tests.unit.plugins.plugin_utils.planted import ACK, IN, OUT, ip
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

PORT, NUMBER = 61000, 7


def one_completes(*vias: str, to: str = SERVER) -> Change:
    """There was one more attempt, whose SYN passes these hosts, and which completes."""

    def change(found: Phases) -> None:
        probes = answer(found, CLIENT)["probes"]
        probe = {**probes[-1], "attempt": len(probes), "started": probes[-1]["started"] + 0.05, "local_port": PORT, "elapsed_ms": 1.0}
        probe.update(outcome="connected", stage="done", errno=None, icmp=None, late_ms=None, late_errno=None, peer="open")
        probe["tcp_info"] = {**(probe["tcp_info"] or {}), "retransmits": 0}
        probes.append(probe)
        snapshots(found, to)[1]["counters"]["Tcp"]["PassiveOpens"] += 1
        for at, host in enumerate(dict.fromkeys((CLIENT, *vias, to))):
            for pkttype in [way for way, passes in ((IN, host != CLIENT), (OUT, host != to)) if passes]:
                passed(answer(found, host)["recording"], probe, at, pkttype)

    return change


def passed(recording: dict[str, Any], probe: dict[str, Any], at: int, forward: int) -> None:
    """A handshake's packets, recorded where the SYN comes in or leaves as others did, behind so many hosts."""
    like = next((frame for frame in unpack(recording["frames"]) if frame.pkttype == forward and flags(frame) == SYN), None)
    index = like.ifindex if like else int(next(iter(recording["interfaces"])))
    version = 6 if ":" in probe["address"] else 4
    ends = (probe["local_address"], probe["local_port"]), (probe["address"], probe["port"])

    def packet(step: int, kind: int, seq: int, ack: int) -> Frame:
        back = kind == SYN_ACK
        (source, sport), (destination, dport) = reversed(ends) if back else ends
        header = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, kind, 64240, 0, 0)
        data = bytearray(ip(version, 6, source, destination, header))
        if like and forward == IN and not back:
            data[8 if version == 4 else 7] = like.data[8 if version == 4 else 7]
        moment = int(probe["started"] * 1e9) + step * 200_000 + 20_000 * (9 - at if back else at)
        pkttype = OUT + IN - forward if back else forward
        return Frame(moment, index, ETH_P_IP if version == 4 else ETH_P_IPV6, 0, pkttype, bytes(6), len(data), bytes(data))

    three = [packet(0, SYN, NUMBER, 0), packet(1, SYN_ACK, NUMBER, NUMBER + 1), packet(2, ACK, NUMBER + 1, NUMBER + 1)]
    frames(recording, lambda all_: [*all_, *three])


def translating(found: Phases) -> None:
    """The client translates what it sends, so that a handshake may escape its recorder."""
    chain = {"family": "ip", "table": "nat", "chain": "c", "type": "nat", "hook": "postrouting", "priority": 100, "policy": "accept"}
    for snapshot in every_snapshot(found, CLIENT):
        snapshot["hooks"]["netfilter"].append({**chain, "device": None, "rules": 1})


SCENES = {
    "a source of its own": ("martian_source", all_of(one_completes(), unknown(SERVER, "routes"))),
    "an address that was given up": ("ip_conflict.dad-failed", one_completes()),
    "a port of a bridge that does not forward": ("bridge_port.disabled", one_completes()),
    "an address that a router takes for its own": ("taken_for_own.local.router", one_completes(ROUTER)),
    "a translation to what is not forwarded": ("router_not_forwarding.published", one_completes()),
    "answers that a host ignores": ("neighbour_ignored", one_completes()),
    "a local table without the address": ("no_local_route", one_completes()),
    "a local table without the address that the client dials": (
        "no_local_route.own",
        all_of(one_completes(to=CLIENT), translating),
    ),
    "a policy rule ahead of the local table": ("local_table_late", one_completes()),
    "a filter that sends what comes in elsewhere": ("traffic_redirected", one_completes()),
}


@pytest.mark.parametrize("name", SCENES)
def test_where_one_completes_it_is_not_proven_to_stop_the_others(name: str) -> None:
    recording, change = SCENES[name]
    plan, found = recorded(recording)
    code = recording.partition(".")[0]
    before = [(each, certainty) for each, _host, certainty in causes(plan, found)]
    assert before[0] == (code, "proven")
    change(found)
    assert (code, "likely") in [(each, certainty) for each, _host, certainty in causes(plan, found)]
