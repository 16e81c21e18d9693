# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What findings about addresses and neighbours are about: what their fixes cannot work out from the case.

Where one record of the evidence is enough, such as an `Address`, that record itself is the subject.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from .host import Host
from .network_records import Address, Neighbour, Route
from .network_subjects import BridgePort, ByMark, RuleAhead, WithoutIpv6
from .prose import Wording, worded


@dataclass(frozen=True)
class LedTo:
    """Where connect() sends its SYNs in place of where the client dialled."""

    address: str
    port: int


@dataclass(frozen=True)
class MissingAddress:
    """An address that the server lacks, and the names of the hosts that have it, of those that are to take it by VRRP, and of the one that
    has it and hands its packets on to the server all the same; why the server may lack all of IPv6; ``bare``: its interface there, which
    has no address of the family at all."""

    address: str
    owners: tuple[str, ...] = ()
    by_vrrp: tuple[str, ...] = ()
    handed_on_by: str | None = None
    lacking: WithoutIpv6 | None = None
    bare: str | None = None


@dataclass(frozen=True)
class TurnedBack:
    """An address of the client's own, to which its own packets are sent back; by which host on the way."""

    address: str
    by: str


@dataclass(frozen=True)
class KeptAddress:
    """An address that a server has, and those by name that would serve what comes for it; ``vrrp``: the server takes part in VRRP."""

    address: str
    holder: str
    served_by: tuple[str, ...]
    vrrp: bool


@dataclass(frozen=True)
class Behind:
    """An address that others look for on a link of a host, and that is behind the host, in a network with that prefix."""

    address: str
    interface: str
    prefix: str | None


@dataclass(frozen=True, kw_only=True)
class ProxyAnswer:
    """An address that a host answers for on an interface, though it leads it elsewhere by a route.

    ``asking``, ``learned_on``: who believes it, and where. ``setting``: the sysctl by which it answers, where one is known.
    ``next_door``: it has the network of the owner itself, and no more specific route would be needed.
    """

    address: str
    interface: str
    asking: str
    learned_on: str
    onward: Route
    setting: str | None
    next_door: bool


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
class Deaf:
    """A next hop whose answers a host does not take, and its route there; for ``chains``, in words, or since a ``port`` has its address.
    ``of_bridge``: one of them is of a bridge, as hypervisors have them for their guests."""

    address: str
    route: Route
    _keywords: KW_ONLY
    chains: tuple[Wording, ...] = ()
    port: BridgePort | None = None
    of_bridge: bool = False

    def __post_init__(self) -> None:
        worded(self, "chains")


@dataclass(frozen=True)
class TakenForOwn:
    """An address that a host's routes lead to itself although it has not got it; of an anycast address, the own one whose network it is."""

    address: str
    route: Route
    own: Address | None


@dataclass(frozen=True)
class HeldTwice:
    """The client's own address that is the server's, too."""

    own: Address


@dataclass(frozen=True, kw_only=True)
class Unanswering:
    """A host that answers no request for its address; ``kind``: of what keeps it from that, None where it is not known.

    Where it is a firewall: its ``chains``, in words, or the type of ICMPv6 message that is ``stopped``. Where it is a bridge: the
    ``port``; where it is a policy rule: the one ``ahead``.
    """

    address: str
    interface: str
    askers: tuple[str, ...]
    kind: str | None = None
    chains: tuple[Wording, ...] = ()
    stopped: int | None = None
    port: BridgePort | None = None
    ahead: RuleAhead | None = None

    def __post_init__(self) -> None:
        worded(self, "chains")


@dataclass(frozen=True)
class LostBetween:
    """Who sent a packet that was lost further on, and by which gateway; ``direct``: the far end, where it is next door and answers there.

    ``mute``: no router answered SYNs with a rising TTL, the gateway included. ``diverted``: the route, where a policy rule for the source
    leads past another one. ``marked``: the way, where it is one for packets with a mark.
    """

    sender: str
    gateway: str | None
    direct: str | None = None
    mute: bool = False
    diverted: Route | None = None
    marked: ByMark | None = None


@dataclass(frozen=True)
class LostRequests:
    """Requests of one host for the address of another one, by name, to which they do not come; ``meet``: both are surely on one link.

    ``tunnel``: what the link is, in words, where that puts packets into others.
    """

    asker: str
    owner: str
    address: str
    meet: bool
    tunnel: str | None = None


@dataclass(frozen=True)
class DeadHop:
    """A gateway of a route that does not answer; ``next_door``: the host has the destination's network itself."""

    address: str
    route: Route
    next_door: bool


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
class Lone:
    """An address without a network: no gateway is next door by it, unless a route says so (onlink)."""

    address: Address


@dataclass(frozen=True)
class Unscoped:
    """A link-local address without its interface, and the interfaces that it may be on."""

    interfaces: tuple[str, ...]
