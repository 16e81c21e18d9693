# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SYNs at several rates, against a limit of the kernel's own firewall in a namespace."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
SWEEP = """
import json, socket
from ansible_collections.threeway.handshake.plugins.module_utils._connect.rates import sweep
from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import Dial, resolve
address = %r
listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)  # Python 3.7 has no create_server
listener.bind((address, 5432))
listener.listen(128)
print(json.dumps(sweep(resolve([Dial(0, address, 5432)]), rounds=1)))
"""
RULES = """table inet t {
  chain c { type filter hook input priority 0;
    tcp dport 5432 tcp flags & (syn | ack) == syn limit rate over 4/second burst 4 packets drop
  }
}"""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_what_is_above_the_limit_is_lost(address: str) -> None:
    with Rootless() as net:
        net.sh(f"ip link set lo up; nft '{RULES}'")
        text = SWEEP % address
        fast, slow = json.loads(net.sh(f"export PYTHONPATH={COLLECTIONS}\n{sys.executable} - <<'PYTHON'\n{text}\nPYTHON"))
    assert (fast["interval"], fast["attempts"], slow["interval"], slow["attempts"]) == (0.0, 12, 0.4, 6)
    assert (4 <= fast["answered"] <= 6, slow["answered"]) == (True, 6)
