# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is printed for a handshake that a ruleset stops is typed, and opens that very handshake: see _offers/."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.differential._offers._figures import Figures, measure, told
from tests.differential._offers._rulesets import drawn, rulesets

SOURCES = os.environ.get("HANDSHAKE_RULESETS")  # a directory with the unpacked sources of nftables and iptables


def right(figures: Figures) -> None:
    print(f"\n{figures}")
    shown = "\n\n".join(told(wrong) for wrong in figures.wrong[:3])
    assert not figures.wrong, f"{figures}\n\n{shown}"
    assert figures.offered > figures.rulesets / 4, figures


@pytest.mark.slow
def test_random_rulesets() -> None:
    right(measure(drawn("1", 100)))


@pytest.mark.slow
@pytest.mark.skipif(not SOURCES, reason="HANDSHAKE_RULESETS does not name the sources of nftables and iptables")
def test_rulesets_of_others_tests() -> None:
    right(measure(rulesets(Path(str(SOURCES)))))
