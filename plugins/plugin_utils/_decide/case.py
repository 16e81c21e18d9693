# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A case: everything that is known about one client's handshakes with one address and port."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet

from .._model.firewall_records import Rewritten, Verdict
from .._model.host import Host
from .._model.network_records import Route
from .._model.probe_records import Hop, Probe
from .._model.prose import Wording
from .._model.recording import Observation
from .._model.socket_records import Listener
from .._plan.declared import Declared
from .._values.words import endpoint, plural
from .affected import Affected
from .finding import Evidence, Weight
from .fleet import Fleet
from .outcome import SEEN, SILENT, Outcome
from .rows import Row
from .timeline import Attempt
from .totals import Totals

if TYPE_CHECKING:
    from .kernel_word import Dropped

INET_DIAG = "inet_diag"
T = TypeVar("T")


@dataclass(kw_only=True)
class Case:
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
    def listening_end(self) -> tuple[str, int]:
        """Where a socket of the server gets the SYN: where the server's own rules, evaluated, send it, if that is the server itself.

        Packets outside of the server have `server_address` and `server_port`; its sockets, and who is to serve there, have this.
        """
        return self.once("listening end", self._listening_end)

    def _listening_end(self) -> tuple[str, int]:
        target = self._sent_on_by_server()
        if target is None or target.port is None or self.server is None or self.server.owns(target.destination) is not True:
            return self.server_address, self.server_port
        return target.destination, target.port

    def _sent_on_by_server(self) -> Rewritten | None:
        own = self.server is None or self.server is self.client
        return None if self.server is None or own else self.sent_on_by(self.server, self.server_address, self.server_port)

    @property
    def listening_port(self) -> int:
        return self.listening_end[1]

    def sources_at(self, host: Host) -> list[str]:
        """From where the SYN comes to a host, as that saw it, or else as the client sends it."""
        seen = [each.packet.src for each in self.affected.seen("syn", host.name, "in")]
        own = [probe.local_address for probe in self.probes if probe.local_address]
        return list(dict.fromkeys(seen or [*own, *([self.source] if self.source else [])]))

    def sent_on_by(self, host: Host, address: str, port: int) -> Rewritten | None:
        """Where a host's rules, evaluated, send the SYN that comes to it for that end, if it is another one."""
        verdict = self.ruling_elsewhere(host, address, port)
        return verdict.rewritten if verdict else None

    def ruling_elsewhere(self, host: Host, address: str, port: int) -> Verdict | None:
        """The verdict by which they do so."""
        return host.rulings.elsewhere(self.sources_at(host), address, port)

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
    def route(self) -> Route | None:
        """The client's route to the address, as its kernel resolves it."""
        return self.once("route", lambda: self.client.route(self.address, self.source or self.client_address, self.uid))

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

    def server_sockets(self, state: str) -> int:
        """The attempts for which the server holds a socket in ``state``."""
        return self.once(("sockets", state), lambda: self._server_sockets(state))

    def _server_sockets(self, state: str) -> int:
        if self.server is None or self.server.after is None or self.server.after.sockets is None:
            return 0
        held = self.server.after.peers_in.get(state, frozenset())
        return sum(not held.isdisjoint(self.client_endpoints(attempt)) for attempt in self.subject) if held else 0

    def swallowed_at(self, host: Host) -> int:
        """How many packets a counter must have counted at least, if it is to account for this case and all others at the host."""
        kind = "syn_ack" if host is self.client and host is not self.server else "syn"
        return max(1, self.counted(kind, host, "in"), self.totals.swallowed.get(host.name, 0))

    def resets_by(self, server: Host) -> int:
        """How many RSTs the server's TCP must have counted at least, if all that left it, for this case and others, were its own."""
        return max(self.counted("rst", server, "out", "server"), self.totals.resets.get(server.name, 0))

    def is_end(self, address: str) -> bool:
        """Whether an address is the server's (or the dialled one) or the client's, as far as that is known."""
        ends = {self.address, *(probe.local_address for probe in self.probes)}
        return address in ends or any(host is not None and host.owns(address) for host in (self.server, self.client))

    def accepted_by_server(self) -> tuple[Evidence, ...]:
        """Signs that the server's TCP took the SYN and tried to answer: half-open sockets, or SYN-ACK timers that ran out."""
        if self.server is None:
            return ()
        half_open, timeouts = self.server_sockets("SYN_RECV"), self.server.delta("TcpExt", "TCPTimeouts") or 0
        if half_open:
            return (self.saw(self.server, "inet_diag", f"{plural(half_open, 'socket')} of this flow in SYN-RECV: the SYN was accepted"),)
        # Each SYN-ACK that cannot leave makes its timer run out once, but for the last ones.
        if timeouts >= len(self.subject) and timeouts >= 0.6 * self.totals.swallowed.get(self.server.name, 0):
            return (self.saw(self.server, "counter TCPTimeouts", f"+{timeouts}: retransmission timers that ran out on this host"),)
        return ()

    def hears(self, host: Host, *directions: str) -> bool:
        """Whether a recorder there looks at all packets of the attempts under examination, see `Attempt.hears`."""
        return all(attempt.hears(host.name, direction) for attempt in self.subject for direction in directions)

    def client_endpoints(self, attempt: Attempt) -> set[tuple[str, int]]:
        """How the server may know the client's end of an attempt."""
        ends = {(row.packet.src, row.packet.tcp.sport) for row in attempt.of("syn") if row.packet.tcp}
        if self.server:
            seen = [observation for row in attempt.of("syn") if (observation := row.at(self.server.name, "in"))]
            ends |= {(observation.packet.src, observation.packet.tcp.sport) for observation in seen if observation.packet.tcp}
        if attempt.probe.local_address and attempt.probe.local_port:
            ends.add((attempt.probe.local_address, attempt.probe.local_port))
        return ends

    def listeners_on_port(self) -> list[Listener] | None:
        """All listeners on the server's port; ``None`` when listeners are unknown."""
        if self.server is None or self.server.snapshot is None or self.server.snapshot.listeners is None:
            return None
        target = self._sent_on_by_server()
        if target is not None and self.server.owns(target.destination) is False:
            return None
        return [*self.server.snapshot.listeners_on.get(self.listening_port, ())]

    def listened_before(self) -> bool:
        """Whether a socket listened on the server's port already before the handshakes were tried, as far as that is known."""
        before, port = self.server.before if self.server else None, self.listening_port
        if before is None or before.listeners is None or port in before.listeners_on:
            return True
        return port != self.port and self.port in before.listeners_on  # who listens on others is reported then where nobody does there

    def server_owns(self, address: str) -> bool | None:
        """Whether an address is the server's; every host has loopback addresses, and they are nobody else's."""
        if self.server is None:
            return None
        if self.server is not self.client and literal_is_loopback(address):
            return False
        return self.server.owns(address)

    def listener(self) -> Listener | None:
        """The listener that a SYN for this address reaches, most specific first."""
        candidates = [listener for listener in self.listeners_on_port() or [] if self.mismatch(listener) is None]
        return max(candidates, key=lambda entry: (entry.device is not None, not is_any(entry.address)), default=None)

    def mismatch(self, listener: Listener) -> Literal["address", "family", "device"] | None:
        """Why a listener on the right port does not get the SYN, by the kernel's compute_score() (net/ipv4/inet_hashtables.c)."""
        family = 6 if listener.family == "ipv6" else 4
        dual = family == 6 and not listener.v6only and listener.address == "::"
        if family != self.family and not dual:
            return "family"
        if not is_any(listener.address) and listener.address != self.listening_end[0]:
            return "address"
        seen = self.observation("syn", self.server, "in")
        if listener.device and seen and seen.interface != listener.device:
            return "device"
        return None

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


@lru_cache(4096)
def literal_is_loopback(address: str) -> bool:
    return bool(address) and ipaddress.ip_address(address).is_loopback


def is_any(address: str) -> bool:
    return address in ("0.0.0.0", "::", "*")
