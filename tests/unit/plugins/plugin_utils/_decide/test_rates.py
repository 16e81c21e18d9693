# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SYNs that get lost at a high rate, on recorded evidence with the smallest changes that have another explanation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils.recordings import recorded

Paces = list[dict[str, Any]]
CODE = "path_rate_limited"


def one(paces: Paces, number: int, **values: object) -> Paces:
    paces[number].update(values)
    return paces


CHANGES: dict[str, tuple[Callable[[Paces], Paces], str | None]] = {
    "as it is": (lambda paces: paces, "proven"),
    "one that is sent alone is lost": (lambda paces: one(paces, 1, answered=5), None),
    "all at once pass, once": (lambda paces: one(paces, 0, answered=12), None),
    "not repeated": (lambda paces: paces[:2], None),
    "one in each burst, as by chance": (lambda paces: one(one(paces, 0, answered=11), 2, answered=11), None),
    "few, as hardly by chance": (lambda paces: one(one(paces, 0, answered=8), 2, answered=8), "likely"),
    "of another port": (lambda paces: [{**each, "port": 80} for each in paces], None),
    "more answers than SYNs": (lambda paces: one(paces, 0, answered=13), None),
    "more SYNs than anybody sends": (lambda paces: one(paces, 0, attempts=1 << 60), None),
    "nobody asked": (lambda _paces: [], None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_rate_has_to_decide(change: str) -> None:
    plan, found = recorded(CODE)
    changed, certainty = CHANGES[change]
    evidence = found["web1"]["trace_try"]["evidence"]
    evidence["paces"] = changed(evidence["paces"])
    assert [said for code, _host, said in causes(plan, found) if code == CODE] == ([certainty] if certainty else [])
