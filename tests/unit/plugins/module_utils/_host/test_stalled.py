# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that hang, and whether connection tracking knows them, in a namespace of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
HANGS = """
import json, socket, subprocess, time
from ansible_collections.threeway.handshake.plugins.module_utils._host.conntrack_entries import look_up
from ansible_collections.threeway.handshake.plugins.module_utils._host.sockets import sockets
address = %r
family = socket.AF_INET6 if ":" in address else socket.AF_INET
listener = socket.socket(family)  # Python 3.7 has no create_server
listener.bind((address, 5432))
listener.listen()
pairs = [socket.create_connection((address, 5432)) for _turn in range(2)]
time.sleep(0.5)
before = sockets({5432})[0]
stalls = pairs[0].getsockname()[1]
text = "table inet h { chain i { type filter hook input priority 0; ct state new accept; tcp sport %%d drop; }" %% stalls
subprocess.run(["nft", "-f", "-"], input=(text + chr(10) + "}").encode(), check=True)
pairs[0].send(b"still there?")
pairs[1].send(b"me, too")
time.sleep(2.5)
ends = {"local": address, "remote": address, "remote_port": 5432}
fresh = socket.create_connection((address, 5432))
asked = [{**ends, "local_port": port} for port in (fresh.getsockname()[1], 9)]
print(json.dumps({"before": before, "after": sockets({5432})[0], "stalls": stalls, "known": [each["known"] for each in look_up(asked)]}))
"""


@pytest.fixture(scope="module", params=["127.0.0.1", "::1"])
def seen(request: pytest.FixtureRequest) -> dict[str, Any]:
    with Rootless() as net:
        net.sh("ip link set lo up; nft 'table inet t { chain c { type filter hook input priority 0; ct state new accept; }; }'")
        text = HANGS % request.param
        found: dict[str, Any] = json.loads(net.sh(f"export PYTHONPATH={COLLECTIONS}\n{sys.executable} - <<'PYTHON'\n{text}\nPYTHON"))
    return found


def test_only_what_is_sent_again_and_again_is_said_to_hang(seen: dict[str, Any]) -> None:
    assert [each for each in seen["before"] if "retransmits" in each] == []
    [hangs] = [each for each in seen["after"] if "retransmits" in each]
    assert (hangs["local_port"], hangs["queued"]) == (seen["stalls"], len("still there?"))
    assert hangs["retransmits"] >= 3


def test_the_timer_says_when_it_was_sent_first(seen: dict[str, Any]) -> None:
    """Half a second after the handshake."""
    [hangs] = [each for each in seen["after"] if "retransmits" in each]
    first = hangs["rto_ms"] / 2 ** hangs["retransmits"]
    idle = hangs["silent_ms"] - (2 * hangs["rto_ms"] - first - hangs["next_ms"])
    assert 350 <= idle <= 1500, hangs


def test_a_connection_is_looked_up_by_its_ends(seen: dict[str, Any]) -> None:
    assert seen["known"] == [True, False]
