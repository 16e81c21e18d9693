# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the kernels of the hosts say of a case's packets that they dropped, when its handshakes were tried once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .._model.drop_records import KernelEvent, Program
from .._model.host import Host
from .._values.words import plural
from .case import Case
from .finding import Evidence
from .outcome import Leg

SOURCE = "kernel trace (kfree_skb)"
_NAMES: dict[Leg, str] = {"syn": "SYN", "syn_ack": "SYN-ACK", "ack": "ACK"}


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """Packets of one leg that a host's kernel dropped in one function for one reason; ``exact``: they are known to be of this very flow."""

    host: Host
    leg: Leg
    drop_reason: str
    function: str | None
    callers: tuple[str, ...]
    packets: int
    exact: bool
    programs: tuple[Program, ...] = ()

    def evidence(self) -> Evidence:
        """For the report."""
        where = f" in {self.function}" if self.function else ""
        path = f" (from {', '.join(self.callers[:3])})" if self.callers else ""
        return Evidence(self.host.name, SOURCE, f"{plural(self.packets, _NAMES[self.leg])} dropped{where}{path}: {self.drop_reason}")


def dropped(case: Case) -> list[Dropped]:
    """All drops of the case's packets, most packets first; none where the handshake ended otherwise when it was tried once more."""
    if not ended_alike(case):
        return []
    found: list[Dropped] = []
    for host in {host.name: host for host in case.hosts}.values():
        counted = Counter(_kinds(case, host))
        for (leg, reason, function, callers, exact, programs), count in counted.most_common():
            found.append(
                Dropped(
                    host=host,
                    leg=leg,
                    drop_reason=reason,
                    function=function,
                    callers=callers,
                    packets=count,
                    exact=exact,
                    programs=programs,
                )
            )
    return sorted(found, key=lambda each: (not each.exact, -each.packets))


def ended_alike(case: Case) -> bool:
    """Whether the handshake that was tried once more ended as those before did: else something changed, or it takes several to see it."""
    return bool(case.client.traced_probes) and case.once("ended alike", lambda: _ended_alike(case))


def _ended_alike(case: Case) -> bool:
    now = {(probe.outcome, probe.errno) for probe in case.client.traced_probes if (probe.address, probe.port) == (case.address, case.port)}
    return bool(now) and now <= {(attempt.probe.outcome, attempt.probe.errno) for attempt in case.subject or case.attempts}


def _events(host: Host) -> Iterator[KernelEvent]:
    for drops in host.drops:
        if drops.how == "bpf":
            yield from (event for event in drops.events if event.kind == "drop")


def _kinds(case: Case, host: Host) -> Iterator[tuple[Leg, str, str | None, tuple[str, ...], bool, tuple[Program, ...]]]:
    ports = {probe.local_port for probe in case.client.traced_probes if (probe.address, probe.port) == (case.address, case.port)}
    own = {case.client_address, *(probe.local_address for probe in case.probes)}
    addresses, server_ports = ({end[part] for end in case.ends_at(host)} for part in (0, 1))
    for event in _events(host):
        leg: Leg | None = next((each for each in _NAMES if each == event.leg), None)
        if leg is None or event.drop_reason is None:
            continue
        ends = ((event.source, event.source_port), (event.destination, event.destination_port))
        (client, client_port), (server, server_port) = ends if leg != "syn_ack" else ends[::-1]
        if server_port not in server_ports:
            continue
        if client_port in ports or client in own:
            exact = client_port in ports and client in own and server in addresses
            yield leg, event.drop_reason, event.function, event.callers, exact, event.programs
