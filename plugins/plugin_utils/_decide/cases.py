# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The cases of an entry: a client and each address that it dialled, with its attempts and the hosts that they passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._model.host import Host
from .._model.probe_records import Probe
from .._model.prose import Prose
from .._plan.plan import Entry
from .case import Case
from .fleet import Fleet
from .kernel_word import dropped
from .locate import locate
from .outcome import Outcome
from .shared import leave_to_partners
from .timeline import Packets

MOST_ADDRESSES, MOST_ATTEMPTS = 64, 1000
"""What is judged of one entry, whatever its client says: addresses of a name, and attempts for each (the most that can be asked for)."""


def cases_of(entry: Entry, hosts: Mapping[str, Host], packets: Packets, fleet: Fleet, partners: Sequence[str]) -> list[Case]:
    """A case for each address that the client dialled; one without an address when the name could not be resolved.

    ``partners``: the servers of all entries for which the client dials the same.
    """
    client = hosts[entry.client]
    probes: dict[str, list[Probe]] = {}
    for probe in fleet.attempts(client, entry.dial):
        if probe.address in probes or len(probes) < MOST_ADDRESSES:
            probes.setdefault(probe.address, []).append(probe)
    if not probes and not any(resolution.dial == entry.dial and resolution.error for resolution in client.resolutions):
        return []
    parties = {client.name, *entry.via, *filter(None, (entry.server, *partners))}
    cases = []
    for address in probes or {"": []}:
        made = probes.get(address, [])[:MOST_ATTEMPTS]
        made = packets.ports_of(made, parties) if made else made
        attempts = [packets.attempt(probe, client.name, parties) for probe in made]
        for name in frozenset().union(*(attempt.cut for attempt in attempts)):
            hosts[name].incomplete = hosts[name].incomplete or Prose("it has more packets of one attempt than any handshake")
        cases.append(
            Case(
                flow=entry.flow,
                client=client,
                server=hosts[entry.server] if entry.server else None,
                vias=[hosts[via] for via in entry.via],
                address=address,
                dialled=entry.address,
                dial=entry.dial,
                port=entry.port,
                timeout=entry.timeout,
                source=entry.source,
                attempts=attempts,
                expect=entry.expect,
                assumed=entry.assumed,
                fleet=fleet,
            )
        )
    for case in cases:
        _order_vias(case)
        _turn_to_owner(case, fleet, partners)
        leave_to_partners(case)
        _stop_at_front(case)
        if case.attempts:
            locate(case)
        else:
            case.outcome = Outcome("unresolved", None, "client.resolve", client.name)
    for case in cases:
        case.siblings = [other for other in cases if other is not case]
        case.dropped = dropped(case)
    return cases


def _order_vias(case: Case) -> None:
    """Hosts on the way in the order in which the SYN really passed them, where all of them saw one."""
    passed = {
        via.name: min(
            (attempt.when(seen) for attempt in case.attempts for row in attempt.of("syn") if (seen := row.at(via.name, "in"))), default=None
        )
        for via in case.vias
    }
    if None not in passed.values():
        case.vias = sorted(case.vias, key=lambda via: passed[via.name] or 0.0)


def _turn_to_owner(case: Case, fleet: Fleet, partners: Sequence[str]) -> None:
    """Of several servers that share an address, such as a virtual one, the one that has it now is where these handshakes are to end."""
    if case.server is None:
        return
    case.partners = [fleet.hosts[name] for name in dict.fromkeys(partners) if name != case.server.name]
    if case.server_owns(case.address) is not False:
        return
    owners = [owner.host for owner in fleet.owners(case.address, besides=case.hosts) if owner.host.name in partners]
    if len(owners) == 1:
        case.server = owners[0]


def _stop_at_front(case: Case) -> None:
    """A host on the way that owns the address and lets no SYN through, such as a proxy, is where these handshakes end."""
    front = next((via for via in case.vias if via.owns(case.address)), None)
    if front is None or case.server is None or case.server_owns(case.address):
        return
    if not any(attempt.count("syn", case.server.name, "in") for attempt in case.attempts):
        case.vias = case.vias[: list(case.vias).index(front)]
        case.server, case.behind = front, case.server
