# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A packet that was on its way when a recorder stopped is not lost: the recording of a slow way, cut short."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded


@pytest.mark.parametrize("ahead", [0.0, -0.9, -2.0, -60.0, 60.0])  # the server's clock, of the client's
@pytest.mark.parametrize("seconds", [2.9, 3.1, 3.3, 3.5, 3.7])  # the first SYN-ACK arrives after 3.4 s
def test_what_may_be_late_is_not_proven_to_be_lost(seconds: float, ahead: float) -> None:
    plan, found = recorded("syn_retries_too_low")
    answer = found["web1"]["try"]["evidence"]
    recording = answer["recording"]
    recording["to"] = min(probe["started"] for probe in answer["probes"]) + seconds
    recording["frames"] = pack(frame for frame in unpack(recording["frames"]) if frame.ts_ns / 1e9 < recording["to"])
    there = found["db1"]["close"]["evidence"]["recording"]
    there["frames"] = pack(frame._replace(ts_ns=frame.ts_ns + int(ahead * 1e9)) for frame in unpack(there["frames"]))
    there["to"] += ahead
    (flow,) = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    assert flow["causes"]
    assert not [cause for cause in flow["causes"] if cause["code"].startswith("path_") and cause["certainty"] == "proven"]
