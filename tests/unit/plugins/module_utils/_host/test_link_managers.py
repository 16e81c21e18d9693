# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who manages an interface, from files as NetworkManager, systemd-networkd and ifupdown write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import link_managers

NETWORKD = "# This is private data. Do not parse.\nADMIN_STATE={}\nOPER_STATE=routable\nREQUIRED_FOR_ONLINE=yes\n"
NETWORKMANAGER = "[device]\nmanaged={}\nnm-owned=false\nroute-metric-default-aspired=100\n"
FILES = {
    "systemd/netif/links/2": NETWORKD.format("configured"),
    "systemd/netif/links/3": NETWORKD.format("unmanaged"),
    "NetworkManager/devices/4": NETWORKMANAGER.format("true"),
    "NetworkManager/devices/2": NETWORKMANAGER.format("false"),
    "network/ifstate": "lo=lo\neth5=eth5\neth50=office\n",
}


@pytest.mark.parametrize(
    ("name", "index", "unit"),
    [
        ("eth2", 2, "systemd-networkd.service"),
        ("eth3", 3, None),
        ("eth4", 4, "NetworkManager.service"),
        ("eth5", 5, "networking.service"),
        ("eth", 6, None),
    ],
)
def test_the_manager_says_so_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, index: int, unit: str | None) -> None:
    monkeypatch.setattr(link_managers, "RUN", str(tmp_path))
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert link_managers.manager(name, index) == unit


def test_a_host_without_managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_managers, "RUN", str(tmp_path))
    assert link_managers.manager("eth0", 2) is None
