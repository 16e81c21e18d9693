# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose ids a lab may have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[4] / "roles/lab/files"


@pytest.mark.skipif(os.geteuid() != 0, reason="being a user without a name takes root")
def test_a_user_without_a_name_has_its_own_id_alone() -> None:
    """As in a container that is started with --user."""
    program = "import os, namespaces; os.setgroups([]); os.setgid(54321); os.setuid(54321); print(namespaces.id_mapper())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(FILES), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "None\n", done.stderr
