# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the history asks of its database, whichever it is: statements of SQL with ``:named`` parameters, within one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Parameters = Mapping[str, Any]


class Session(Protocol):
    """One transaction. A parameter that is a list stands after ``IN``."""

    def rows(self, statement: str, parameters: Parameters | None = None) -> Sequence[Any]:
        """What a query finds: tuples whose columns have their names."""

    def run(self, statement: str, parameters: Parameters | None = None) -> int:
        """Change something; return how many rows."""

    def run_many(self, statement: str, several: Sequence[Parameters]) -> None:
        """The same with one set of parameters after the other."""

    def has_table(self, name: str) -> bool:
        """Whether a table of this name is there."""
