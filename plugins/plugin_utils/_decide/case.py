# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A case: everything that is known about one client's handshakes with one address and port."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from .._model.firewall_records import Rewritten, Verdict
from .._model.host import Host
from .._model.socket_records import Listener
from .._values.words import plural
from .finding import Evidence
from .handshakes import Handshakes
from .timeline import Attempt


@dataclass(kw_only=True)
class Case(Handshakes):
    """The handshakes, and what the sockets, addresses and counters of its ends have of that."""

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
        verdict = self.sent_on_by(self.server) if self.server and self.server is not self.client else None
        return verdict.rewritten if verdict else None

    @property
    def listening_port(self) -> int:
        return self.listening_end[1]

    def sources_at(self, host: Host) -> list[str]:
        """From where the SYN comes to a host, as that saw it, or else as the client sends it."""
        seen = [each.packet.src for each in self.affected.seen("syn", host.name, "in")]
        own = [probe.local_address for probe in self.probes if probe.local_address]
        return list(dict.fromkeys(seen or [*own, *([self.source] if self.source else [])]))

    def end_at(self, host: Host) -> tuple[str, int]:
        """For where the SYN comes to a host, as that saw it, or else as it was dialled."""
        seen = self.observation("syn", host, "in")
        return (seen.packet.dst, seen.packet.tcp.dport) if seen and seen.packet.tcp else (self.address, self.port)

    def sent_on_by(self, host: Host, end: tuple[str, int] | None = None) -> Verdict | None:
        """The verdict by which a host's rules, evaluated, send the SYN that comes to it for `end` to another one; default: `end_at`."""
        return host.verdicts.elsewhere(self.sources_at(host), *(end or self.end_at(host)), self.uid)

    def ends_at(self, host: Host) -> set[tuple[str, int]]:
        """The server's end of the packets at a host: as dialled, as they come to it or the server, and as its own rules send them on."""
        packets = [seen.packet for row in self.rows("syn") for seen in row.seen if seen.host == host.name]
        ends = {(packet.dst, packet.tcp.dport) for packet in packets if packet.tcp}
        ends |= {(self.address, self.port), (self.server_address, self.server_port)}
        targets = [verdict.rewritten for end in sorted(ends) if (verdict := self.sent_on_by(host, end))]
        return ends | {(target.destination, target.port) for target in targets if target and target.port}

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

    @property
    def answers_as(self) -> int | None:
        listener = self.once("listener", self.listener)
        return listener.uid if listener else None

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


@lru_cache(4096)
def literal_is_loopback(address: str) -> bool:
    return bool(address) and ipaddress.ip_address(address).is_loopback


def is_any(address: str) -> bool:
    return address in ("0.0.0.0", "::", "*")
