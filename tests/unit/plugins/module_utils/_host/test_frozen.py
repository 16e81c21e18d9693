# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process's control group is frozen, of either version and both at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host.owners import is_frozen

GROUP = "system.slice/web.service"
TWO, ONE = f"0::/{GROUP}\n", f"9:name=systemd:/{GROUP}\n6:cpu,freezer:/{GROUP}\n0::/\n"


@pytest.mark.parametrize(
    ("cgroups", "file", "content", "frozen"),
    [
        (TWO, f"{GROUP}/cgroup.events", "populated 1\nfrozen 1\n", True),
        (TWO, f"{GROUP}/cgroup.events", "populated 1\nfrozen 0\n", False),
        (TWO, f"unified/{GROUP}/cgroup.events", "populated 1\nfrozen 1\n", True),
        (ONE, f"freezer/{GROUP}/freezer.state", "FROZEN\n", True),
        (ONE, f"freezer/{GROUP}/freezer.state", "THAWED\n", False),
        (ONE, f"cpu/{GROUP}/freezer.state", "FROZEN\n", False),
        ("0::/\n", "cgroup.events", "frozen 1\n", False),
        ("", f"{GROUP}/cgroup.events", "frozen 1\n", False),
    ],
)
def test_frozen_groups(tmp_path: Path, cgroups: str, file: str, content: str, frozen: bool) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert is_frozen(cgroups, str(tmp_path)) is frozen
