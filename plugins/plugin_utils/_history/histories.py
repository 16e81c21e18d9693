# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a history knows: flows, what runs found of them, and what was changed for them."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from . import outages as _outages
from .outages import DecisiveCause, Outage, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A flow, and its key in the database."""

    key: str
    name: str
    client: str
    server: str
    """Empty for a server that is not managed."""
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Patterns as a shell has them, which must match all of a name; empty ones match everything."""

    flow: str = ""
    client: str = ""
    server: str = ""
    """Matches the name of the host, or the address that clients dial."""

    def matches(self, flow: Named) -> bool:
        return all(
            not pattern or any(fnmatchcase(text, pattern) for text in texts)
            for pattern, texts in (
                (self.flow, [flow.name]),
                (self.client, [flow.client]),
                (self.server, [flow.server, flow.address]),
            )
        )


@dataclass(frozen=True, slots=True)
class History:
    """A flow and what runs found, in time."""

    flow: Named
    spans: tuple[Span, ...]
    runs: int

    @property
    def status(self) -> str:
        return self.spans[-1].status

    @property
    def cause(self) -> DecisiveCause | None:
        """The decisive cause that was found last."""
        return next((span.cause for span in reversed(self.spans) if span.cause), None)

    @property
    def outages(self) -> list[Outage]:
        return _outages.outages(self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """What was changed on a host, in which run."""

    run: str
    finished: int
    code: str
    host: str
    kind: str
    outcome: str
    summary: str
    flows: tuple[Named, ...]
