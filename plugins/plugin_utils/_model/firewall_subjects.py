# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What findings about firewalls, translation and the kernel's hooks are about: what their fixes cannot work out from the case.

Where one record of the evidence is enough, such as a `Rule`, that record itself is the subject.
"""

from __future__ import annotations

from dataclasses import dataclass

from .firewall_records import MissedRule, Verdict
from .prose import Wording, worded
from .recording import Observation


@dataclass(frozen=True)
class Stop:
    """A firewall's verdict that stops the packet, and those that would stop later packets of the handshake at the same host."""

    verdict: Verdict
    later: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Translated:
    """An address, or an address and port, whose translation leads astray."""

    end: str


@dataclass(frozen=True)
class TranslatedInside:
    """A port in another network namespace of the server, in words, to which the SYN is translated."""

    port: int
    namespace: Wording

    def __post_init__(self) -> None:
        worded(self, "namespace")


@dataclass(frozen=True)
class DeadTargets:
    """Those of several ends of a translation that nobody answers at."""

    ends: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Hairpin:
    """A translation that the server's answers do not pass: by whom, to which end, for clients of which network; who made its rule."""

    host: str
    address: str
    port: int
    network: str | None
    manager: str | None


@dataclass(frozen=True)
class MissedTranslation:
    """A rule that just misses a SYN from ``source`` for ``address``, which comes by ``interface``.

    ``network``: the one that both the SYN's source and the end are on to which the rule translates.
    """

    missed: MissedRule
    source: str
    address: str
    interface: str | None
    network: str | None


@dataclass(frozen=True)
class Table:
    """A table of the kernel, how many entries it has and how many it may have."""

    count: int
    limit: int


@dataclass(frozen=True)
class Strays:
    """SYNs as they came in and as they went out, translated by an older connection."""

    seen: tuple[tuple[Observation, Observation], ...]


@dataclass(frozen=True)
class Setting:
    """A sysctl."""

    name: str


@dataclass(frozen=True)
class ControlGroup:
    """The unit, container or path of a control group."""

    name: str


@dataclass(frozen=True)
class DropReason:
    """The kernel's reason for dropping a packet; of traffic control, the direction and the interface."""

    name: str
    direction: str | None = None
    interface: str | None = None


@dataclass(frozen=True)
class OutboundPolicy:
    """An IPsec policy for what is sent to an address."""

    address: str
