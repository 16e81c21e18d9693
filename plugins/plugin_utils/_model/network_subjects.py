# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What findings about names, addresses, routes, neighbours and the way are about: what their fixes cannot work out from the case.

Where one record of the evidence is enough, such as a `Link`, that record itself is the subject.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from .host import Host
from .network_records import Address, Link, Neighbour, Route
from .probe_records import Unconfigured
from .prose import Wording, worded

REFUSING = ("unreachable", "blackhole", "prohibit", "throw")
"""Types of routes that refuse packets."""


@dataclass(frozen=True)
class Unresolved:
    """A name without an address; ``waiting``: the resolver had not answered when we stopped waiting.

    ``unasked``: what nsswitch.conf has for hosts, where nameservers have the name and the resolver does not use it. ``cut``: nameservers
    whose answers do not fit into UDP and that take no TCP. ``unconfigured``: resolv.conf names no nameserver.
    """

    waiting: bool
    unasked: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    unconfigured: Unconfigured | None = None


@dataclass(frozen=True)
class Resolved:
    """A name that resolves to another machine's address, by the client's hosts file, by its search list, or neither."""

    by_hosts_file: bool
    domain: str | None = None  # of the search list, which was put behind the name


@dataclass(frozen=True)
class SlowNames:
    """A resolver that takes long, and the addresses of the nameservers that do not answer it."""

    dead: tuple[str, ...]


@dataclass(frozen=True)
class MissingAddress:
    """An address that the server lacks, and the names of the hosts that have it, of those that are to take it by VRRP, and of the one that
    has it and hands its packets on to the server all the same; why the server may lack all of IPv6."""

    address: str
    owners: tuple[str, ...] = ()
    by_vrrp: tuple[str, ...] = ()
    handed_on_by: str | None = None
    lacking: WithoutIpv6 | None = None


@dataclass(frozen=True)
class Behind:
    """An address that others look for on a link of a host, and that is behind the host, in a network with that prefix."""

    address: str
    interface: str
    prefix: str | None


@dataclass(frozen=True)
class SharedAddress:
    """The names of the hosts that all have the address dialled."""

    holders: tuple[str, ...]


@dataclass(frozen=True)
class TwinAddress:
    """An address that another host, by name, has as well."""

    entry: Address
    other: str


@dataclass(frozen=True)
class ClaimedAddress:
    """An address that a foreign link address claims; ``interface``: where the server, whose it is, has it."""

    address: str
    mac: str
    interface: str | None = None


@dataclass(frozen=True)
class Misdelivered:
    """Packets that the last hop sends to another host than the server; ``hop``: its name, where it is managed, ``mac``: its link address.

    ``interface``: where the server has the address.
    """

    hop: str | None
    mac: str
    interface: str


@dataclass(frozen=True)
class WrongEntry:
    """An entry of the neighbour table with another link address than ``owner`` has, which has the address."""

    entry: Neighbour
    next_hop: str
    owner: Host
    mac: str


@dataclass(frozen=True)
class RuleAhead:
    """A policy rule ahead of the one for the local table, by its number, if it is known, and the table that it leads to."""

    priority: int | None
    table: int | None


@dataclass(frozen=True, kw_only=True)
class Unanswering:
    """A host that answers no request for its address; ``kind``: of what keeps it from that, None where it is not known.

    Where it is a firewall: its ``chains``, in words, or the type of ICMPv6 message that is ``stopped``. Where it is a bridge: the
    ``port``; where it is a policy rule: the one ``ahead``.
    """

    address: str
    interface: str
    askers: tuple[str, ...]
    _keywords: KW_ONLY
    kind: str | None = None
    chains: tuple[Wording, ...] = ()
    stopped: int | None = None
    port: BridgePort | None = None
    ahead: RuleAhead | None = None

    def __post_init__(self) -> None:
        worded(self, "chains")


@dataclass(frozen=True)
class LostBetween:
    """Who sent a packet that was lost behind it, and by which gateway; ``direct``: the far end, where it is next door and answers there.

    ``mute``: no router answered SYNs with a rising TTL, the gateway included.
    """

    sender: str
    gateway: str | None
    direct: str | None = None
    mute: bool = False


@dataclass(frozen=True)
class LostRequests:
    """Requests of one host for the address of another one, by name, to which they do not come; ``meet``: both are surely on one link."""

    asker: str
    owner: str
    address: str
    meet: bool


@dataclass(frozen=True)
class NextHop:
    """A next hop that does not answer."""

    address: str


@dataclass(frozen=True)
class FalseNeighbour:
    """A client that the server takes for a neighbour by a route, while its packets come in on ``interface``, by a router."""

    client: str
    route: Route | None
    interface: str
    router: str | None


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
    """A route of a type that refuses packets, as the kernel told it."""

    kind: str
    route: Route


@dataclass(frozen=True)
class RouterRoute:
    """The route of a host on the way to an address, which refuses it, or has it on a link where it is not."""

    route: Route
    target: str


@dataclass(frozen=True)
class Tunnel:
    """A tunnel that a host hands packets for an address to, which do not come to ``there``.

    ``outer``: the packets that carry them, in words; ``by_itself``: the tunnel's own device drops them.
    """

    link: Link
    host: str
    there: str
    target: str
    outer: str
    by_itself: bool = False


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
class Lone:
    """An address without a network: no gateway is next door by it, unless a route says so (onlink)."""

    address: Address


@dataclass(frozen=True)
class BridgePort:
    """A port of a bridge that does not pass a frame: the state that its spanning tree has it in, or "hairpin" where that mode is off."""

    name: str
    bridge: str
    state: str


@dataclass(frozen=True)
class Broadcast:
    """A host's own address, by whose prefix another one is for all machines, and the ``prefix`` that the machine with that one has."""

    own: Address | None
    prefix: int | None


@dataclass(frozen=True)
class Unscoped:
    """A link-local address without its interface, and the interfaces that it may be on."""

    interfaces: tuple[str, ...]


@dataclass(frozen=True)
class ReversePath:
    """The reverse-path filter of an interface, which drops packets from a source; ``no_way_back``: no route leads there at all.

    ``beside``: the interface that has the packets' destination, where both are on one network.
    """

    interface: str
    source: str
    mode: int
    no_way_back: bool
    beside: str | None = None


@dataclass(frozen=True)
class KeptInside:
    """The interface by which packets from a loopback address would leave, and where to."""

    interface: str
    target: str


@dataclass(frozen=True)
class RouterError:
    """What a router's ICMP error says; ``remote``, ``instead``: of a SYN-ACK, the client's address, and a declared one of it.

    ``about`` and ``port``: where the packet went that it quotes. ``unheard``: the server answers who asks for its address, unheard.
    """

    offender: str
    meaning: str
    remote: str | None = None
    instead: str | None = None
    _keywords: KW_ONLY
    about: str = ""
    port: int = 0
    unheard: bool = False


GOAL = 0.999
"""The share of handshakes that is to complete."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What becomes of handshakes on a way that loses packets at random, see _decide/retries.py."""

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
