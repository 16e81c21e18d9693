# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts whose clocks are hours apart: the answer is the same, or less certain."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.recordings import FINISHED, STARTED, recorded, reported
from tests.unit.plugins.plugin_utils.sampled import parameters

SINCE_1970 = (1.5e9, 2.5e9)  # seconds that are a time and no duration
MUST_BE_TRIED = "sequence_rewritten"  # whose packets have other numbers at each end
CERTAIN = ("proven", "likely", "possible")


def ahead(evidence: Any, seconds: int) -> Any:
    """What a host returns whose clock is so far ahead."""
    if isinstance(evidence, dict):
        return {key: _frames_ahead(each, seconds) if key == "frames" else ahead(each, seconds) for key, each in evidence.items()}
    if isinstance(evidence, list):
        return [ahead(each, seconds) for each in evidence]
    is_time = isinstance(evidence, float | int) and not isinstance(evidence, bool) and SINCE_1970[0] < evidence < SINCE_1970[1]
    return evidence + seconds if is_time else evidence


def _frames_ahead(frames: Any, seconds: int) -> Any:
    return pack(each._replace(ts_ns=each.ts_ns + seconds * 10**9) for each in unpack(frames)) if isinstance(frames, str) else frames


def brief(flow: dict[str, Any]) -> tuple[Any, ...]:
    return flow["id"], flow["status"], flow["leg"], flow["segment"], [(each["code"], each["host"]) for each in flow["causes"]]


@pytest.mark.parametrize("recording", [MUST_BE_TRIED, *(each for each in parameters() if each != MUST_BE_TRIED)])
@pytest.mark.parametrize("seconds", [5 * 3600, pytest.param(-400, marks=pytest.mark.slow)])
def test_the_clocks_of_servers_are_hours_ahead(recording: str, seconds: int) -> None:
    plan, found = recorded(recording)
    clients = {entry.client for entry in plan.entries}
    for host in found.keys() - clients:
        for answer in found[host].values():
            answer["evidence"] = ahead(answer["evidence"], seconds)
    flows = decide(plan, found, STARTED, FINISHED).report["flows"]
    for flow, before in zip(flows, reported(recording)["flows"], strict=True):
        assert brief(flow) == brief(before)
        for cause, known in zip(flow["causes"], before["causes"], strict=True):
            assert CERTAIN.index(cause["certainty"]) >= CERTAIN.index(known["certainty"]), cause["summary"]
