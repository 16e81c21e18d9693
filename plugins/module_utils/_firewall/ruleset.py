# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The interface between the walk through a host and a ruleset, whichever firewall loaded it."""

from __future__ import annotations

import typing as t

from .._typing import Protocol
from .evaluation import Evaluation, Outcome, Reference
from .ipsec import Used
from .packet import Link, Packet


class BaseChain(Protocol):
    """A chain that packets enter from a hook of the kernel: nf_tables' base chains, and the built-in chains of legacy iptables.

    `run` evaluates the chain: an `accept` ends this chain only, anything else is the end of the packet's way. It adds a step to
    the evaluation for every rule on the way, and rewrites the packet as the rules do (marks, NAT, notrack).
    """

    family: str  # ip | ip6 | inet | bridge | netdev
    hook: str  # ingress | prerouting | input | forward | output | postrouting | egress
    priority: int
    kind: str  # filter | nat | route
    devices: tuple[str, ...]  # of a netdev chain, or an inet chain at ingress
    maker: str  # "table inet filter": of equal priority, the chains of one maker stand in the kernel's order
    reference: Reference  # {family, table, chain, hook, priority, manager: None}

    def run(self, packet: Packet, evaluation: Evaluation) -> Outcome: ...


class Absence(t.NamedTuple):
    """A part of a ruleset that could not be read, and why; both are for people.

    `hides_rules`: there may be rules in it that are not evaluated at all, so that nothing can be said to be accepted.
    """

    what: str
    why: str
    hides_rules: bool = True


class Ruleset(t.NamedTuple):
    """All chains that packets may enter and that may do something to them; the likely youngest first, as the kernel runs chains of equal
    hook and priority."""

    chains: list[BaseChain]
    absent: list[Absence]
    tracks_marks: bool  # whether some rule may set connection marks: those of connections that exist are unknown then
    translates: bool  # whether some rule translates addresses: what was done to connections that exist is unknown then
    tracks: t.Callable[[int], bool]  # whether something in it has the kernel track connections of IPv4 or IPv6; UnsupportedError


class Receiver(t.NamedTuple):
    """A socket that listens: on one address (packed) or on all of them (None), at one device; `transparent`: IP_TRANSPARENT is set."""

    address: bytes | None
    device: str | None
    transparent: bool | None


class Facts(Protocol):
    """What rules ask of the host itself."""

    def link(self, name: str) -> Link | None: ...

    def link_by_index(self, index: int) -> Link | None: ...

    def addresses(self, link: str | None = None) -> list[tuple[bytes, int]]:
        """Addresses of the host, or of one interface: (packed, prefix length)."""

    def links(self) -> list[Link]: ...

    def owns(self, address: bytes) -> bool:
        """Whether packets to it end here."""

    def route(
        self, destination: bytes, source: bytes | None = None, mark: int = 0, iif: str | None = None, oif: str | None = None
    ) -> dict[str, t.Any]:
        """The kernel's answer (`routes.answer`): error, type, interface, gateway, source. With `iif`: for one that arrives."""

    def sysctl(self, name: str) -> str | None:
        """A file below /proc/sys, blanks stripped; None when there is none or it may not be read."""

    def queue_read(self, number: int) -> bool | None:
        """Whether a program reads that NFQUEUE; None when it cannot be known."""

    def queue_reader(self, number: int) -> dict[str, t.Any] | None:
        """That program, as `owners.describe` has it; None when it is not known."""

    def set_members(self, name: str) -> t.Any:
        """The ipset of that name (`xt.ipset.Set`); None when there is none; UnsupportedError when it cannot be read."""

    def receivers(self, family: int, port: int) -> list[Receiver] | None:
        """The sockets that listen on a port for IPv4 or IPv6 (4 | 6); None when it cannot be known."""

    def ipsec(self) -> Used:
        """Whether packets can have come in, and can leave, through IPsec."""

    def tracks_unasked(self) -> bool | None:
        """Whether the kernel tracks connections though nothing in the ruleset asks for it; None where it may."""

    lasting: bool  # what packets leave in lists of recent addresses is not known
    now: float  # seconds since the epoch
