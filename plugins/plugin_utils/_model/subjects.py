# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What findings are about, as data: what their fixes need and cannot work out from the case.

Where one record of the evidence is enough, such as a `Link` or a `Rule`, that record itself is the subject.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from .firewall_records import Verdict
from .host import Host, Observation
from .network_records import Address, Link, Neighbour, Route
from .probe_records import Unconfigured
from .prose import NOTHING, Wording, worded
from .records import IpAddress
from .socket_records import Listener, PortHolder, Process, Socket
from .unit_records import Unit, XinetdService

REFUSING = ("unreachable", "blackhole", "prohibit", "throw")
"""Types of routes that refuse packets."""
SOMAXCONN = "net.core.somaxconn"


# Names


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


# Addresses, routes and neighbours


@dataclass(frozen=True)
class MissingAddress:
    """An address that the server lacks, and the names of the hosts that have it, of those that are to take it by VRRP, and of the one that
    has it and hands its packets on to the server all the same."""

    address: str
    owners: tuple[str, ...] = ()
    by_vrrp: tuple[str, ...] = ()
    handed_on_by: str | None = None


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
class Unanswering:
    """A host that answers no request for its address; ``kind``: of what keeps it from that, None where it is not known.

    Where it is a firewall: its ``chains``, in words, or the type of ICMPv6 message that is ``stopped``.
    """

    address: str
    interface: str
    askers: tuple[str, ...]
    kind: str | None = None
    chains: tuple[Wording, ...] = ()
    stopped: int | None = None

    def __post_init__(self) -> None:
        worded(self, "chains")


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
class Lone:
    """An address without a network: no gateway is next door by it, unless a route says so (onlink)."""

    address: Address


@dataclass(frozen=True)
class Unscoped:
    """A link-local address without its interface, and the interfaces that it may be on."""

    interfaces: tuple[str, ...]


@dataclass(frozen=True)
class ReversePath:
    """The reverse-path filter of an interface, which drops packets from a source; ``no_way_back``: no route leads there at all."""

    interface: str
    source: str
    mode: int
    no_way_back: bool


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


# Firewalls and connection tracking


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


# Sockets and those who hold them


@dataclass(frozen=True)
class PortRange:
    """The local ports of a client: the first and the last one, how many of them are reserved, and how many in TIME_WAIT."""

    low: int
    high: int
    reserved: int
    time_wait: int


@dataclass(frozen=True)
class Accepting:
    """Who is to accept connections (None: not known), by name, and what keeps it from that, in words that go on a sentence.

    ``kind``: stopped, descriptors, hung, not_waiting (it holds the socket, and does not watch it), or empty where nothing was seen.
    """

    process: Process | None
    name: str
    state: Wording = NOTHING
    kind: str = ""

    def __post_init__(self) -> None:
        worded(self, "state")


@dataclass(frozen=True)
class AcceptQueue:
    """An accept queue, who is to empty it, what limits it, and whose connections it has had, in words."""

    listener: Listener
    accepting: Accepting
    limit: str
    connections: Wording = NOTHING

    def __post_init__(self) -> None:
        worded(self, "connections")


@dataclass(frozen=True)
class HalfOpen:
    """Half-open connections, and how many there may be."""

    count: int
    limit: int


@dataclass(frozen=True)
class HeldSockets:
    """Connections that the server still holds; ``shared``: in TIME_WAIT, with another client behind the same address."""

    sockets: tuple[Socket, ...]
    shared: bool = False


@dataclass(frozen=True)
class StoppedUnit:
    """A unit that does not run, what its processes came to, and whose connection has its port, in words as well.

    ``too_early_for``: the address that the flow dials, if the host got it only after the unit had ended; ``forbidden``: what systemd
    forbids it that it may need to listen: a privileged port, or sockets of an address family.
    """

    unit: Unit
    ended: Wording = NOTHING
    held: Wording = NOTHING
    holder: PortHolder | None = None
    too_early_for: IpAddress | None = None
    forbidden: Literal["port", "families"] | None = None

    def __post_init__(self) -> None:
        worded(self, "ended", "held")


@dataclass(frozen=True)
class RefusingService:
    """A service of xinetd that does not let the client in, by which attribute of it."""

    service: XinetdService
    attribute: str


@dataclass(frozen=True)
class RunningUnit:
    """A unit that runs and listens on other ports, or on none; ``socket``: the socket unit by which it does."""

    unit: Unit
    ports: tuple[int, ...]
    socket: str | None


@dataclass(frozen=True)
class UnitApart:
    """A service that listens in a network namespace of its own."""

    unit: str


@dataclass(frozen=True)
class SocketOwner:
    """Who has a listening socket, in words and as the process that it is; ``displaced``: the unit that should have the port instead;
    ``names``: which the hosts file gives to the address at which it listens."""

    name: str
    process: Process | None = None
    displaced: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class HangsUp:
    """A process that closes connections at once, and whether it says something before."""

    process: Process
    said: bool


@dataclass(frozen=True)
class Published:
    """A process in another network namespace that does not listen where a published port leads."""

    owner: str
    address: str
    port: int


@dataclass(frozen=True)
class Backend:
    """What is amiss between a host in front and the server: connections to ``port`` are not accepted, nobody listens there, it is not
    known why it does not serve them, nobody listens on any port, or no connection comes."""

    kind: Literal["not_accepting", "closed", "unserved", "nobody", "untried"]
    port: int


@dataclass(frozen=True)
class DeadTarget:
    """Where a program on the server passes connections on to in vain: ``inside`` a network namespace of it, or its own address, or another
    host's; ``elsewhere``: somebody listens on the port there, at other addresses."""

    program: str
    address: str
    port: int
    inside: bool = False
    elsewhere: bool = False


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


@dataclass(frozen=True)
class Refusal:
    """Why a service turns connections away, as its log line has it: max_startups, penalty, tcp_wrappers."""

    kind: str
    process: str | None


@dataclass(frozen=True)
class Hairpin:
    """A translation that the server's answers do not pass: by whom, to which end, for clients of which network; who made its rule."""

    host: str
    address: str
    port: int
    network: str | None
    manager: str | None


@dataclass(frozen=True)
class KeptInside:
    """The interface by which packets from a loopback address would leave, and where to."""

    interface: str
    target: str
