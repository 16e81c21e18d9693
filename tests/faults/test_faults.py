# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue made executable: each fault breaks as the kernel confirms, and the report names it; each twin comes out ok."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.faults import catalogue  # noqa: F401  # pylint: disable=unused-import  # fills CATALOGUE
from tests.faults._fault import CATALOGUE, Fault, diagnose
from tests.faults._recorded import record
from tests.lab.fleet import Fleet

RECORD_TO = os.environ.get("HANDSHAKE_RECORD")  # a directory: keep the evidence there, for the unit tests of the decide room


ROOTLESS = [pytest.param(fault, id=fault.name, marks=[pytest.mark.slow] * fault.slow) for fault in CATALOGUE if not fault.systemd]


@pytest.mark.parametrize("fault", ROOTLESS)
def test_fault(fault: Fault) -> None:
    with Fleet(fault.topology()) as fleet:
        fault.make(fleet)
        kernel_agrees(fleet, fault)
        report = diagnose(fleet, fault)
        if RECORD_TO:
            record(fleet, fault, Path(RECORD_TO))
    judge(fault, report["flows"][0])


def kernel_agrees(fleet: Fleet, fault: Fault) -> None:
    """The oracle that nobody here wrote: does connect() do what the fault says?"""
    if fault.kernel:
        said = fleet.connect(fault.flow.client, fault.flow.address, fault.flow.port, fault.flow.timeout, source=fault.flow.source)
        assert said in fault.kernel.split(), f"the kernel says {said} where the fault says {fault.kernel}"


def judge(fault: Fault, flow: dict[str, Any]) -> None:
    """Compare the report with what the fault demands."""
    causes = flow["causes"]
    assert isinstance(causes, list)
    told = [(cause["code"], cause["host"], cause["certainty"], cause["summary"]) for cause in causes]
    assert flow["status"] == fault.status, (told, flow["undecided"], flow["not_observed"])
    assert [sentence for sentence in flow["not_observed"] if "got through" in sentence] == []  # evaluations that packets contradict
    if fault.code is None:
        return
    assert causes, flow["undecided"]
    assert (causes[0]["code"], causes[0]["host"]) == (fault.code, fault.host), told
    shown = {name: causes[0][name] for name in ("summary", "evidence", "against", "fix")}
    assert causes[0]["certainty"] in fault.certainties, (causes[0]["certainty"], shown)
    assert (flow["leg"], flow["segment"]) == (fault.leg, fault.segment), told
    assert [words for words in fault.says if words not in json.dumps(shown)] == [], shown
