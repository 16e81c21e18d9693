# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What findings about routes and the way are about: what their fixes cannot work out from the case.

Where one record of the evidence is enough, such as a `Link`, that record itself is the subject.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from .network_records import Address, Link, PolicyRule, Route
from .prose import Wording
from .rule_records import Rule

REFUSING = ("unreachable", "blackhole", "prohibit", "throw")
"""Types of routes that refuse packets."""


@dataclass(frozen=True)
class RuleAhead:
    """A policy rule ahead of the one for the local table, by its number, if it is known, and the table that it leads to."""

    priority: int | None
    table: int | None


@dataclass(frozen=True)
class TwoWays:
    """Interfaces of a server by which packets come in and answers leave, and by whom they come in: a router, or neighbours of a network."""

    comes_in: str
    leaves: str
    router: str | None
    network: str | None = None


@dataclass(frozen=True)
class SplitWays:
    """Interfaces of a router by which packets come in and answers to them leave, and by which neighbour they come in."""

    comes_in: str
    leaves: str
    router: str | None


@dataclass(frozen=True)
class Source:
    """A source address that is wrong, and one of the host's own that would do."""

    address: str
    instead: str | None = None


@dataclass(frozen=True)
class RefusingRoute:
    """A route of a type that refuses packets, as the kernel reports it."""

    kind: str
    route: Route


@dataclass(frozen=True)
class WithoutMain:
    """That no policy rule of a host leads to table main, where its routes are."""

    family: int


@dataclass(frozen=True)
class RouterRoute:
    """The route of a host on the way to an address, which refuses it, or has it on a link where it is not."""

    route: Route
    target: str


@dataclass(frozen=True)
class MarkedAstray:
    """A mark with which the routes of a host on the way refuse packets, the rule that sets it, and the tables of its policy rules."""

    mark: int
    rule: Rule
    tables: tuple[int, ...]


@dataclass(frozen=True)
class MarkedForOwn:
    """A mark by which a policy rule leads what a host passes on to the host itself, and the rule that sets it, where that is known."""

    mark: int
    policy: PolicyRule
    rule: Rule | None


@dataclass(frozen=True, kw_only=True)
class ByMark:
    """The way of a packet from ``host`` to ``target`` that has a mark: the policy rule that asks for the mark, the next hop, where it is
    known, and the rule of the firewall that sets it; None: the listening socket has it. ``without``: the kernel's answer without a mark."""

    host: str
    target: str
    mark: int
    policy: PolicyRule
    setter: Rule | None = None
    interface: str | None = None
    gateway: str | None = None
    without: Route | None = None

    @property
    def setting(self) -> Wording:
        """What sets the mark."""
        return self.setter.name if self.setter else "the option SO_MARK of the listening socket"

    @property
    def elsewhere(self) -> bool:
        """Whether the way is known to be another one than without the mark; where the socket has it, the next hop is not known."""
        other = self.without
        return other is None or self.interface != other.interface or (self.setter is not None and self.gateway != other.gateway)

    @property
    def text(self) -> str:
        """``by policy rule 99, 'from all fwmark 0x9 lookup 101', for the mark 0x9 of rule 'meta mark set 9'``"""
        return f"by policy rule {self.policy.priority}, '{self.policy.text}', for the mark {self.mark:#x} of {self.setting}"


@dataclass(frozen=True, kw_only=True)
class Tunnel:
    """A tunnel that a host hands packets for an address to, which do not come to ``there``.

    ``outer``: the packets that carry them, in words; ``by_itself``: the tunnel's own device drops them; ``other_end``: the tunnel's
    end there, where that does not take what this one sends; ``bad_checksums``: what carries them comes there with wrong checksums.
    """

    link: Link
    host: str
    there: str
    target: str
    outer: str
    by_itself: bool = False
    other_end: Link | None = None
    bad_checksums: bool = False


@dataclass(frozen=True)
class Spread:
    """Hosts over which connections to one address are spread, as far as they are known."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Redirection:
    """A filter of traffic control on an interface, for what comes in or leaves there (``ingress``, ``egress``), that sends it elsewhere."""

    interface: str
    direction: str
    to: str


@dataclass(frozen=True)
class DeafInterface:
    """An interface on which a host that forwards ignores router advertisements."""

    name: str


@dataclass(frozen=True)
class WithoutIpv6:
    """An interface on which the kernel has no IPv6: for its ``mtu``, or because that is switched off."""

    interface: str
    mtu: int | None = None


@dataclass(frozen=True)
class BridgePort:
    """A port of a bridge that does not pass a frame: the state that it is in there, "hairpin" where that mode is off, or "address" where
    the host has an address on it."""

    name: str
    bridge: str
    state: str


@dataclass(frozen=True)
class Broadcast:
    """A host's own address, by whose prefix another one is for all machines, and the ``prefix`` that the machine with that one has,
    and its name."""

    own: Address | None
    prefix: int | None
    whose: str | None


@dataclass(frozen=True)
class ReversePath:
    """The reverse-path filter of an interface, which drops packets from a source; ``no_way_back``: no route leads there at all.

    ``beside``: the interface that has the packets' destination, where both are on one network; ``marked``: what the host sends there has
    a mark, for which it leaves by that interface.
    """

    interface: str
    source: str
    mode: int
    no_way_back: bool
    beside: str | None = None
    marked: bool = False


@dataclass(frozen=True)
class KeptInside:
    """The interface by which packets from a loopback address would leave, and where to."""

    interface: str
    target: str


@dataclass(frozen=True)
class RouterError:
    """What a router's ICMP error says; ``remote``, ``instead``: of a SYN-ACK, the client's address, and a declared one of it.

    ``about`` and ``port``: where the packet went that it quotes. ``unheard``: the server answers who asks for its address, unheard.
    ``only_from``: the sources for which the router has a way there.
    """

    offender: str
    meaning: str
    remote: str | None = None
    instead: str | None = None
    _keywords: KW_ONLY
    about: str = ""
    port: int = 0
    unheard: bool = False
    only_from: tuple[str, ...] = ()


GOAL = 0.999
"""The share of handshakes that is to complete."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What happens to handshakes on a way that loses packets at random, see _decide/retries.py."""

    timeout: float
    """What ends them: that of the application, or the kernel's if it gives up before."""
    by_kernel: bool
    through: float
    """The share that completes."""
    enough: int | None
    """The smallest timeout in whole seconds with which GOAL is reached, if the kernel keeps trying for so long; None: no such timeout."""
    retries: int | None
    """The smallest tcp_syn_retries with which there is one, where there is none as the kernel is set."""


@dataclass(frozen=True)
class Late:
    """How long after the first packet what it waits for comes."""

    seconds: float


@dataclass(frozen=True)
class NarrowPath:
    """The largest packets that pass, in bytes, if that was measured; the interface of the finding's host behind which the path is so
    narrow, if known; and who of those that send larger ones has rules that may keep ICMP errors from itself."""

    size: int | None
    interface: str | None = None
    filtering: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forgetting:
    """How long a host on the way keeps idle connections, and how long some were idle, in seconds; ``timeout`` None: it is not known."""

    timeout: int | None
    idle: float
