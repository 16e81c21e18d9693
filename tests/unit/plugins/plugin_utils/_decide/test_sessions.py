# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of SSH that take connections, on recorded evidence: a lost segment of one is no sign that its other end is gone."""

from __future__ import annotations

import pytest

from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils.recordings import recorded


@pytest.mark.parametrize(("repeated", "certainty"), [(0, None), (1, None), (2, None), (3, "likely"), (9, "likely")])
def test_a_few_losses_do_not_end_a_session(repeated: int, certainty: str | None) -> None:
    plan, found = recorded("healthy.twin")
    after = found["db1"]["close"]["evidence"]["after"]
    [pid] = {process["pid"] for listener in after["listeners"] for process in listener["processes"]}
    session = {"program": "sshd", "pid": pid, "address": "10.0.1.99", "port": 50022, "local_port": 22, "unanswered": repeated}
    after["tunnels"] = [session]
    assert [(code, said) for code, _host, said in causes(plan, found)] == ([("proxy_no_backend", certainty)] if certainty else [])
