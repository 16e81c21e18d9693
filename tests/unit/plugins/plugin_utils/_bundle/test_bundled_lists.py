# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of addresses and networks, as programs write them, in a report to share."""

from __future__ import annotations

import json

from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle.evidence import pseudonymous, pseudonyms_for
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.slices import Run
from tests.unit.plugins.plugin_utils.recordings import recorded


def test_whom_xinetd_lets_in_is_kept_as_networks() -> None:
    plan, answers = recorded("xinetd_refuses")
    run = Run(plan=plan, started="2026-11-29T10:00:00Z", controller="", source="", answers=answers)
    shared = pseudonymous(run, pseudonyms_for([run], b"secret"))
    (flow,) = decide(shared.plan, shared.answers, "2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z").report["flows"]
    assert flow["causes"][0]["code"] == "xinetd_refuses"
    assert "10.0.9." not in json.dumps(shared.answers)
