# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What collectors make of the words of programs is read by the controller, whatever the words."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import haproxy, nginx
from ansible_collections.threeway.handshake.plugins.module_utils._logs.collect import record_of
from ansible_collections.threeway.handshake.plugins.module_utils._logs.line import Line
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.log_records import LogRecord
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.records import build
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.unit_records import BalancedServer
from tests.unit.plugins.module_utils._host.test_haproxy import STATISTICS
from tests.unit.plugins.module_utils._host.test_nginx import NOW, REFUSED
from tests.unit.plugins.module_utils._logs.test_kinds import kernel_line


def test_the_servers_of_a_balancer() -> None:
    assert len(build(tuple[BalancedServer, ...], haproxy.servers(STATISTICS), "balancers")) == 5
    (refused,) = build(tuple[BalancedServer, ...], [*nginx.failures(REFUSED % (1, "10.0.2.21:8080"), NOW)], "balancers")
    assert refused.up is False


@pytest.mark.parametrize(
    "line",
    [
        Line(1.0, "/var/log/auth.log", False, "sshd", "drop connection #1 from [10.0.1.11]:99999 on [10.0.2.21]:99999 past MaxStartups"),
        kernel_line(f"Out of memory: Killed process {'9' * 900} (db) total-vm:1kB"),
        kernel_line(f"oom-kill:constraint=x,task_memcg=/a.service,task=db,pid={'9' * 900},uid=0"),
    ],
)
def test_numbers_that_anybody_may_write_cost_no_other_line(line: Line) -> None:
    """The controller reads the records of a host as a whole."""
    record = record_of(line)
    assert record is not None
    assert build(tuple[LogRecord, ...], [record], "logs")
