# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels by OpenSSH clients: what is left of them when one cannot be started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader, init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.ssh_channels import asker


@pytest.fixture(autouse=True, scope="module")
def _plugins() -> Iterator[None]:
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([])
    yield
    _AnsibleCollectionFinder._remove()  # it takes over all imports of collections


def children() -> list[str]:
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="ascii").split()


def test_a_client_that_cannot_be_started_leaves_none_of_the_others(tmp_path: Path) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    connection = connection_loader.get("ansible.builtin.ssh", PlayContext())
    connection.set_options(direct={"host": "nobody", "ssh_executable": str(program)})
    before = children()
    with pytest.raises(ValueError, match="null byte"):
        asker(connection)([("192.0.2.1", 5432, 1.0), ("192.0.2.1\0", 5432, 1.0)])
    assert children() == before
