# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two faults at once: the first that bites is told as such, and the other is named, or the stretch that was never reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE as CAUSES
from tests.faults import catalogue  # noqa: F401  # pylint: disable=unused-import  # fills CATALOGUE
from tests.faults._fault import CATALOGUE
from tests.faults._pack import CELLS
from tests.faults._pairs import Pair, PairPack, pairs, together
from tests.lab.fleet import Fleet

SEED, ALL, FEW = 13, 50, CELLS
RIGHT = 0.95


def test_a_few_pairs() -> None:
    assert wrong(pairs(CATALOGUE, ALL, SEED)[:FEW]) == []


@pytest.mark.slow
def test_pairs() -> None:
    chosen = pairs(CATALOGUE, ALL, SEED)
    said = [sentence for start in range(0, len(chosen), CELLS) for sentence in wrong(chosen[start : start + CELLS])]
    assert len(said) <= (1 - RIGHT) * len(chosen), "\n".join(said)


def wrong(chosen: Sequence[Pair]) -> list[str]:
    """What the diagnosis of these says otherwise than it should, a sentence for each such pair."""
    pack = PairPack("pairs", tuple(map(together, chosen)))
    with Fleet(pack.topology()) as fleet:
        views = pack.views(fleet)
        for fault, view in zip(pack.faults, views, strict=True):
            fault.make(view)
        flows = pack.diagnose(fleet, views)
    return [sentence for pair, flow in zip(chosen, flows, strict=True) if (sentence := complaint(pair, flow))]


def complaint(pair: Pair, flow: dict[str, Any]) -> str | None:
    """What is wrong about the answer to a pair."""
    causes = [(cause["code"], cause["host"], cause["certainty"]) for cause in flow["causes"]]
    told = f"{pair[0].name} + {pair[1].name}: {flow['status']} {causes}"
    expected = {(fault.code, fault.host) for fault in pair}
    symptoms = {code for cause in CAUSES if cause.code in {fault.code for fault in pair} for code in cause.precedes}
    unreached = " ".join(sentence for sentence in flow["not_observed"] if "not reached" in sentence)
    if flow["status"] == "ok":
        return f"{told}: the status"
    if foreign := [cause for cause in causes if cause[2] == "proven" and cause[:2] not in expected and cause[0] not in symptoms]:
        return f"{told}: proven wrongly: {foreign}"
    if not causes or causes[0][:2] not in expected:
        return f"{told}: the first cause is neither"
    missing = [fault for fault in pair if (fault.code, fault.host) not in {cause[:2] for cause in causes}]
    if [fault for fault in missing if str(fault.segment) not in unreached]:
        return f"{told}: neither {missing[0].code} nor {missing[0].segment} is named"
    return None
