# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Who really takes connections for which a host has a listener of its own that its own address translation keeps them from."""

from __future__ import annotations

from collections.abc import Iterator

from .._model.firewall_records import DESTINATION_NAT, Rewritten
from .._model.host import Host
from .._model.socket_records import Listener
from .._values.words import endpoint
from .case import Case
from .causes.inside import takes
from .causes.listener_names import process_of


def shadowed(case: Case) -> Iterator[tuple[str, str]]:
    """(host, sentence): of the server and hosts on the way, where handshakes complete."""
    for host in dict.fromkeys([*case.vias, *([case.server] if case.server else [])]) if case.completed else ():
        said = _shadowed_at(case, host)
        if said is not None and host is not case.client:
            yield host.name, said


def _shadowed_at(case: Case, host: Host) -> str | None:
    came = case.observation("syn", host, "in")
    if came is None or came.packet.tcp is None or host.snapshot is None or host.owns(came.packet.dst) is not True:
        return None
    address, port = came.packet.dst, came.packet.tcp.dport
    verdict = case.sent_on_by(host)
    target = verdict.rewritten if verdict else None
    left = [each for each in host.snapshot.listeners_on.get(port, ()) if takes(each, address, came.interface)]
    if verdict is None or target is None or not left or _passes_on(host, left, port, target):
        return None
    rule = verdict.last_to(*DESTINATION_NAT, "tproxy")
    by, to = rule.name if rule else "its address translation", endpoint(target.destination, target.port or port)
    return (
        f"{by} sends connections for {endpoint(address, port)} on to {to}{_who(case, host, target)}: "
        f"that answers, and not {process_of(left[0])} of {host.name}, which listens on {endpoint(left[0].address, port)}"
    )


def _passes_on(host: Host, listeners: list[Listener], port: int, target: Rewritten) -> bool:
    """Whether who listens does the same as the translation, as docker-proxy does for connections that it does not concern."""
    pids = {process.pid for each in listeners for process in each.processes or ()}
    known = (host.snapshot.relays if host.snapshot else None) or ()
    return any(each.port == port and each.pid in pids and each.address == target.destination for each in known)


def _who(case: Case, host: Host, target: Rewritten) -> str:
    """Who is there, as far as that is known."""
    if host.owns(target.destination):
        there = host.snapshot.listeners_on.get(target.port or 0, ()) if host.snapshot else ()
        found = [each for each in there if takes(each, target.destination) is not False]
        return f", where {process_of(found[0])} listens" if found else ""
    owners = {owner.host.name for owner in case.fleet.owners(target.destination)}
    return f" of {owners.pop()}" if len(owners) == 1 else ""
