# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as dropped by a queueing discipline, by changed evidence."""

from __future__ import annotations

import socket
import struct

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_ARP
from tests.unit.plugins.plugin_utils._decide.test_ignored import certainty
from tests.unit.plugins.plugin_utils._decide.test_neighbours import snapshots
from tests.unit.plugins.plugin_utils._decide.test_not_proven import frames
from tests.unit.plugins.plugin_utils.recordings import recorded

CODE = "queueing_drop"


def test_it_drops_as_many_as_there_were_attempts() -> None:
    assert certainty(*recorded("queueing_drop"), CODE) == "likely"


def test_filters_of_both_directions_have_one_counter() -> None:
    """sch_clsact: what a program drops of others' packets that come in is counted for what leaves, too."""
    plan, found = recorded("queueing_drop")
    for snapshot in snapshots(found, "db1"):
        (queue,) = snapshot["hooks"]["tc"]
        queue.update(kind="clsact", filters=["bpf"])
        snapshot["hooks"]["tc"].append({**queue, "direction": "ingress"})
    assert certainty(plan, found, CODE) is None


def test_what_has_no_route_is_not_queued() -> None:
    """The shaper drops others' packets meanwhile."""
    plan, found = recorded("queueing_drop")
    for snapshot in snapshots(found, "db1"):
        for route in snapshot["routes"]:
            route.update(error="ENETUNREACH", interface=None, gateway=None)
    assert certainty(plan, found, CODE) is None


@pytest.mark.parametrize(("asks", "expected"), [(True, None), (False, "likely")])
def test_what_waits_for_a_link_address_is_not_queued_yet(asks: bool, expected: str | None) -> None:
    """Unless the discipline drops the requests for it as well."""
    plan, found = recorded("queueing_drop")
    for snapshot in snapshots(found, "db1"):
        for entry in snapshot["neighbours"]:
            entry["state"] = "FAILED"

    def asked(all_: list[Frame]) -> list[Frame]:
        ends = bytes(6) + socket.inet_aton("10.0.2.21") + bytes(6) + socket.inet_aton("10.0.2.1")
        request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + ends
        others = [frame for frame in all_ if frame.ethertype != ETH_P_ARP]
        return [*others, all_[0]._replace(ethertype=ETH_P_ARP, pkttype=4, data=request, wire_length=len(request))] if asks else others

    frames(found["db1"]["close"]["evidence"]["recording"], asked)
    assert certainty(plan, found, CODE) == expected


def test_what_the_firewall_drops_is_not_queued() -> None:
    plan, found = recorded("firewall_drop.server-output")
    for drops, snapshot in zip((9, 900), snapshots(found, "db1"), strict=True):
        snapshot["hooks"]["tc"] = [{"interface": "eth0", "direction": "egress", "kind": "tbf", "filters": [], "drops": drops}]
    assert certainty(plan, found, CODE) is None


@pytest.mark.parametrize(("kind", "sure"), [("htb", "likely"), ("netem", "likely"), ("fq_codel", "possible")])
def test_what_waits_for_the_device_alone_is_on_its_way(kind: str, sure: str) -> None:
    """As on a busy host at any moment."""
    plan, found = recorded("queueing_held")
    for snapshot in snapshots(found, "web1"):
        for queue in snapshot["hooks"]["tc"]:
            queue["kind"] = kind
    assert certainty(plan, found, "queueing_held") == sure
