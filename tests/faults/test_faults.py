# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue made executable: each fault breaks as the kernel confirms, and the report names it; each twin comes out ok.

What the report advises is then typed, see `_advice.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults import catalogue  # noqa: F401  # pylint: disable=unused-import  # fills CATALOGUE
from tests.faults._advice import follow
from tests.faults._fault import CATALOGUE, Fault, clocks, diagnose, needs, representatives
from tests.faults._pack import Pack, packs
from tests.faults._recorded import record
from tests.lab._machines import Machines
from tests.lab.fleet import Fleet

RECORD_TO = os.environ.get("HANDSHAKE_RECORD")  # a directory: keep the evidence there, for the unit tests of the decide room


ROOTLESS = [fault for fault in CATALOGUE if not fault.systemd]
REPRESENTATIVES = representatives(fault for fault in ROOTLESS if not (fault.slow or fault.alone))
REST = [fault for fault in ROOTLESS if fault not in REPRESENTATIVES]
QUICK, SLOW = packs(REPRESENTATIVES), packs(REST)
PACKED = [fault for pack in (*QUICK, *SLOW) for fault in pack.faults]
PACKS = [
    *(pytest.param(pack, id=pack.name, marks=clocks(*pack.faults)) for pack in QUICK),
    *(pytest.param(pack, id=f"rest-{pack.name}", marks=[pytest.mark.slow, *clocks(*pack.faults)]) for pack in SLOW),
]
ALONE = [
    pytest.param(
        fault,
        id=fault.name,
        marks=[
            *[pytest.mark.by_name] * (fault in PACKED),
            *[pytest.mark.slow] * (fault in REST),
            *needs(fault),
        ],
    )
    for fault in ROOTLESS
]


@pytest.mark.parametrize("fault", ALONE)
def test_fault(fault: Fault) -> None:
    with Fleet(fault.topology()) as fleet:
        fault.make(fleet)
        kernel_agrees(fleet, fault)
        report = diagnose(fleet, fault)
        if RECORD_TO:
            record(fleet, fault, Path(RECORD_TO))
        judge(fault, report["flows"][0])
        follow(fleet, fault, report["flows"][0])


@pytest.mark.parametrize("pack", PACKS)
def test_pack(pack: Pack) -> None:
    """As `test_fault` for several at once; each that fails is named."""
    with Fleet(pack.topology()) as fleet:
        views = pack.views(fleet)
        for fault, view in zip(pack.faults, views, strict=True):
            fault.make(view)
        with ThreadPoolExecutor(len(views)) as several:  # they mostly wait
            wrong = list(several.map(lambda view, fault: complaint(fault, kernel_agrees, view, fault), views, pack.faults))
        flows = pack.diagnose(fleet, views)
        wrong += [complaint(fault, follow, view, fault, flow) for fault, view, flow in zip(pack.faults, views, flows, strict=True)]
    wrong += [complaint(fault, judge, fault, flow) for fault, flow in zip(pack.faults, flows, strict=True)]
    if complaints := [sentence for sentence in wrong if sentence]:
        pytest.fail("\n".join(complaints), pytrace=False)


def complaint(fault: Fault, check: Callable[..., None], *arguments: object) -> str | None:
    """What a check says against one fault among others."""
    try:
        check(*arguments)
    except AssertionError as error:
        return f"{fault.name}: {error}"
    return None


def kernel_agrees(fleet: Machines, fault: Fault) -> None:
    """The oracle that nobody here wrote: does connect() do what the fault says?"""
    if fault.kernel:
        flow = fault.flow
        said = fleet.connect(flow.client, flow.address, fleet.port, flow.timeout, source=flow.source, user=flow.user)
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
    assert causes[0]["certainty"] in fault.certainties, (causes[0]["certainty"], flow["unexplained"], shown)
    assert (flow["leg"], flow["segment"]) == (fault.leg, fault.segment), told
    assert [cause["code"] for cause in causes[1:] if cause["code"] in fault.also] == list(fault.also), told
    assert [words for words in fault.says if words not in json.dumps(shown)] == [], shown
