# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that has no part in a flow: what it says of the flow's packets weakens an answer at most, and never makes another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.lies import Phases
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

EARLIER_NS = 40_000_000
FLAGS, SOURCE = 33, slice(12, 16)  # of IPv4 without options


def reversed_(frame: Frame) -> list[Frame]:
    """As if the server had opened the connection, and earlier."""
    data = bytearray(frame.data)
    data[12:16], data[16:20], data[20:22], data[22:24] = data[16:20], data[12:16], data[22:24], data[20:22]
    return [frame._replace(data=bytes(data), ts_ns=frame.ts_ns - EARLIER_NS)]


def as_syn(frame: Frame) -> list[Frame]:
    return [frame._replace(data=frame.data[:FLAGS] + b"\x02" + frame.data[FLAGS + 1 :])]


def translated(frame: Frame) -> list[Frame]:
    """With more addresses than any way translates to."""
    return [frame._replace(data=frame.data[:12] + bytes([192, 0, 2, last]) + frame.data[16:]) for last in range(1, 20)]


def with_bystander(plan: Plan, found: Phases, copied: str, change: Callable[[Frame], list[Frame]]) -> tuple[Plan, Phases]:
    """web9 is the client of another flow, and returns what another host recorded, changed."""
    entry = replace(plan.entries[0], flow="other", client="web9", server=None, dial=9, via=(), address="10.9.9.9", port=1)
    recordings = [answer["evidence"].get("recording") for answer in found[copied].values()]
    recording: dict[str, Any] = next(filter(None, recordings))
    frames = [changed for frame in unpack(recording["frames"]) if frame.ethertype == 0x0800 for changed in change(frame)]
    answer = {"host": "web9", "phase": "try", "failure": None, "evidence": {"recording": {**recording, "frames": pack(frames)}}}
    return replace(plan, entries=(*plan.entries, entry)), {**found, "web9": {"try": answer}}


@pytest.mark.parametrize("change", [reversed_, as_syn, translated])
@pytest.mark.parametrize(
    "name",
    ["synack_retries_too_low", "path_reset", "router_not_forwarding.interface", "firewall_drop.router-ack", "conntrack_invalid.notrack"],
)
def test_a_bystander_changes_no_other_hosts_entry(name: str, change: Callable[[Frame], list[Frame]]) -> None:
    plan, found = recorded(name)
    (honest,) = flows(plan, found)
    for copied in ("web1", "db1"):
        entry, _other = flows(*with_bystander(plan, found, copied, change))
        shown = [
            {key: value for key, value in flow.items() if key not in ("timeline", "clock", "unexplained", "remarks")}
            for flow in (entry, honest)
        ]
        assert shown[0] == shown[1], copied
        more = [each for each in entry["unexplained"] if each not in honest["unexplained"]]
        assert {(each["kind"], each["host"]) for each in more} <= {("third_host", "web9")}, copied


def test_who_only_claims_an_address_does_not_hide_who_answered() -> None:
    """r1 is on the way, and its recording shows that the RST is its own; web9 says that the server's address is its."""
    plan, found = recorded("firewall_reject.router-reset")
    (honest,) = flows(plan, found)
    claim = {"interface": "eth0", "address": plan.entries[0].address, "prefix": 24, "family": "ipv4", "flags": []}
    entry = replace(plan.entries[0], flow="other", client="web9", server=None, dial=9, via=(), address="10.9.9.9", port=1)
    evidence = {"before": {"time": 1.0, "addresses": [claim]}, "after": {"time": 2.0, "addresses": [claim]}}
    found["web9"] = {"try": {"host": "web9", "phase": "try", "failure": None, "evidence": evidence}}
    told, _other = flows(replace(plan, entries=(*plan.entries, entry)), found)
    assert [(cause["code"], cause["host"], cause["certainty"]) for cause in told["causes"]] == [
        (cause["code"], cause["host"], cause["certainty"]) for cause in honest["causes"]
    ]
