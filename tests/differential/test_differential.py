# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel did to packets, the evaluator of firewalls says too: on random rulesets, and on every one that once showed a mistake."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.differential import _pool
from tests.differential.__main__ import describe

SEED = os.environ.get("HANDSHAKE_SEED")  # told by every failure, and by `pytest -s`
UNDECIDED = 0.02  # at most, of the packets of rulesets that do not depend on luck on purpose
REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.json"))


def compare(seed: str, rulesets: int, packets: int) -> None:
    orders = [{"seed": f"{seed}/{number}", "packets": packets} for number in range(rulesets)]
    figures = _pool.measure(orders)
    print(f"\nseed {seed}: {figures}")
    shown = "\n\n".join(describe(answer) for answer in figures.differing[:3])
    assert not figures.differing, f"seed {seed}: {figures}\n\n{shown}"
    assert figures.undecided_share < UNDECIDED, f"seed {seed}: {figures}"
    assert figures.rulesets >= 0.98 * rulesets, f"seed {seed}: {figures}"


def test_random_rulesets() -> None:
    """The same ones each time: who changes something else must not find what nobody had found before."""
    compare(SEED or "1", 500, 20)


@pytest.mark.slow
def test_many_random_rulesets() -> None:
    """Others each time."""
    compare(SEED or str(int(time.time())), 10_000, 20)


def test_what_once_differed() -> None:
    """Each file is a ruleset and packets that were once answered wrongly, see regressions/README.md."""
    orders = [{"case": json.loads(path.read_text(encoding="utf-8"))} for path in REGRESSIONS]
    figures = _pool.measure(orders)
    assert figures.rulesets == len(orders) > 0, f"some rulesets were refused: {figures}"
    assert not figures.differing, "\n\n".join(describe(answer) for answer in figures.differing)


def test_a_wrong_evaluator_is_found_out() -> None:
    """The comparison compares: rules that the evaluator did not see make a difference, and are named."""
    hidden = "table inet t0 {\n  chain c0 {\n    type filter hook input priority 0;\n    tcp dport 22 counter drop\n  }\n}"
    packet = {"packet": "syn", "direction": "in", "source": "10.0.0.9", "source_port": 40000}
    case = {
        "seed": "hidden",
        "loads": [{"tool": "nft", "text": hidden}],
        "packets": [{**packet, "destination": "10.0.0.1", "port": port, "interface": "eth0"} for port in (22, 80)],
    }
    with _pool.Process() as worker:
        blind = worker.ask({"case": case, "blind": True})
        seeing = worker.ask({"case": case})
    assert [each["packet"] for each in blind["differing"]] == [0]
    assert "the evaluator says accept, the kernel lost" in blind["differing"][0]["differences"]
    assert not seeing["differing"]
