# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""On which ports a server is to serve the host in front of it, and what was tried there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..._model.host import Host
from ..._model.socket_records import Listener
from ..case import Case
from .backends import Tried, said_of


@dataclass(frozen=True)
class Serving:
    """On which ports the server is to serve the balancer, and who listens there; None: that is not known."""

    ports: tuple[int, ...]
    listening: Sequence[Listener] | None
    by_word: bool
    """Whether the balancer says so itself. Else it is the flow's own port, and others may serve as well."""


def serving(case: Case, front: Host, behind: Host) -> Serving:
    said = tuple(dict.fromkeys(each.port for each in said_of(case, front, behind) if each.port))
    ports = said or (case.port,)
    if behind.snapshot is None or behind.snapshot.listeners is None:
        return Serving(ports, None, bool(said))
    on = behind.snapshot.listeners_on
    listening = [each for port in ports for each in on.get(port, ())]
    # Who listens on other ports is reported where nobody listens on the flow's own.
    cut = any(absence.what == "listeners" for absence in behind.absent)
    unreported = not listening and ports != (case.port,) and (cut or bool(on.get(case.port)))
    return Serving(ports, None if unreported else listening, bool(said))


def to_serve(case: Case, tried: Mapping[int, Tried], serving: Serving) -> Mapping[int, Tried]:
    """Those on the ports by which the balancer is to be served, if it says which, or else on the flow's own, and on others with one for
    each of the flow's: what else a host has with the server may be for anything."""
    made = sum(probe.connected for probe in case.probes)
    return {port: each for port, each in tried.items() if port in serving.ports or (not serving.by_word and each.begun == made)}
