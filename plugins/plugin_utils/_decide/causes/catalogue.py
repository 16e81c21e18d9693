# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What an entry of the catalogue is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ..case import Case
from ..finding import Finding
from .needs import Need, parts_of


@dataclass(frozen=True)
class Accounts:
    """Anomalies that are there because of a cause: those of a kind, by ``names`` where only some of that kind.

    They are at the host of the finding, or ``anywhere``; about the packet that the finding is about, or ``any_leg``.
    """

    kind: str
    names: tuple[str, ...] = ()
    anywhere: bool = False
    any_leg: bool = False


OF_ANOTHER_MACHINE = (
    Accounts("claimed_address", anywhere=True),
    Accounts("stray_reset", anywhere=True),
    Accounts("uncounted_open", anywhere=True),
    Accounts("third_host", anywhere=True, any_leg=True),
    Accounts("other_receiver", anywhere=True),  # a switch that does not know that machine has each port get them
    Accounts("icmp_error", anywhere=True, any_leg=True),
    Accounts("request_unanswered", anywhere=True),
)
"""Where the SYNs are for another machine than the server."""


@dataclass(frozen=True)
class Cause:
    """One cause: its stable code, where it acts, the outcomes that it can explain, its rule, and what the documentation says of it.

    ``rule`` is a pure function over a case; it returns a finding or ``None``. A ``last_resort`` argues by elimination: it is asked
    only when no rule found anything that is at least likely. ``precedes`` names causes that are ranked after this one, however certain they
    are, where it is at least likely itself: they are its symptoms, or say less. ``accounts_for`` has the anomalies that would be there
    because of it: any other one keeps it from being proven.

    Of a flow that must be closed: a ``passing`` cause lets others through, or the same later, and so does not show that it is; one that
    ``forbids`` is as good as a rule of a firewall.

    Where something at the server answers ``in_its_place``, it is its handshake with the server that fails, after the client's.
    """

    code: str
    title: str
    segments: tuple[str, ...]
    outcomes: tuple[str, ...]
    proof: str
    contradicted_by: str
    _keywords: KW_ONLY
    rule: Callable[[Case], Finding | None] | None = None
    last_resort: Callable[[Case], Finding | None] | None = None
    precedes: tuple[str, ...] = ()
    accounts_for: tuple[Accounts, ...] = ()
    passing: bool = False
    forbids: bool = False
    in_its_place: bool = False

    @property
    def parts(self) -> list[Need[Any]]:
        """What its rules declare to need of hosts' answers."""
        return list(dict.fromkeys(parts_of(self.rule, self.last_resort)))
