# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of packets that pass, measured on a loopback interface of a namespace of its own: with a limit or without."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._connect.path_sizes import FULL, SIZES, mixed
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
MEASURE = """
import json
from ansible_collections.threeway.handshake.plugins.module_utils._connect.path_listeners import PathListeners
from ansible_collections.threeway.handshake.plugins.module_utils._connect.path_sizes import measure
from ansible_collections.threeway.handshake.plugins.module_utils._host.sockets import socket_counts
from ansible_collections.threeway.handshake.plugins.module_utils._record.detached import detach, stop_detached
import subprocess, time
worker = PathListeners([%r])
[end] = worker.ends()
handle = detach(worker, 30, 0, "handshake-lsn")
rule = %r
if rule:
    text = "table inet h { chain i { type filter hook input priority 0; tcp %%s %%d meta length > 1400 drop; }" %% (rule, end["port"])
    subprocess.run(["nft", "-f", "-"], input=(text + chr(10) + "}").encode(), check=True)
began = time.monotonic()
connections, missed = measure([end])
assert not missed
took = time.monotonic() - began
stop_detached(handle)
print(json.dumps({"connections": connections, "took": took, "left": socket_counts([end["port"]])[str(end["port"])]}))
"""


@pytest.fixture
def net() -> Iterator[Rootless]:
    with Rootless() as rootless:
        rootless.sh("ip link set lo mtu 1500 gso_max_segs 1 up; ip address add 2001:db8::1/128 dev lo nodad")
        yield rootless


def measured(net: Rootless, address: str, rule: str = "") -> dict[str, Any]:
    text = MEASURE % (address, rule)
    found: dict[str, Any] = json.loads(net.sh(f"export PYTHONPATH={COLLECTIONS}\n{sys.executable} - <<'PYTHON'\n{text}\nPYTHON"))
    return found


@pytest.mark.parametrize("address", ["127.0.0.1", "2001:db8::1"])
def test_all_sizes_pass_at_once_and_leave_nothing(net: Rootless, address: str) -> None:
    found = measured(net, address)
    assert {each["size"] for each in found["connections"]} >= {576, 1280, 1480, 1500}
    assert [each for each in found["connections"] if not each["sent"] == each["acked"] == each["received"] == each["expected"]] == []
    assert (found["left"], found["took"] < 2.0) == ({}, True)


@pytest.mark.parametrize(("rule", "lost", "whole"), [("dport", "acked", "received"), ("sport", "received", "acked")])
def test_what_is_too_large_is_lost_behind_the_first_byte(net: Rootless, rule: str, lost: str, whole: str) -> None:
    for each in measured(net, "127.0.0.1", rule)["connections"]:
        assert (each[lost] > 1, each[whole]) == (each["size"] <= 1400, each["expected"]), each
        assert each["retransmits"] >= 3 or lost == "received" or each["size"] <= 1400


def test_nobody_listens(net: Rootless) -> None:
    code = "import json; from ansible_collections.threeway.handshake.plugins.module_utils._connect.path_sizes import measure; "
    code += 'print(json.dumps(measure([{"address": "127.0.0.1", "port": 9}])))'
    found, missed = json.loads(net.sh(f"export PYTHONPATH={COLLECTIONS}\n{sys.executable} -c '{code}'"))
    assert {(each["size"], each["sent"], each["received"]) for each in found} == {(None, 0, 0)}
    assert missed == ["no connection with a listener of ours on 127.0.0.1: ECONNREFUSED"]


def test_what_comes_last_is_not_what_is_large() -> None:
    """A slow line with a short queue drops what comes last."""
    limits = [limit or max(SIZES) for limit in mixed()]
    assert sorted(limits) == sorted([*SIZES, *[max(SIZES)] * FULL])
    assert max(SIZES) in limits[:3]
    for some in range(3, len(limits)):
        assert max(limits[:some]) > min(limits[some:])
