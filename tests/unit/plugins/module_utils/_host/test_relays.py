# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines as the programs are really started."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host.relays import read, target_of

DOCKER = "/usr/bin/docker-proxy -proto {} -host-ip 0.0.0.0 -host-port 8080 -container-ip {} -container-port 80 -use-listen-fd"


@pytest.mark.parametrize(
    ("command", "target"),
    [
        (DOCKER.format("tcp", "172.17.0.2"), ("172.17.0.2", 80)),
        (DOCKER.format("tcp", "fd00:0::2"), ("fd00::2", 80)),
        (DOCKER.format("udp", "172.17.0.2"), None),
        ("/usr/bin/docker-proxy -proto tcp", None),
        ("/lib/systemd/systemd-socket-proxyd --exit-idle-time=30s 127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("/lib/systemd/systemd-socket-proxyd [::1]:8080", ("::1", 8080)),
        ("/lib/systemd/systemd-socket-proxyd localhost:8080", ("127.0.0.1", 8080)),
        ("/lib/systemd/systemd-socket-proxyd /run/orders.sock", None),
        ("/lib/systemd/systemd-socket-proxyd orders.example.org:http", None),
        ("socat -d TCP-LISTEN:5432,fork,reuseaddr TCP:10.0.2.21:80,retry=3", ("10.0.2.21", 80)),
        ("socat TCP6-LISTEN:5432,fork tcp6-connect:[2001:db8::1]:80", ("2001:db8::1", 80)),
        ("socat TCP-LISTEN:5432,fork UNIX-CONNECT:/run/orders.sock", None),
        ("nginx: worker process", None),
        ("", None),
    ],
)
def test_where_a_command_line_leads(command: str, target: tuple[str, int] | None) -> None:
    assert target_of(command.split()) == target


@pytest.mark.skipif(shutil.which("socat") is None, reason="the program 'socat' is missing")
def test_a_program_that_runs() -> None:
    with subprocess.Popen(["socat", "-u", "TCP-LISTEN:0,bind=127.0.0.1", "TCP:127.0.0.1:9"]) as running:
        try:
            time.sleep(0.2)
            found = read([{"port": 5432, "processes": [{"pid": running.pid, "name": "socat"}]}, {"port": 5433, "processes": None}])
        finally:
            running.kill()
    assert found == [{"port": 5432, "program": "socat", "pid": running.pid, "address": "127.0.0.1", "to": 9}]
