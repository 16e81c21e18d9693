# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own list of raw sockets, in a network namespace of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc"]
CODE = """
import socket
from ansible_collections.threeway.handshake.plugins.module_utils._host.raw_sockets import protocols
assert protocols() == []
held = [socket.socket(socket.AF_INET, socket.SOCK_RAW, 112), socket.socket(socket.AF_INET6, socket.SOCK_RAW, 89)]
assert protocols() == [89, 112]
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="the program 'unshare' is missing")
def test_protocols_of_both_families() -> None:
    root = next(path for path in sys.path if (Path(path) / "ansible_collections/threeway/handshake").exists())
    done = subprocess.run([*UNSHARE, sys.executable, "-c", CODE], env={"PYTHONPATH": root}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
