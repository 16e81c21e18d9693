# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recordings that `make test` tries each property on stand for all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import catalogue
from tests.unit.plugins.plugin_utils.recordings import NAMES, kept
from tests.unit.plugins.plugin_utils.sampled import RECORDED, SAMPLE, file_of, parameters, traits

CHOSEN = {name: fault for name, fault in RECORDED.items() if name in SAMPLE}


def test_every_cause_is_in_the_sample_as_certain_as_it_ever_is() -> None:
    all_of_them, chosen = ({(fault.code, fault.certainties) for fault in faults.values()} for faults in (RECORDED, CHOSEN))
    assert all_of_them == chosen


def test_every_file_of_faults_is_in_the_sample() -> None:
    files = {file_of(fault) for fault in RECORDED.values()}
    assert files == {file_of(fault) for fault in CHOSEN.values()}
    assert files <= {path.stem for path in Path(catalogue.__file__).parent.glob("*.py")}


@pytest.mark.parametrize("status", sorted({fault.status for fault in RECORDED.values()}))
def test_both_families_are_in_the_sample(status: str) -> None:
    """As the recordings have them, whatever the faults say."""
    families = {name: ":" in kept(name)["plan"]["entries"][0]["address"] for name in NAMES if RECORDED[name].status == status}
    assert set(families.values()) == {families[name] for name in CHOSEN if name in families}


def test_whatever_a_fault_has_is_in_the_sample() -> None:
    all_of_them, chosen = ({trait for fault in faults.values() for trait in traits(fault)} for faults in (RECORDED, CHOSEN))
    assert all_of_them == chosen


def test_the_others_are_left_to_the_slow_tests() -> None:
    """And the sample is not most of them."""
    marked = [each.values[0] for each in parameters() if not isinstance(each, str) and [mark.name for mark in each.marks] == ["slow"]]
    assert sorted([*marked, *SAMPLE]) == NAMES == [*RECORDED]
    assert len(SAMPLE) < 0.4 * len(NAMES)
