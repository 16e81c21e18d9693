# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What statistics and logs say of limits that are reached; the programs themselves are asked in tests/faults/catalogue/limits.py."""

from __future__ import annotations

import time

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import haproxy, nginx

STATISTICS = """# pxname,svname,scur,slim,status,addr,
orders,FRONTEND,4,4,OPEN,,
orders,db1,4,,UP,10.0.2.21:5432,
orders,BACKEND,4,4,UP,,
reports,FRONTEND,3,4,OPEN,,
open,FRONTEND,0,0,OPEN,,
"""


def test_sections_that_have_as_many_connections_as_they_may() -> None:
    assert list(haproxy.full(STATISTICS)) == [("orders", 4, 4)]


def logged(seconds_ago: float, text: str, level: str) -> str:
    return time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(time.time() - seconds_ago)) + f" [{level}] 7#7: {text}"


@pytest.mark.parametrize(
    ("ago", "text", "level", "most"),
    [
        (1, "16 worker_connections are not enough", "alert", [16]),
        (1, "*19 512 worker_connections are not enough", "alert", [512]),
        (60, "16 worker_connections are not enough", "alert", []),
        (1, "16 worker_connections are not enough, reusing connections", "warn", []),
        (1, '*3 client sent "16 worker_connections are not enough", client: 10.0.0.1', "info", []),
    ],
)
def test_lines_of_late_about_too_few_connections(ago: float, text: str, level: str, most: list[int]) -> None:
    assert [each for _at, each in nginx.shortages(logged(ago, text, level), time.time() - 30)] == most
