# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What findings about firewalls, translation and the kernel's hooks are about: what their fixes cannot work out from the case.

Where one record of the evidence is enough, such as a `Rule`, that record itself is the subject.
"""

from __future__ import annotations

from dataclasses import dataclass

from .firewall_records import Verdict
from .network_subjects import ByMark
from .opening_records import HiddenTranslation, MissedRule
from .prose import Wording, worded
from .recording import Observation
from .rule_records import Rule


@dataclass(frozen=True)
class TakenAhead:
    """A translation of a SYN from ``source`` for ``address`` and ``port``, as it comes to the host, that is not made, because of rules
    ahead of it."""

    hidden: HiddenTranslation
    source: str
    address: str
    port: int


@dataclass(frozen=True)
class Stop:
    """A firewall's verdict that stops the packet, and those that would stop later packets of the handshake at the same host; ``taken``: a
    translation that would lead it elsewhere, but for rules ahead; ``marked``: where it is stopped for the way
    back, the mark by which the host itself sends the way that it came."""

    verdict: Verdict
    later: tuple[Verdict, ...] = ()
    taken: TakenAhead | None = None
    marked: ByMark | None = None


@dataclass(frozen=True)
class Queueing:
    """A queueing discipline of an interface, of a kind, where that is known."""

    interface: str
    kind: str | None = None


@dataclass(frozen=True)
class Translated:
    """An address, or an address and port, whose translation leads astray, and the rule that does it, where that is known; ``unserved``:
    it may be meant, if only somebody were there; ``needless``: without it, the SYN would come to a listener of the server's; ``passing``:
    the host translates what is for another one, and only passes it."""

    end: str
    rule: Rule | None = None
    unserved: bool = False
    needless: bool = False
    passing: bool = False


@dataclass(frozen=True)
class ToLoopback:
    """A loopback address and port to which a rule translates what comes in by an interface."""

    end: str
    port: int
    interface: str
    rule: Rule


@dataclass(frozen=True)
class TranslatedInside:
    """A port in another network namespace of the server, in words, to which the SYN is translated; ``beside``: there are listeners on
    other ports there."""

    port: int
    namespace: Wording
    beside: bool = False

    def __post_init__(self) -> None:
        worded(self, "namespace")


@dataclass(frozen=True)
class RulesInside:
    """Another network namespace of the server, in words, whose rules are between the SYN and who listens there; ``pid``: it has it."""

    namespace: Wording
    pid: int | None

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
    """The kernel's reason for dropping a packet; of traffic control, the direction and the interface. ``unfound``: it finds no socket for
    it, although one listens that should get it."""

    name: str
    direction: str | None = None
    interface: str | None = None
    unfound: bool = False


@dataclass(frozen=True)
class OutboundPolicy:
    """An IPsec policy for what is sent to an address."""

    address: str
