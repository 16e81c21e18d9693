# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each broken flow costs as much as the one before it, however many there are between the same hosts: no rule looks through all of them.

Counted are the interpreter's instructions, not time, so a machine that is loaded changes nothing.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.multiplied import multiplied

FEW, MORE, MOST = 6, 12, 24


@pytest.mark.parametrize("recording", ["no_listener", "firewall_drop.server-input", "firewall_drop.fib", "path_drop.syn"])
def test_the_cost_of_a_flow_does_not_grow_with_the_others(recording: str) -> None:
    _instructions(recording, 1)  # what is worked out once in a process
    few, more, most = (_instructions(recording, flows) for flows in (FEW, MORE, MOST))
    early, late = (more - few) / (MORE - FEW), (most - more) / (MOST - MORE)
    assert late <= 1.005 * early


def _instructions(recording: str, flows: int) -> int:
    """How many it takes to decide flows of one client to as many ports of one server."""
    plan, evidence = multiplied(recording, 1, 1, flows)
    counted = 0

    def each(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal counted
        counted += event == "opcode"
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return each

    before = sys.gettrace()
    sys.settrace(each)
    try:
        decide(plan, evidence, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z", keep_all=False)
    finally:
        sys.settrace(before)
    return counted
