# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several workers share a machine: a test that is marked `alone` waits for the others, and they for it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest

from tests import schemas
from tests.lab._machines import Machines

# What the playbooks leave is as the schemas in docs/ say.
Machines.kept = schemas.check_directory

LOCKS = "/run/handshake-faults"  # of all checkouts


@pytest.fixture(autouse=True)
def machine(request: pytest.FixtureRequest) -> Iterator[None]:
    """The machine's limits, as they are or to change."""
    if os.geteuid() != 0:  # only root may change them
        yield
        return
    alone = request.node.get_closest_marker("alone") is not None
    with open(f"{LOCKS}.gate", "w") as gate, open(f"{LOCKS}.lock", "w") as lock:
        fcntl.flock(gate, fcntl.LOCK_EX)  # whoever waits for the others keeps the next ones out
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
