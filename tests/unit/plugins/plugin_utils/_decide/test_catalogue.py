# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every cause of the catalogue is exercised: by a fault of the lab, or, where this kernel cannot bring it about, by patched evidence."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.patched import PATCHED, TRIED, UNREPRODUCIBLE, kernel_has
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import RECORDED
from tests.faults._fault import CATALOGUE as FAULTS
from tests.faults._recorded import stem

CODES = [cause.code for cause in CATALOGUE]


def test_each_cause_has_a_fault_or_is_known_to_be_out_of_reach() -> None:
    brought_about = {fault.code for fault in FAULTS} - {None}
    assert set(CODES) - brought_about == set(UNREPRODUCIBLE)


@pytest.mark.parametrize("code", UNREPRODUCIBLE)
def test_what_is_out_of_reach_needs_what_this_kernel_lacks(code: str) -> None:
    assert not kernel_has(UNREPRODUCIBLE[code]), f"this kernel has {UNREPRODUCIBLE[code]}: write a fault for {code}"


@pytest.mark.parametrize("option", TRIED)
def test_the_kernel_does_what_its_configuration_says(option: str) -> None:
    assert TRIED[option]() is kernel_has(option)


@pytest.mark.parametrize("name", PATCHED)
def test_patched_evidence_shows_what_is_out_of_reach(name: str) -> None:
    code, certainty, make = PATCHED[name]
    (flow,) = decide(*make(), "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    first = flow["causes"][0]
    assert (flow["status"], first["code"], first["certainty"]) == ("broken", code, certainty)


def test_what_is_out_of_reach_is_patched() -> None:
    assert set(UNREPRODUCIBLE) <= {patched.code for patched in PATCHED.values()}


def test_each_recording_is_of_a_fault() -> None:
    assert {path.name.removesuffix(".json.gz") for path in RECORDED.iterdir()} <= {stem(fault) for fault in FAULTS}


def test_each_cause_is_recorded() -> None:
    """So that the decide room is tested without hosts; those faults that need a systemd of their own are not recorded."""
    recorded = {fault.code for fault in FAULTS if (RECORDED / f"{stem(fault)}.json.gz").exists()}
    of_systemd = {fault.code for fault in FAULTS if fault.systemd}
    assert set(CODES) - recorded - of_systemd == set(UNREPRODUCIBLE)


@pytest.mark.parametrize("code", CODES)
def test_no_cause_accounts_for_the_same_twice(code: str) -> None:
    accounts = next(cause.accounts_for for cause in CATALOGUE if cause.code == code)
    assert len(set(accounts)) == len(accounts)
