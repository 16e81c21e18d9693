# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds what the playbooks leave against the schemas in docs/."""

from __future__ import annotations

from tests import schemas
from tests.lab._machines import Machines

Machines.kept = schemas.check_directory
