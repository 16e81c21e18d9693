# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What findings about sockets and those who hold them are about: what their fixes cannot work out from the case.

Where one record of the evidence is enough, such as a `Listener`, that record itself is the subject.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

from .prose import NOTHING, Wording, worded
from .records import IpAddress
from .socket_records import ForeignListener, Listener, PortHolder, Process, Socket, WayInside
from .unit_records import SocketUnit, Unit, XinetdService

SOMAXCONN = "net.core.somaxconn"


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

    ``kind``: stopped, traced (by a tracer), frozen, descriptors, hung, not_waiting (it holds the socket, and does not watch it), left
    (``pids`` of a unit that does not run any more), or empty where nothing was seen.
    """

    process: Process | None
    name: str
    state: Wording = NOTHING
    kind: str = ""
    pids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        worded(self, "state")


@dataclass(frozen=True)
class AcceptQueue:
    """An accept queue, who is to empty it, what limits it, whose connections it has had, in words, and by which unit systemd listens."""

    listener: Listener
    accepting: Accepting
    limit: str
    connections: Wording = NOTHING
    socket: SocketUnit | None = None

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


@dataclass(frozen=True, kw_only=True)
class StoppedUnit:
    """A unit that does not run, what its processes came to, and whose connection has its port, in words as well.

    ``too_early_for``: the address that the flow dials, if the host got it only after the unit had ended; ``forbidden``: what systemd
    forbids it that it may need to listen: a privileged port, or sockets of an address family; ``lingering``: connections of before in
    TIME_WAIT on its port, of a unit that fails at once.
    """

    unit: Unit
    ended: Wording = NOTHING
    held: Wording = NOTHING
    holder: PortHolder | None = None
    too_early_for: IpAddress | None = None
    forbidden: Literal["port", "families"] | None = None
    lingering: int = 0

    def __post_init__(self) -> None:
        worded(self, "ended", "held")


@dataclass(frozen=True)
class RefusingService:
    """A service of xinetd that does not let the client in, by which attribute of it."""

    service: XinetdService
    attribute: str


@dataclass(frozen=True)
class Refusal:
    """Why a service turns connections away, as its log line has it: max_startups, penalty, tcp_wrappers; or ``denied``. ``by``: the process
    that says so, or the section of HAProxy's configuration whose rules do."""

    kind: str
    by: str | None


@dataclass(frozen=True)
class RunningUnit:
    """A unit that runs and listens on other ports, or on none; ``socket``: the socket unit by which it does."""

    unit: Unit
    ports: tuple[int, ...]
    socket: str | None


@dataclass(frozen=True)
class ListenerApart:
    """A listener on the port in another network namespace of the host; ``unit``: the service whose own that is, if no container has it."""

    listener: ForeignListener
    unit: str | None


@dataclass(frozen=True)
class Unpublished:
    """A listener in another network namespace of the host, to which no rule leads, and its owner in words."""

    listener: ForeignListener
    owner: Wording

    def __post_init__(self) -> None:
        worded(self, "owner")


@dataclass(frozen=True)
class SocketOwner:
    """Who has a listening socket; ``displaced``: the unit that should have the port, surely if it is declared for it; ``names``: of its
    address by the hosts file; ``socket``: the unit by which systemd listens there; ``setting``: the sysctl that keeps it to IPv6."""

    name: str
    process: Process | None = None
    displaced: str | None = None
    _keywords: KW_ONLY
    names: tuple[str, ...] = ()
    socket: SocketUnit | None = None
    setting: str | None = None
    surely_displaced: bool = True


@dataclass(frozen=True)
class Kept:
    """Who keeps a port of the host for a container, and the container, if it is known."""

    process: Process
    container: str | None


@dataclass(frozen=True)
class Asking:
    """Nameservers whose answer a program waits for before it greets."""

    nameservers: tuple[str, ...]
    program: str


@dataclass(frozen=True)
class Gone:
    """A socket that listened on the server's port when the run began, and does no longer, and how many of the attempts it took."""

    listener: Listener
    taken: int


@dataclass(frozen=True)
class FullUnit:
    """A socket unit that takes no more connections, all together or of one client, and the setting that limits them."""

    unit: SocketUnit
    setting: Literal["MaxConnections", "MaxConnectionsPerSource"]
    most: int


@dataclass(frozen=True)
class HangsUp:
    """A process that closes connections at once, and whether it says something before; ``limit``: the socket unit that has it do so."""

    process: Process
    said: bool
    limit: FullUnit | None = None


@dataclass(frozen=True)
class CutOff:
    """What keeps an address in another network namespace from being reached, or from answering; ``bare``: the link that leads there has no
    address. ``pid``: of a process in there."""

    kind: Literal["down", "peer_down", "master_down", "no_port", "astray", "no_way_back"]
    way: WayInside
    bare: bool = False
    pid: int | None = None
    where: str = ""

    def of(self, pid: int | None, where: str) -> CutOff:
        return replace(self, pid=pid, where=where)


@dataclass(frozen=True)
class Sharing:
    """A process of each program that listens on one port with others."""

    processes: tuple[Process, ...]


@dataclass(frozen=True)
class Published:
    """A process in another network namespace that does not listen where a published port leads."""

    owner: str
    address: str
    port: int


@dataclass(frozen=True)
class Backend:
    """What is amiss between a host in front and the server: connections to ``port`` are not accepted, nobody listens there, it is not
    known why it does not serve them, it serves others there, nobody listens on any port, no connection comes, or none leaves the host in
    front, which calls another ``address``, or bears the ``address`` of others (``masked``), with which it does not come to the server
    (``masked_lost``), or the balancer's own server ``name`` is set aside (maintenance), or has no address as its name does not resolve; or
    the host in front has no local port left towards it, or not the address from which it is to connect, or no way to it, or its kernel
    forbids the connection; or the server takes connections and fails
    the balancer's check of what it says (``fails_check``), or ends them at once (``ends``)."""

    kind: Literal[
        "not_accepting",
        "closed",
        "unserved",
        "kept_out",
        "nobody",
        "untried",
        "unsent",
        "elsewhere",
        "masked",
        "masked_lost",
        "set_aside",
        "unresolved",
        "no_ports",
        "no_source",
        "no_way",
        "forbidden",
        "fails_check",
        "ends",
    ]
    port: int
    address: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class DeadSession:
    """The connection of an ssh or sshd on the server, with which it carries what it takes, and whose other end does not answer."""

    program: str
    pid: int
    address: str


@dataclass(frozen=True)
class DeadTarget:
    """Where a program on the server passes connections on to in vain: ``inside`` a network namespace of it, or its own address, or another
    host's; ``elsewhere``: where somebody listens on the port there, at another address."""

    program: str
    address: str
    port: int
    inside: bool = False
    elsewhere: str = ""


@dataclass(frozen=True)
class Loop:
    """A program that passes the connections to a port on to itself."""

    program: str
    port: int
