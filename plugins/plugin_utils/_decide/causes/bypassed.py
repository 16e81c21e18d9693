# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Handshakes with a server past the host in front of it: from the client and from that host, so that it is known which of the two breaks.

They are made once each, after the attempts. What is wrong only now and then may be missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..._model.host import Host
from ..._model.probe_records import Probe
from ..._model.socket_subjects import Backend
from ..case import Case
from ..finding import Evidence
from .backends import backends, said_of
from .hooks import RECEIVING, SENDING, droppers
from .inside import takes
from .neighbour import on_link

Breaks = Literal["not_way", "between", "behind"]
"""Not the way to the server; the way from the host in front to it; or what neither the client nor the host in front can reach."""


@dataclass(frozen=True)
class Direct:
    """The outcome of direct handshakes with one address and port of the server; None: that host made none."""

    address: str
    port: int
    client: Probe | None
    front: Probe | None
    used: bool  # the host in front connects there

    @property
    def breaks(self) -> Breaks | None:
        """Which of the two breaks, as far as that follows. That the client alone cannot reach it may well be so on purpose."""
        if self.front is None:
            return None
        if self.front.connected:
            return "not_way" if self.used else None
        if self.client is None:
            return None
        return "between" if self.client.connected else "behind"


def directs(case: Case) -> list[Direct]:
    """One for each address and port that was dialled, those first to which the host in front connects."""
    front, behind = case.server, case.behind
    if front is None or behind is None:
        return []
    used = backends(case)
    made: dict[tuple[str, int], dict[str, Probe]] = {}
    for host in (front, case.client):
        for probe in host.bypasses:
            if case.declared.has(behind.name, probe.address):
                made.setdefault((probe.address, probe.port), {})[host.name] = probe
    known = used or [end for end in made if end[1] == case.port]  # one that names none most likely connects to the flow's own port
    found = [Direct(*end, by.get(case.client.name), by.get(front.name), end in known) for end, by in made.items()]
    return sorted(found, key=lambda direct: not direct.used)


def evidence(case: Case) -> Iterator[Evidence]:
    """What each of the two saw."""
    for direct in directs(case):
        for host, probe in ((case.client, direct.client), (case.server, direct.front)):
            if host is not None and probe is not None:
                yield _seen(case, host, direct, probe)


def _seen(case: Case, host: Host, direct: Direct, probe: Probe) -> Evidence:
    behind = case.behind.name if case.behind else ""
    return case.saw(host, "bypass", f"dialled directly, {behind} {_end(direct)}: {_outcome(probe)}")


def remarks(case: Case) -> list[str]:
    """A sentence for each address and port of which it follows what breaks, as far as one handshake of each host shows it."""
    front, behind = case.server, case.behind
    if front is None or behind is None:
        return []
    sentences = []
    for direct in directs(case):
        end = f"{behind.name} ({_end(direct)}), dialled directly,"
        others = unlike(case, direct)
        unless = f", unless {' or '.join(others)} treats its balancer in another way" if others else ""
        from_client = f" and from {case.client.name}" if direct.client and direct.client.connected else ""
        match direct.breaks:
            case "not_way":
                broken = f"{front.name} or the service breaks, not the way between them"
                sentences.append(f"{end} takes handshakes from {front.name}{from_client}: {broken}{unless}")
            case "between":
                broken = f"the way from {front.name} to it breaks, or it does not let {front.name} in"
                sentences.append(f"{end} takes handshakes from {case.client.name} but not from {front.name}: {broken}")
            case "behind":
                hosts = f"neither from {front.name} nor from {case.client.name}"
                sentences.append(
                    f"{end} takes handshakes {hosts}: what breaks is behind {front.name}"
                    + (unless or ", unless only its balancer is let in")
                )
    return sentences


def refused(case: Case) -> bool:
    """Whether the host in front, dialling itself, gets no handshake at any address and port that it says it connects to."""
    if case.server is None or case.behind is None:
        return False
    named = {(each.address, each.port) for each in said_of(case, case.server, case.behind)}
    connected = [direct.front.connected for direct in directs(case) if direct.front and (direct.address, direct.port) in named]
    return 0 < len(named) == len(connected) and not any(connected)


def refused_by_tcp(case: Case) -> bool:
    """Whether it was the server's TCP that refused these, since nobody listens there: that the balancer cannot connect either then follows.

    What a rule or a program refuses may be let through where the balancer is another user, or connects from another address (HAProxy's
    ``source``); and what is between the two may refuse for the server.
    """
    made = [(direct, direct.front) for direct in directs(case) if direct.front and not direct.front.connected]
    reset = all(probe.final_errno == "ECONNREFUSED" and probe.icmp is None for _direct, probe in made)
    return refused(case) and reset and not any(unlike(case, direct) or _listens(case, direct) for direct, _probe in made)


def _listens(case: Case, direct: Direct) -> bool:
    """Whether somebody listens there, as far as that is known: then something else refused."""
    known = (case.behind.snapshot.listeners if case.behind and case.behind.snapshot else None) or ()
    return any(listener.port == direct.port and takes(listener, direct.address) is not False for listener in known)


def unlike(case: Case, direct: Direct) -> list[str]:
    """What may treat the balancer's own connections with the server in another way than a direct handshake, or answer for the server."""
    front, behind = case.server, case.behind
    if front is None or behind is None:
        return []
    found = []
    for host in (front, behind):
        known = host.snapshot.hooks if host.snapshot else None
        links = (host.snapshot.links if host.snapshot else None) or ()
        if droppers(host, (*SENDING, *RECEIVING), case.family) != []:
            found.append(f"{host.name}'s firewall")
        if known is None or known.tc is None or any(each.filters for each in known.tc):
            found.append(f"{host.name}'s traffic control")
        found += [f"an XDP program on {link.name} of {host.name}" for link in links if link.xdp]
    route = front.route(direct.address)
    if route is None or route.gateway or not on_link(front, behind, direct.address, route.interface):
        found.append(f"what is between {front.name} and {behind.name}")
    return found


def kept_out(case: Case, backend: Backend) -> int | None:
    """The port on which the server takes handshakes from the client, and none from the host in front: the one in question, or, where no
    connection was seen, one to which that host connects."""
    unseen = backend.kind in ("nobody", "untried")
    between = (direct for direct in directs(case) if direct.breaks == "between")
    return next((direct.port for direct in between if direct.port == backend.port or (unseen and direct.used)), None)


def _end(direct: Direct) -> str:
    return f"{direct.address} port {direct.port}"


def _outcome(probe: Probe) -> str:
    if probe.connected:
        within = f" in {probe.elapsed_ms:.2f} ms" if probe.elapsed_ms is not None else ""
        return f"connected{within}" + (", and closed by it at once" if probe.peer in ("closed", "reset") else "")
    return f"{probe.final_errno or 'no answer'}"
