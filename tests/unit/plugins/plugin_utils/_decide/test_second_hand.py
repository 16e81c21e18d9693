# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes that somebody else made, as the sshd of a host without Python: only their results are known."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.recordings import recorded


@pytest.mark.parametrize("errno", ["EHOSTUNREACH", "ENETUNREACH", None])
def test_an_error_of_which_no_packet_is_known_is_decided(errno: str | None) -> None:
    plan, evidence = recorded("no_listener")
    answer = evidence["web1"]["try"]["evidence"]
    for probe in answer["probes"]:
        probe.update(via="sshd", errno=errno, outcome="error", local_port=None)
    answer["recording"] = None
    for phase in evidence["db1"].values():
        phase["evidence"]["recording"] = None
    (flow,) = decide(plan, evidence, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"]
    assert flow["status"] == "undetermined"
    assert not [sentence for sentence in flow["undecided"] if "fault of the collection" in sentence]
