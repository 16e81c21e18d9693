# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script, run by this machine's shell; and output that no honest host has."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._bare.answer import (
    MOST_CHARACTERS,
    NoShell,
    addresses_of,
    sections,
    snapshot,
)
from ansible_collections.threeway.handshake.plugins.plugin_utils._bare.script import MOST_LINES, snapshot_script
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.records import build
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.snapshot import Snapshot

ORDER: dict[str, Any] = {
    "ports": [5432],
    "pairs": [{"local": None, "remote": "127.0.0.1", "mark": 0}],
    "dials": [{"address": "$(echo BOOM >&2)"}],
}


def test_a_snapshot_of_this_machine() -> None:
    done = subprocess.run(
        ["sh", "-c", snapshot_script(ORDER, ["localhost", "a'b; echo BOOM >&2"])], capture_output=True, text=True, check=False
    )
    assert "BOOM" not in done.stderr
    parts = sections("\n" + done.stdout)
    told, absent = snapshot(parts, ORDER)
    found: Snapshot = build(Snapshot, told, "snapshot")
    assert found.root == (os.geteuid() == 0)
    assert found.sysctls
    assert found.sysctls["net.ipv4.tcp_syn_retries"].isdigit()
    assert found.counters
    assert "ListenOverflows" in found.counters["TcpExt"]
    assert found.routes
    assert found.routes[0].type == "local"
    assert "lo" in found.link_by_name
    assert {"recording", "firewall"} <= {each["what"] for each in absent}
    assert set(addresses_of(parts, "localhost")) & {"127.0.0.1", "::1"}


@pytest.mark.parametrize(("said", "why"), [("ForceCommand says no\n", "no POSIX shell"), ("\n@@handshake time\n1\n", "is incomplete")])
def test_what_no_shell_says(said: str, why: str) -> None:
    with pytest.raises(NoShell, match=why):
        sections(said)


def test_more_than_any_host_has() -> None:
    with pytest.raises(NoShell, match="the limit is"):
        sections("x" * (MOST_CHARACTERS + 1))


def test_a_list_that_was_cut_says_nothing_about_what_is_not_in_it() -> None:
    line = "LISTEN 0 128 0.0.0.0:80 0.0.0.0:*\n"
    told, absent = snapshot({"ss": line * MOST_LINES}, {})
    assert "listeners" not in told
    assert "listeners" in [each["what"] for each in absent]


def test_junk_costs_its_own_part() -> None:
    junk = dict.fromkeys(
        ("time", "uid", "netns", "netstat", "snmp", "links", "addresses", "ss", "sysctls", "sockets"), "\x1b[2J: : junk\n1: 2\n"
    )
    told, absent = snapshot(junk, ORDER)
    build(Snapshot, told, "snapshot")
    assert {"counters", "links", "addresses"} <= {each["what"] for each in absent}


@pytest.mark.parametrize("number", ["9" * 5000, "\u00b2", "\u0663"])
def test_numbers_that_are_none_cost_their_own_line(number: str) -> None:
    """More digits than Python converts, and characters that it calls digits."""
    lines = {
        "links": f"{number}: eth0: <UP> mtu 1500\n2: eth1: <UP> mtu {number}",
        "addresses": f"2: eth1    inet 10.0.1.11/{number} scope global eth1",
        "ss": f"LISTEN {number} 1 0.0.0.0:22 0.0.0.0:*\nLISTEN 0 1 0.0.0.0:{number} 0.0.0.0:*\n"
        f"LISTEN 0 1 0.0.0.0:80 0.0.0.0:* uid:{number} ino:{number}",
        "listeners": f"0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {number} 0 {number} 1",
        "sockets": f"0: 0B01000A:9C41 1502000A:1538 01 00000000:00000000 00:00000000 00000000 {number} 0 {number} 1",
        **dict.fromkeys(("time", "uid", "netns", "netstat", "snmp6", "softnet"), number),
    }
    told, _absent = snapshot(lines, ORDER)
    found: Snapshot = build(Snapshot, told, "snapshot")
    assert [each.port for each in found.listeners or ()] == [80] and list(found.link_by_name) == ["eth1"]
    del lines["ss"]
    build(Snapshot, snapshot(lines, ORDER)[0], "snapshot")
