# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A snapshot while it is taken: its parts by name, and what could not be seen."""

from __future__ import annotations

import typing as t

from .._errors import ObserveError

Order = t.Mapping[str, t.Any]
End = t.Tuple[t.Optional[str], int]  # address, port
Absent = t.List[t.Dict[str, str]]


class Parts:
    """Parts by name; a part that fails costs that part only."""

    def __init__(self) -> None:
        self.parts: dict[str, t.Any] = {}
        self.absent: Absent = []

    def add(self, what: str, collect: t.Callable[[], t.Any]) -> t.Any:
        """The part, which is also kept; None when it could not be had, for which `absent` has the reason."""
        try:
            self.parts[what] = collect()
        except (ObserveError, OSError) as error:
            self.lacks(what, str(error))
        return self.parts.get(what)

    def add_partial(self, what: str, collect: t.Callable[[], tuple[t.Any, Absent]]) -> t.Any:
        """A part whose collector itself reports what it could not see."""

        def part() -> t.Any:
            found, lacking = collect()
            self.absent += lacking
            return found

        return self.add(what, part)

    def lacks(self, what: str, why: str) -> None:
        self.absent.append({"what": what, "why": why})
