# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of fixes against the catalogue of causes, and against what findings carry for them."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.catalogue import FIXES
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.patched import PATCHED

CODES = [cause.code for cause in CATALOGUE]
UNFIXABLE = {"option_altered", "sequence_rewritten", "path_slow"}
"""Causes for which nothing is known to help: what does it lies between hosts, and is not known."""


def test_each_fix_is_of_a_cause() -> None:
    assert set(FIXES) <= set(CODES)


def test_each_cause_has_a_fix_or_is_known_to_have_none() -> None:
    assert set(CODES) - set(FIXES) == UNFIXABLE


@pytest.mark.parametrize("name", PATCHED)
def test_patched_findings_carry_what_their_fix_needs(name: str) -> None:
    (flow,) = decide(*PATCHED[name].make(), "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    assert [cause["code"] for cause in flow["causes"] if cause["code"] in FIXES and not cause["fix"]] == []
