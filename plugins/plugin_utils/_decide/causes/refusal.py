# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.socket: that the server's own TCP refused the SYN."""

from __future__ import annotations

from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from ..finding import Certainty, Evidence
from ..vantages import taken_by_stand_in
from .hooks import RECEIVING, droppers
from .needs import LISTENERS, SERVER, needs
from .traversals import Place, judged

REFUSALS = ("reset", "stood_in")
"""The outcomes of which it may be the cause."""

Refused = tuple[Host, Certainty, tuple[Evidence, ...]]


@needs(SERVER, LISTENERS)
def refused(case: Case, server: Host, _listeners: object) -> Refused | None:
    """The server's TCP itself refused: an RST that left the server and that TCP counted. Or our own listener took what it would refuse."""
    if case.outcome.kind == "stood_in":
        return server, *_instead_of_refusal(case, server)
    made, counted = case.count("rst", server, "out", "server"), server.delta("Tcp", "OutRsts")
    own = case.server_owns(case.server_address)  # a SYN for somebody behind the server is refused there, and the RST leaves the server, too
    if counted == 0 or (server.saw_everything and not made) or own is False:
        return None
    evidence = [case.ended(case.client, "connect()", f"ECONNREFUSED, {plural(len(case.subject), 'attempt')}")]
    if made:
        evidence.append(case.ended(server, "capture", f"{plural(made, 'RST')} left {server.name}"))
    if counted is not None:
        evidence.append(case.ended(server, "counter Tcp OutRsts", f"+{counted}"))
    # TCP's counter must account for every RST of the run that left this host: some may be a firewall's. A listener that translation
    # leads the SYN away from says nothing either.
    everything = case.resets_by(server)
    decisive = own and everything > 0 and counted is not None and counted >= everything and server.translates("prerouting") is False
    others = counted != everything and not lets_in(case, server)  # among those that were counted, and these may be a firewall's
    return server, "proven" if decisive and not others else "likely", tuple(evidence)


@needs(SERVER, LISTENERS)
def refused_in_vain(case: Case, server: Host, _listeners: object) -> Refused | None:
    """TCP counts the RSTs that it sends, also those that do not leave the host then, for its firewall or its routes."""
    counted = server.delta("Tcp", "OutRsts") or 0
    if case.listeners_on_port() != [] or case.listened_before() or not case.arrived or counted < case.arrived:
        return None
    if not case.server_owns(case.server_address) or case.sent_on_by(server):  # it is not the server's own TCP that gets it
        return None
    most = case.fleet.once(("syns in", server.name), lambda: _syns_in(server))
    alone, let_in = case.swallowed_at(server) <= counted <= most, lets_in(case, server)  # a host refuses others' connections, too
    if not (alone or let_in):
        return None
    return (
        server,
        "proven" if alone and let_in and server.translates("prerouting") is False else "likely",
        (*case.passage(), case.saw(server, "counter Tcp OutRsts", f"+{counted}, and no RST left")),
    )


def _syns_in(server: Host) -> int:
    """How many SYNs the server's recording has, of this run or not."""
    return sum(bool(seen.packet.tcp and seen.packet.tcp.is_syn and seen.direction == "in") for seen in server.observations or ())


@needs(SERVER, LISTENERS)
def refused_at_all(case: Case, _server: Host, _listeners: object) -> Refused | None:
    """Whether the client hears of it or not."""
    if case.outcome.kind == "unanswered":
        return refused_in_vain(case)
    return refused(case) if case.outcome.kind in REFUSALS else None


def lets_in(case: Case, server: Host) -> bool:
    """Whether the server's firewall, evaluated, lets the SYN in, or has nothing that could stop it."""
    verdict = judged(case, Place(server, "syn", "in", "server.firewall"))
    return (verdict is not None and verdict.accepts) or droppers(server, RECEIVING, case.family) == []


def _instead_of_refusal(case: Case, server: Host) -> tuple[Certainty, tuple[Evidence, ...]]:
    """A temporary listener completed the handshakes, which shows that the way is open, and that nothing else listens."""
    known = sum(taken_by_stand_in(case, attempt) for attempt in case.subject)
    shown = case.saw(
        server,
        "temporary listener",
        f"a temporary listener on {server.name} took {plural(known or len(case.subject), 'handshake')}: the way is open",
    )
    return "proven" if known == len(case.subject) else "likely", (shown, *case.passage())
