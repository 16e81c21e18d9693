# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""For links of these kinds the kernel loads no module."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.threeway.handshake.plugins.module_utils._firewall import link_kinds


def test_kinds_that_are_loaded_or_built_in_and_kernels_without_modules(tmp_path: Path) -> None:
    assert link_kinds.registered(root=str(tmp_path)) == list(link_kinds.KINDS)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "modules").write_text("veth 1 0 - Live 0x0\n")
    assert link_kinds.registered(root=str(tmp_path)) == []
    (tmp_path / "sys" / "module" / "veth").mkdir(parents=True)
    builtin = tmp_path / "lib" / "modules" / os.uname().release / "modules.builtin"
    builtin.parent.mkdir(parents=True)
    builtin.write_text("kernel/net/bridge/bridge.ko\nkernel/drivers/net/dummyish.ko\n")
    assert link_kinds.registered(root=str(tmp_path)) == ["bridge", "veth"]
