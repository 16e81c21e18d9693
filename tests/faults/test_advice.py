# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each cause with a fix or advice is one whose commands are typed in the lab, or one that says why they cannot be."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.catalogue import FIXES
from tests.faults import catalogue  # noqa: F401  # pylint: disable=unused-import  # fills CATALOGUE
from tests.faults._advice import NOT_TYPED, OTHERWISE, TYPED
from tests.faults._fault import CATALOGUE


def test_each_code_is_typed_or_has_a_reason() -> None:
    assert sorted(FIXES) == sorted([*TYPED, *NOT_TYPED])
    assert all(NOT_TYPED.values())


def test_each_code_that_is_typed_has_a_fault_to_type_it_in() -> None:
    broken = {fault.code for fault in CATALOGUE if fault.status == "broken" and fault.kernel and not fault.systemd}
    assert set() == TYPED - broken


def test_what_comes_out_otherwise_is_a_fault() -> None:
    assert {fault.name for fault in CATALOGUE} >= set(OTHERWISE)
