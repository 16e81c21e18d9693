# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.application: connections that are established and of no use, because the application says nothing, or closes without a word."""

from __future__ import annotations

from ..._model.probe_records import Probe
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from .catalogue import Accounts, Cause
from .sockets import describe, process_of


def _application_silent(case: Case) -> Finding | None:
    """The kernel completes handshakes on its own: where the server speaks first, its first byte is the application's."""
    awaited = _awaited(case)
    silent = [probe for probe in awaited if probe.peer == "open"]
    if not silent:
        return None
    waited = max(((probe.awaited_ms or 0.0) - (probe.elapsed_ms or 0.0) for probe in silent), default=0.0) / 1000
    listener = case.listener()
    waiting = listener is not None and listener.recv_q > 0
    host = case.server.name if case.server else "path"
    some = "" if len(silent) == len(awaited) else f" ({len(silent)} of {plural(len(awaited), 'connection')})"
    return Finding(
        "likely",
        host,
        "server.application",
        f"the handshake with {case.target} completes, but the server, which speaks first there, says nothing within {waited:.1f} s{some}"
        + (f": {process_of(listener)} does not accept" if listener and waiting else ""),
        (
            case.saw(case.client, "probe", f"no byte within {waited:.1f} s of the handshake, {plural(len(silent), 'attempt')}"),
            *_accept_queue(case),
        ),
        detail={"waited_s": round(waited, 3), "silent": len(silent), "awaited": len(awaited)},
        undecided=("the application's log, and a longer wait by hand, would tell whether it is stuck or greets late on purpose",),
    )


def _accept_queue(case: Case) -> tuple[Evidence, ...]:
    listener = case.listener()
    if case.server is None or listener is None or not listener.recv_q:
        return ()
    return (case.saw(case.server, "inet_diag", f"{describe(listener)}: {plural(listener.recv_q, 'connection')} not accepted"),)


def _closes_unheard(case: Case) -> Finding | None:
    """A server that speaks first and closes without a word turns the client away; of others it may be how they treat silence."""
    closed = [probe for probe in case.probes if probe.connected and probe.peer == "closed"]
    if not closed or len(closed) < len([probe for probe in case.probes if probe.connected]):
        return None
    greets, listener = bool(_awaited(case)), case.listener()
    host = case.server.name if case.server else "path"
    return Finding(
        "likely",
        host,
        "server.application",
        f"the handshake with {case.target} completes, then the server closes the connection at once, without a byte"
        + (", although it speaks first there" if greets else "")
        + (f": {process_of(listener)} listens there" if listener and listener.processes else ""),
        (case.saw(case.client, "probe", f"closed without a byte, {plural(len(closed), 'attempt')}"), *case.passage()),
        undecided=("the application's log would tell why",),
        remark=not greets,
    )


def _awaited(case: Case) -> list[Probe]:
    return [probe for probe in case.probes if probe.connected and probe.awaited_ms is not None]


CAUSES = (
    Cause(
        "application_silent",
        "The application says nothing where it should speak first",
        ("server.application",),
        ("completed",),
        "Not provable from outside the application: the handshake completes, and the first byte does not come within two seconds, on a "
        "port whose servers speak first, or where the flow says so.",
        "A byte comes.",
        rule=_application_silent,
    ),
    Cause(
        "application_hangs_up",
        "The application closes the connection without a byte",
        ("server.application",),
        ("completed",),
        "Not provable from outside the application: the handshake completes, and a FIN follows at once. Where the server does not speak "
        "first, it is a remark.",
        "A byte comes, or the connection stays open.",
        rule=_closes_unheard,
        accounts_for=(Accounts("closed_unused", any_leg=True),),
    ),
)
