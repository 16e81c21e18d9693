# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies behind the place at which a handshake ends: named as not reached, and by the server's state where that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

OUTGOING, TCP = 4, 6  # linux/if_packet.h PACKET_OUTGOING, IPPROTO_TCP


def judged(name: str, change: Callable[[Phases], object] = lambda _found: None) -> dict[str, Any]:
    plan, found = recorded(name)
    change(found)
    flow: dict[str, Any] = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
    return flow


def behind(flow: dict[str, Any]) -> list[str]:
    return [sentence.partition("may be there; ")[2] for sentence in flow["not_observed"] if sentence.startswith("not reached because of ")]


@pytest.mark.parametrize(
    ("name", "segments"),
    [
        pytest.param(
            "firewall_drop.server-output",
            "SYN-ACK: server.egress, path.return, client.ingress, client.firewall, client.socket; "
            "ACK: client.firewall, path.forward, server.ingress, server.firewall, server.backlog, server.application",
            id="the SYN-ACK ends",
        ),
        pytest.param(
            "synproxy_unserved",
            "SYN: server.firewall, server.route, server.socket, server.backlog; ACK: server.backlog, server.application",
            id="SYNPROXY completes the client's handshake, and not its own",
        ),
        pytest.param("defer_accept", "ACK: server.application", id="the ACK comes to the backlog"),
    ],
)
def test_all_segments_behind_the_cause_are_named(name: str, segments: str) -> None:
    assert behind(judged(name)) == [segments]


@pytest.mark.parametrize("name", ["firewall_drop.accept-before-drop.twin", "path_loss"])
def test_nothing_is_unreached_where_handshakes_complete_or_should_not(name: str) -> None:
    assert behind(judged(name)) == []


def listeners(found: Phases) -> Iterator[dict[str, Any]]:
    for phase, snapshot in (("open", "snapshot"), ("close", "after")):
        for listener in found["db1"][phase]["evidence"][snapshot]["listeners"]:
            if listener["port"] == 5432:
                yield listener


def moved(found: Phases) -> None:
    for listener in listeners(found):
        listener.update(address="127.0.0.1", family="ipv4", v6only=False)


def of_the_other_family(found: Phases) -> None:
    for listener in listeners(found):
        listener.update(address="::", family="ipv6", v6only=True)


def full(found: Phases) -> None:
    for listener in listeners(found):
        listener.update(recv_q=5, send_q=4)


@pytest.mark.parametrize(
    ("change", "code"),
    [(moved, "listener_other_address"), (of_the_other_family, "listener_other_family"), (full, "accept_queue_full")],
)
def test_a_listener_that_would_not_take_the_syn_is_named_beside_what_stops_it(change: Callable[[Phases], None], code: str) -> None:
    causes = judged("path_drop.syn", change)["causes"]
    assert [(cause["code"], cause["certainty"]) for cause in causes] == [("path_drop", "proven"), (code, "likely")]
    assert causes[1]["fix"]


def down(found: Phases) -> None:
    """The server's interface, to which no SYN comes."""
    for phase, snapshot in (("open", "snapshot"), ("close", "after")):
        for link in found["db1"][phase]["evidence"][snapshot]["links"]:
            if link["name"] == "eth0":
                link.update(up=False, carrier=False, operstate="down")


@pytest.mark.parametrize("name", ["neighbour_unresolved", "ttl_too_low"])
def test_a_link_that_is_down_behind_what_ends_the_handshake_is_not_its_cause(name: str) -> None:
    causes = judged(name, down)["causes"]
    told = [(cause["code"], cause["certainty"]) for cause in causes]
    assert told[0] == (name, "proven")
    assert ("server_link_down", "possible") in told


def with_a_low_ttl(found: Phases) -> None:
    recording = found["web1"]["try"]["evidence"]["recording"]
    recording["frames"] = pack(
        frame._replace(data=frame.data[:8] + b"\x02" + frame.data[9:]) if frame.pkttype == OUTGOING and frame.data[9] == TCP else frame
        for frame in unpack(recording["frames"])
    )


def test_a_low_ttl_is_named_beside_what_stops_the_syn_before() -> None:
    causes = judged("path_drop.syn", with_a_low_ttl)["causes"]
    assert ("ttl_too_low", "possible") in [(cause["code"], cause["certainty"]) for cause in causes[1:]]
