# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers whose kernel has no inet_diag: what /proc/net/tcp lacks makes nothing else `proven`, and evidence names its source."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.faults._recorded import expected
from tests.unit.plugins.plugin_utils.recordings import FINISHED, NAMES, STARTED, Phases, recorded, reported
from tests.unit.plugins.plugin_utils.sampled import parameters

LACKING = {"v6only": None, "send_q": None, "device": None, "md5": None, "mark": None, "cgroup": None}
AT_SERVERS = [name for name in NAMES if str(expected(name)["segment"]).startswith("server.")]


def without(found: Phases) -> Phases:
    for phases in found.values():
        for answer in phases.values():
            for state in ("snapshot", "before", "after"):
                listeners = ((answer["evidence"] or {}).get(state) or {}).get("listeners") or ()
                for listener in listeners:
                    listener |= {**LACKING, "v6only": None if listener["family"] == "ipv6" else False}
                if listeners:
                    answer.setdefault("absent", []).append({"what": "inet_diag", "why": "taken away"})
    return found


def causes(name: str, *, taken: bool) -> list[dict[str, Any]]:
    plan, found = recorded(name)
    report = decide(plan, without(found), STARTED, FINISHED).report if taken else reported(name)
    return [cause for flow in report["flows"] for cause in flow["causes"]]


@pytest.mark.parametrize("recording", parameters(AT_SERVERS))
def test_nothing_is_proven_that_was_not(recording: str) -> None:
    proven, now = (
        {(cause["code"], cause["host"]) for cause in causes(recording, taken=taken) if cause["certainty"] == "proven"}
        for taken in (False, True)
    )
    assert now <= proven


def test_evidence_names_the_file() -> None:
    sources = {each["source"] for cause in causes("accept_queue_full", taken=True) for each in cause["evidence"]}
    assert "inet_diag" not in sources
