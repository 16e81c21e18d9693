# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in front of the server: what they try with it is only proof where it is the flow's own port."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.lies import Phases
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

FRONT, BEHIND, PORT = bytes((10, 0, 2, 22)), bytes((10, 0, 2, 21)), 5432


def to_port(frame: Frame, port: int) -> Frame:
    """What the balancer and the server say to each other on the flow's port, on another one."""
    if frame.ethertype != 0x0800 or {frame.data[12:16], frame.data[16:20]} != {FRONT, BEHIND}:
        return frame
    at = 22 if frame.data[16:20] == BEHIND else 20
    return frame._replace(data=frame.data[:at] + port.to_bytes(2, "big") + frame.data[at + 2 :])


def on_another_port(found: Phases) -> None:
    for host in ("db1", "db2"):
        recording = found[host]["close"]["evidence"]["recording"]
        recording["frames"] = pack(to_port(frame, 9100) for frame in unpack(recording["frames"]))


def served(found: Phases) -> None:
    """As far as the clients can tell: nobody closes their connections at once."""
    for probe in found["web1"]["try"]["evidence"]["probes"]:
        probe["peer"] = None


def cause(name: str, *changes: Any) -> dict[str, Any]:
    plan, found = recorded(name)
    for change in changes:
        change(found)
    first: dict[str, Any] = flows(plan, found)[0]["causes"][0]
    return first


def test_refusals_on_the_flows_port_are_proof() -> None:
    assert (cause("load_balancer_no_backend.checked")["certainty"], cause("load_balancer_no_backend.checked")["detail"]["ports"]) == (
        "proven",
        [PORT],
    )


def test_refusals_on_another_port_are_none() -> None:
    told = cause("load_balancer_no_backend.checked", on_another_port, served)
    assert (told["certainty"], told["detail"]["ports"]) == ("likely", [9100])
    assert "refuses its connections to port 9100" in told["summary"]


def test_who_is_stopped_is_only_proof_where_the_balancer_connects_to_it() -> None:
    assert cause("load_balancer_no_backend.stopped")["certainty"] == "proven"
    plan, found = recorded("load_balancer_no_backend.stopped")
    on_another_port(found)
    assert [each for each in flows(plan, found)[0]["causes"] if "is stopped" in each["summary"]] == []


def test_who_has_the_address_is_unknown() -> None:
    """Neither host's addresses were read: that the server saw no SYN is as it should be where the balancer takes the connections."""
    plan, found = recorded("load_balancer_no_backend.http.twin")
    for host in ("db1", "db2"):
        for phase in ("open", "close"):
            for snapshot in ("snapshot", "after"):
                (found[host][phase]["evidence"].get(snapshot) or {}).pop("addresses", None)
    assert flows(plan, found)[0]["status"] == "ok"
