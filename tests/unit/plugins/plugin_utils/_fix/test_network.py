# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes for links: what they say of interfaces with unusual names."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.network import with_ipv6
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.network_subjects import WithoutIpv6


@pytest.mark.parametrize(
    ("interface", "commands"),
    [
        ("eth0", ["sysctl -w net.ipv6.conf.eth0.disable_ipv6=0"]),
        ("eth0.100", ["sysctl -w net/ipv6/conf/eth0.100/disable_ipv6=0"]),  # sysctl(8) takes dots of the name for separators
        ("a b;c", []),
    ],
)
def test_ipv6_is_switched_on_by_the_name_that_sysctl_takes(interface: str, commands: list[str]) -> None:
    assert [*with_ipv6("db1", WithoutIpv6(interface)).commands] == commands
