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
    if counted == 0 or (server.saw_everything and not made):
        return None
    evidence = [case.ended(case.client, "connect()", f"ECONNREFUSED, {plural(len(case.subject), 'attempt')}")]
    if made:
        evidence.append(case.ended(server, "capture", f"{plural(made, 'RST')} left {server.name}"))
    if counted is not None:
        evidence.append(case.ended(server, "counter Tcp OutRsts", f"+{counted}"))
    # TCP's counter must account for every RST of the run that left this host: some may be a firewall's. A listener that translation
    # leads the SYN away from says nothing either.
    everything = case.resets_by(server)
    decisive = everything > 0 and counted is not None and counted >= everything and server.translates("prerouting") is False
    others = counted != everything and not lets_in(case, server)  # among those that were counted, and these may be a firewall's
    return server, "proven" if decisive and not others else "likely", tuple(evidence)


def lets_in(case: Case, server: Host) -> bool:
    """Whether the server's firewall, evaluated, lets the SYN in, or has nothing that could stop it."""
    ruling = judged(case, Place(server, "syn", "in", "server.firewall"))
    return (ruling is not None and ruling.verdict == "accept") or droppers(server, RECEIVING, case.family) == []


def _instead_of_refusal(case: Case, server: Host) -> tuple[Certainty, tuple[Evidence, ...]]:
    """A temporary listener completed the handshakes, which shows that the way is open, and that nothing else listens."""
    known = sum(taken_by_stand_in(case, attempt) for attempt in case.subject)
    shown = case.saw(
        server,
        "temporary listener",
        f"a temporary listener on {server.name} took {plural(known or len(case.subject), 'handshake')}: the way is open",
    )
    return "proven" if known == len(case.subject) else "likely", (shown, *case.passage())
