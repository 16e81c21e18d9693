# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes for links and the kernel's settings: interfaces with unusual names, and what a container's root cannot set."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.network import with_ipv6
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.sysctl import sysctls
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.network_subjects import WithoutIpv6
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.snapshot import Snapshot
from tests.unit.plugins.plugin_utils._decide.changes import snapshots
from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils.recordings import recorded


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


@pytest.mark.parametrize(
    ("name", "read_only", "offered"),
    [
        ("net.netfilter.nf_conntrack_max", (), True),
        ("net.netfilter.nf_conntrack_max", ("net.netfilter.nf_conntrack_max",), False),
        ("net/ipv4/conf/eth0.100/rp_filter", ("net.ipv4.conf.eth0.100.rp_filter",), False),
    ],
)
def test_what_the_host_s_root_cannot_set_is_no_fix(name: str, read_only: tuple[str, ...], offered: bool) -> None:
    host = Host("db1", before=Snapshot(time=1.0, read_only_sysctls=read_only))
    fix = sysctls(host, {name: 1}, f"set {name}", why="for a test")
    assert (bool(fix.steps), bool(fix.commands)) == (offered, offered)
    assert ("cannot be set on db1" in str(fix.summary)) is not offered


def test_no_route_of_the_server_makes_up_for_the_interface_that_has_its_address() -> None:
    plan, found = recorded("server_link_down")
    for snapshot in snapshots(found, "db1"):
        next(link for link in snapshot["links"] if link["name"] == "eth0").update(up=True, carrier=False, operstate="down")
    first = flows(plan, found)[0]["causes"][0]
    assert first["code"] == "server_link_down" and "cable" in first["fix"]["summary"]
    assert "ignore_routes_with_linkdown" not in first["fix"]["summary"]
