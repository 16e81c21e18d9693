# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tools list of entries that are none; tests/integration/targets/network_entry has those that are."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._work.network_entry import entry_of

SOCKET = {"kind": "socket", "source": "127.0.0.1", "source_port": 40001, "destination": "127.0.0.1", "destination_port": 5432}
NEIGHBOUR = {"kind": "neighbour", "address": "192.0.2.1", "interface": "eth0", "mac": ""}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (SOCKET, "UNCONN 0      0          127.0.0.1:40001     127.0.0.1:5432"),  # iproute2 6.15, of a socket that ss -K closed
        (NEIGHBOUR, "192.0.2.1 FAILED"),
    ],
)
def test_what_is_listed_and_is_none_is_not_found(options: dict[str, object], line: str) -> None:
    assert entry_of({"state": "absent", **options}, lambda _command: (0, f"{line}\n", "")).found() == []
