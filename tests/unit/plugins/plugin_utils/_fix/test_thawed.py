# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Advice for what a host's own administrator or kernel keeps from working: frozen control groups, connections that it does not begin."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.application import thawed
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.backends import of_balancer
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.socket_records import Process
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.socket_subjects import Backend

CONTAINER = "3f" * 32


@pytest.mark.parametrize(
    ("about", "commands"),
    [
        ({"container": CONTAINER, "unit": f"docker-{CONTAINER}.scope"}, [f"docker unpause {CONTAINER}"]),
        ({"container": CONTAINER, "unit": f"libpod-{CONTAINER}.scope"}, [f"podman unpause {CONTAINER}"]),
        ({"container": CONTAINER, "unit": f"cri-containerd-{CONTAINER}.scope"}, []),
        ({"container": CONTAINER, "unit": "web.service"}, []),
        ({"unit": "web.service"}, ["systemctl thaw web.service"]),
        ({"unit": "x; reboot.service"}, []),
        ({}, []),
    ],
)
def test_whoever_froze_it_can_thaw_it(about: dict[str, Any], commands: list[str]) -> None:
    fix = thawed("db1", Process(pid=7, name="nginx", frozen=True, **about))
    assert (fix.host, [*fix.commands]) == ("db1", commands)
    assert ("cgroup.freeze" in str(fix.summary)) is not (bool(commands) or "container" in about)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("no_ports", "net.ipv4.ip_local_port_range"),
        ("no_source", "nginx: proxy_bind, HAProxy: source"),
        ("no_way", "its routes and policy rules"),
        ("forbidden", "httpd_can_network_connect"),
    ],
)
def test_the_host_in_front_is_at_fault_itself(kind: Any, said: str) -> None:
    fix = of_balancer(Backend(kind, 5432, name="10.0.2.21 port 5432"), "db2")
    assert fix is not None and fix.host == "db2" and said in str(fix.summary)
