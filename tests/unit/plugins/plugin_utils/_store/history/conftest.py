# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test that asks for ``where`` runs on both databases."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.postgresql import Server, optional

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with optional() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What diagnose_history would be: a database that nobody has used yet."""
    if request.param == "sqlite":
        return str(tmp_path / "made" / "history.db")
    server: Server = request.getfixturevalue("postgresql")
    return server.url(f"history{next(_NUMBERS)}")
