# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table on a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._show import history_table
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.terminal import ansi
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.text import cells

SINCE = "2026-10-22T04:00:00Z"


def row(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "client": "web1",
        "server": "db1",
        "address": "192.0.2.21",
        "port": 5432,
        "status": status,
        "since": "2026-11-21T02:00:00Z",
        "first_bad": None,
        "flaps": 0,
        "flapping": False,
        "time_to_mend_seconds": None,
        "availability": None,
        "last_cause": None,
        **more,
    }


def test_it_reads_like_this() -> None:
    cause = {"code": "no_listener", "host": "db1", "certainty": "proven", "summary": "nothing listens"}
    bad = {"first_bad": "2026-11-21T02:00:00Z", "flaps": 5, "flapping": True, "time_to_mend_seconds": 12000, "availability": 0.99931}
    flows = [row("web-to-mail", "ok", server=None, availability=1.0), row("web-to-db", "broken", last_cause=cause, **bad)]
    assert history_table.render(flows, SINCE, 140).splitlines() == [
        "flow                                  state   since             first bad         flaps  to mend    works  last cause",
        "web-to-db: web1 -> db1:5432           broken  2026-11-21 02:00  2026-11-21 02:00     5!    3h20m   99.93%  no_listener at db1",
        "web-to-mail: web1 -> 192.0.2.21:5432  ok      2026-11-21 02:00  -                     0        -  100.00%  -",
        "",
        "Times are UTC. Flaps, time to mend and the share of time in which a flow works count from 2026-10-22 04:00.",
    ]


def test_colours_and_wide_names_keep_the_columns() -> None:
    cause = {"code": "name_resolution_failed_for_all", "host": "web1" * 20}
    flows = [row("日本語" * 30, "broken", last_cause=cause), row("broken  broken", "degraded"), row("x", "undetermined")]
    lines = history_table.render(flows, SINCE, 132).splitlines()[:4]
    assert all(cells(line) <= 132 for line in lines)
    painted = history_table.render(flows, SINCE, 132, ansi).splitlines()[:4]
    assert "\x1b[33mdegraded\x1b[0m" in painted[3]
    for status, code in (("broken", "1;31"), ("undetermined", "35"), ("degraded", "33")):
        painted = [line.replace(f"\x1b[{code}m{status}\x1b[0m", status) for line in painted]
    assert painted[1:] == lines[1:]


def test_a_short_outage_does_not_vanish_in_rounding() -> None:
    assert " 99.99%  " in history_table.render([row("web-to-db", "ok", availability=0.999999)], SINCE, 120)


def test_what_is_left_out_is_said() -> None:
    assert history_table.render([row(f"flow{number}", "ok") for number in range(203)], SINCE, 120).count("... and 3 more flows") == 1
    assert history_table.render([], SINCE, 120) == "No flow of the history matches.\n"


@pytest.mark.parametrize("width", [60, 80, 100])
def test_columns_give_way_where_the_terminal_is_narrow(width: int) -> None:
    cause = {"code": "firewall_drop", "host": "db1"}
    known = {"first_bad": "2026-11-21T02:00:00Z", "flaps": 5, "time_to_mend_seconds": 12000, "availability": 0.99931}
    text = history_table.render([row("web-to-db", "undetermined", last_cause=cause, **known)], SINCE, width)
    assert max(map(cells, text.splitlines())) <= width
    assert "undetermined" in text and "firewall_drop at" in text and "first bad" in text.partition("Left out")[2]
