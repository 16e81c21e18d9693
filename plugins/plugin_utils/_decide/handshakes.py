# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What was tried, and what was seen of it: one client's handshakes with one address and port, and their packets at each host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet

from .._model.host import Host
from .._model.network_records import Route
from .._model.probe_records import Hop, Probe
from .._model.prose import Wording
from .._model.recording import Observation
from .._plan.declared import Declared
from .._values.words import endpoint
from .affected import Affected
from .finding import Evidence, Weight
from .fleet import Fleet
from .outcome import SEEN, SILENT, Outcome
from .rows import Row
from .timeline import Attempt
from .totals import Totals

if TYPE_CHECKING:
    from .case import Case
    from .kernel_word import Dropped

INET_DIAG = "inet_diag"
T = TypeVar("T")


@dataclass(kw_only=True)
class Handshakes:
    """One client, one server (or none that we manage), one dialled address and port."""

    flow: str
    client: Host
    server: Host | None
    vias: Sequence[Host]
    address: str
    dialled: str
    port: int
    timeout: float
    source: str | None
    attempts: list[Attempt]
    outcomes: list[Outcome] = field(default_factory=list)  # of the attempts, in their order
    outcome: Outcome = SILENT  # what the rules are to explain
    siblings: list[Case] = field(default_factory=list)  # the other addresses of the same name
    partners: Sequence[Host] = ()  # the other servers of the flow for which the client dials the same
    behind: Host | None = None  # the flow's server, where the handshakes end at a host in front of it, which is `server` then
    totals: Totals = field(default_factory=lambda: Totals({}, {}))
    dial: int | None = None  # the number of the client's dial; None: whichever has this name
    fleet: Fleet = field(default_factory=Fleet)  # all hosts of the run
    normal: frozenset[str] = frozenset()  # what may be altered on the way without being wrong (ALTERATIONS in _plan/options.py)
    declared: Declared = field(default_factory=Declared)  # the addresses that the inventory has for the hosts
    assumed: bool = False  # nobody says that clients use what is dialled: Ansible reaches the server by it
    expect: str = "open"  # what the flow demands, one of flows.EXPECTATIONS
    _known: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)
    _known_of: tuple[str, int] | None = field(default=None, repr=False, compare=False)  # the outcome that `_known` is about
    dropped: Sequence[Dropped] = ()  # what kernels say of its packets that they dropped, when it was tried once more

    @property
    def lacks_proof(self) -> bool:
        """Whether the outcome rests on what a capture has not got: its filter or its interface may have left it out."""
        return self.outcome.kind not in SEEN and any(host.captured for host in self.hosts)

    @property
    def completed(self) -> int:
        """How many attempts completed in time, at both ends as far as both were seen."""
        return sum(outcome.completed for outcome in self.outcomes)

    @property
    def family(self) -> int:
        return 6 if ":" in self.address else 4

    @property
    def probes(self) -> list[Probe]:
        return [attempt.probe for attempt in self.attempts]

    @property
    def target(self) -> str:
        """``10.0.2.21:5432`` or ``[2001:db8::21]:5432``, as people write it."""
        return endpoint(self.address, self.port)

    @property
    def subject(self) -> list[Attempt]:
        """The attempts that ended with the outcome under examination."""
        return self.affected.attempts

    @property
    def affected(self) -> Affected:
        """The same, with their packets looked up once for all rules."""
        return self.once("affected", self._affected)

    def _affected(self) -> Affected:
        if not self.outcomes:  # nothing did so far: it is being worked out
            return Affected([])
        kind = self.outcome.kind
        return Affected([attempt for attempt, outcome in zip(self.attempts, self.outcomes, strict=True) if outcome.kind == kind])

    def once(self, question: object, answer: Callable[[], T]) -> T:
        """The answer to a question that several rules ask of the case, computed for the first of them."""
        outcome = self.outcome.kind, len(self.outcomes)
        if self._known_of != outcome:
            self._known_of, self._known = outcome, {}
        if question not in self._known:
            self._known[question] = answer()
        found: T = self._known[question]
        return found

    @property
    def errnos(self) -> Counter[str]:
        return Counter(errno for attempt in self.subject if (errno := attempt.probe.final_errno))

    def errno(self) -> str | None:
        """The error that the subject attempts ended with, if they agree."""
        return next(iter(self.errnos)) if len(self.errnos) == 1 else None

    def rows(self, kind: str, sender: str | None = None) -> Iterator[Row]:
        """Packets of the attempts under examination."""
        return iter(self.affected.rows(kind, sender))

    def count(self, kind: str, host: Host | None, direction: str, sender: str | None = None) -> int:
        """How many packets of a kind the attempts under examination show at a host."""
        return 0 if host is None else len(self.affected.seen(kind, host.name, direction, sender))

    def counted(self, kind: str, host: Host, direction: str, sender: str | None = None) -> int:
        """How many of them the host's counters may have counted; all, if all came later: then nothing that was counted is theirs."""
        seen, until = self.affected.seen(kind, host.name, direction, sender), host.counters_until
        return sum(each.time <= until for each in seen) or len(seen)

    def observation(self, kind: str, host: Host | None, direction: str) -> Observation | None:
        """The first observation of a kind at a host."""
        return next(iter(self.affected.seen(kind, host.name, direction)), None) if host is not None else None

    @property
    def arrived(self) -> int:
        """SYNs that the server's recording shows coming in."""
        return self.count("syn", self.server, "in")

    @property
    def syn_at_server(self) -> Packet | None:
        """The SYN as the server saw it: behind NAT its addresses differ from the client's."""
        seen = self.observation("syn", self.server, "in")
        return seen.packet if seen else None

    @property
    def server_address(self) -> str:
        syn = self.syn_at_server
        return syn.dst if syn else self.address

    @property
    def server_port(self) -> int:
        syn = self.syn_at_server
        return syn.tcp.dport if syn and syn.tcp else self.port

    @property
    def client_address(self) -> str | None:
        """The client's address as the server sees it, or, without a recording there, as the client has it."""
        syn = self.syn_at_server
        if syn:
            return syn.src
        return next((probe.local_address for probe in self.probes if probe.local_address), None)

    @property
    def second_hand(self) -> bool:
        """Whether another program made the handshakes, such as an sshd, and reported how they ended."""
        return any(probe.via for probe in self.probes)

    @property
    def uid(self) -> int | None:
        """The client's user as whom the handshakes were tried, where that was reported."""
        return self.probes[0].uid if self.probes else None

    @property
    def answers_as(self) -> int | None:
        """The owner of the socket that takes the handshakes, where it is known."""
        return None

    @property
    def route(self) -> Route | None:
        """The client's route to the address, as its kernel resolves it."""
        return self.once("route", lambda: self.way(self.client, self.address, self.source or self.client_address))

    @property
    def encapsulated(self) -> bool:
        """Whether the client's route puts the packets into others, so that its recording has none that leaves."""
        return self.route is not None and self.route.encap is not None

    def way(self, host: Host, remote: str, local: str | None = None, back: bool = False, owned: bool = True) -> Route | None:
        """How a host's kernel routes a packet of these handshakes to the server's end, or back: policy rules may ask for its ports, and,
        where it is `owned`, for the user whose socket sends it."""
        server_port = self.server_port if host is self.server else self.port
        uid = self.answers_as if back and host is self.server else self.uid if host is self.client and not back else None
        return host.route(remote, local, uid if owned else None, (server_port, None) if back else (None, self.port))

    @property
    def gateway(self) -> tuple[str, str | None]:
        """The client's next hop towards the address, and the interface."""
        route = self.route
        if route is None:
            return self.address, None
        return route.gateway or self.address, route.interface

    @property
    def gateways(self) -> list[tuple[str, str | None]]:
        """The client's next hops towards the address, where connections are spread over several; else the one."""
        hops = (self.route.multipath if self.route else None) or ()
        return [(hop.gateway or self.address, hop.interface) for hop in hops] or [self.gateway]

    @property
    def hosts(self) -> list[Host]:
        """The managed hosts in the order in which the SYN passes them."""
        return [host for host in (self.client, *self.vias, self.server) if host is not None]

    def named(self, name: str) -> Host | None:
        """The managed host of that name; None for the path between hosts."""
        return next((host for host in self.hosts if host.name == name), self.fleet.hosts.get(name))

    def hops(self) -> list[Hop]:
        """The routers on this path that answered SYNs with rising TTL."""
        return [hop for hop in self.asked_hops() if hop.offender]

    def asked_hops(self) -> Sequence[Hop]:
        """The SYNs with rising TTL on this path, and the outcome of each."""
        return self.fleet.hops(self.client, self.address, self.port)

    def hops_back(self) -> list[Hop]:
        """The server's SYN-ACKs with rising TTL to the client, and the outcome of each."""
        ends = (self.client_address, self.server_port)
        return [hop for hop in self.server.hops_back if (hop.address, hop.local_port) == ends] if self.server else []

    def hears(self, host: Host, *directions: str) -> bool:
        """Whether a recorder there looks at all packets of the attempts under examination, see `Attempt.hears`."""
        return all(attempt.hears(host.name, direction) for attempt in self.subject for direction in directions)

    def passage(self) -> tuple[Evidence, ...]:
        """What each recording shows of the handshake's three packets, a line for each host."""
        return self.once("passage", self._passage)

    def _passage(self) -> tuple[Evidence, ...]:
        unknown = self.second_hand and not any(attempt.rows for attempt in self.attempts)  # which of the packets are those
        hosts = [host for host in self.hosts if host.observations is not None and not unknown]
        return tuple(self.ended(host, "capture", self._passage_at(host)) for host in hosts)

    def _passage_at(self, host: Host) -> str:
        parts = []
        for kind, sender, label in (("syn", "client", "SYN"), ("syn_ack", "server", "SYN-ACK"), ("ack", "client", "ACK")):
            if kind != "syn" and not any(self.rows(kind, sender)):
                continue
            ways = (
                ("other",)
                if host.point
                else ("in", "out")
                if host is not self.client and host is not self.server
                else ("out" if (host is self.client) == (sender == "client") else "in",)
            )
            heard = kind != "ack" or self.hears(host, *ways)
            parts += [
                f"{label} {'seen' if way == 'other' else way} {self.count(kind, host, way, sender)}x" for way in (ways if heard else ())
            ]
        return ", ".join(parts)

    def saw(self, host: Host, source: str, observation: Wording) -> Evidence:
        without = source == INET_DIAG and any(absence.what == INET_DIAG for absence in host.absent)
        return Evidence(host.name, "/proc/net/tcp" if without else source, observation)

    def ended(self, host: Host, source: str, observation: Wording) -> Evidence:
        """Evidence of how the handshake ended."""
        return Evidence(host.name, source, observation, Weight.OUTCOME)
