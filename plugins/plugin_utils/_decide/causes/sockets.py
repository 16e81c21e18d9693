# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.socket: nothing listens on the port, and what should."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.socket_records import Listener
from ..._model.socket_subjects import SocketOwner
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..translation import sent_elsewhere, surely_untranslated
from . import units
from .catalogue import Accounts, Cause
from .instead import instead
from .listener_names import describe, process_of
from .misplaced import elsewhere, misplaced, nearest, only_apart
from .needs import LISTENER, SERVER, FirstOf, needs
from .refusal import REFUSALS, Refused, refused_at_all


@needs(refused_at_all)
def _service_stopped(case: Case, refusal: Refused) -> Finding | None:
    if case.listeners_on_port():
        return None
    server, certainty, evidence = refusal
    port = case.listening_port
    unit = units.stopped_for(server, port)
    if unit is None:
        return None
    held = units.holders_of(server, unit, port)
    later = units.came_later(server, unit, case.listening_end[0])
    late = f"; {server.name} has {case.listening_end[0]} only since {later:.0f} s after that" if later is not None else ""
    barred = units.forbidden(server, unit)[1]
    return Finding(
        certainty if unit.how in ("declared", "socket") else "likely",
        server.name,
        "server.socket",
        f"nothing listens on port {port} of {server.name}: {units.state_of(unit)}"
        + (f"; {barred}" if barred else "")
        + late
        + (f"; {units.described(held[0])}" if held else ""),
        (
            *evidence,
            case.saw(server, "inet_diag", f"no socket listens on port {port}"),
            *(case.saw(server, "inet_diag", units.described(each)) for each in held[:3]),
            case.saw(server, "systemd", f"{unit.unit} (known by {unit.how}): {unit.active}/{unit.sub}, result {unit.result}"),
            *([case.saw(server, "rtnetlink address", f"{case.listening_end[0]} is newer than the end of {unit.unit}")] if late else ()),
            *units.last_words(server, unit),
        ),
        leg="syn",
        detail={
            "unit": unit.unit,
            "active": unit.active,
            "sub": unit.sub,
            "result": unit.result,
            "status": unit.status,
            "restarts": unit.restarts,
            "port_held_by": [each.process.name if each.process else None for each in held[:3]],
        },
        subject=units.not_running(server, unit, port, case.listening_end[0]),
    )


@needs(SERVER, LISTENER)
def _another_service(case: Case, server: Host, listener: Listener) -> Finding | None:
    """The handshake completes with another service than the one that is declared for the port, which does not run."""
    unit, process = units.stopped_unit(server, case.listening_port), (listener.processes or (None,))[0]
    if case.outcome.kind != "completed" or unit is None or not units.serve_instead(unit, listener.processes or ()):
        return None
    if sent_elsewhere(case, server) or not surely_untranslated(case):
        return None  # another listener took it
    owner = process_of(listener)
    return Finding(
        "likely",
        server.name,
        "server.socket",
        f"{owner} of {process.unit if process else None} has port {case.listening_port} of {server.name}, and not {unit.unit}, which is "
        f"declared for it: {units.state_of(unit)}",
        (
            case.saw(server, "inet_diag", f"LISTEN {describe(listener)}, {owner}"),
            case.saw(server, "systemd", f"{unit.unit} (known by {unit.how}): {unit.active}/{unit.sub}, result {unit.result}"),
            *units.last_words(server, unit),
        ),
        detail={"unit": unit.unit, "active": unit.active, "sub": unit.sub, "result": unit.result, "status": unit.status},
        subject=SocketOwner(owner, process, unit.unit),
    )


def _no_listener(case: Case) -> Finding | None:
    if case.server is None or (case.server.snapshot is None and any(host.captured for host in case.hosts)):
        return _refused_unseen(case) if case.outcome.kind in REFUSALS else None
    refusal, port = refused_at_all(case), case.listening_port
    if refusal is None or units.stopped_for(refusal[0], port) or elsewhere(refusal[0], port):
        return None
    late = bool(case.listeners_on_port())
    if late and case.listened_before():
        return None
    server, certainty, evidence = refusal
    found = [] if late else list(instead(case, server))
    return Finding(
        "likely" if late else certainty,
        server.name,
        "server.socket",
        f"nothing {'listened' if late else 'listens'} on port {port} of {server.name}"
        + ("; now something does" if late else "")
        + (", and the RSTs that say so do not leave it" if case.outcome.kind == "unanswered" else "")
        + "".join(f"{each.words}" for each in found),
        (
            *evidence,
            case.saw(server, "inet_diag", f"no socket listens on port {port}" + (" before the attempts" if late else "")),
            *(seen for each in found for seen in each.evidence),
        ),
        leg="syn",
        detail=next((each.detail for each in found if each.detail), {}),
        subject=next((each.subject for each in found if each.subject is not None), None),
    )


@needs(SERVER)
def would_refuse(case: Case, server: Host) -> tuple[str, Finding] | None:
    """(code, finding): that no listener would take the SYN, which does not come that far, as far as that is known."""
    port = case.listening_port
    if case.server_owns(case.address) is not True:
        return None
    if not surely_untranslated(case) or server.translates("prerouting") is not False:
        return None
    if case.listeners_on_port() and (kind := nearest(case)):
        return f"listener_other_{kind}", misplaced(case, kind, server, "likely", ())
    if case.listeners_on_port() != [] or case.listened_before():
        return None
    evidence = case.saw(server, "inet_diag", f"no socket listens on port {port}")
    if apart := elsewhere(server, port):
        return "listener_other_namespace", only_apart(case, server, apart, "likely", (evidence,))
    summary = f"nothing listens on port {port} of {server.name} either"
    return "no_listener", Finding("likely", server.name, "server.socket", summary, (evidence,), leg="syn")


def _refused_unseen(case: Case) -> Finding:
    """The server is not managed, or was not asked: its RST, or one in its name, is all that is known."""
    errno = None if any(host.captured for host in case.hosts) else case.errno()
    return Finding(
        "possible",
        "path",
        "server.socket",
        f"{case.target} refuses the connection with an RST: nothing listens there, or something on the way or at the host rejects it",
        (*case.passage(), *((case.ended(case.client, "connect()", f"{errno}, {plural(len(case.subject), 'attempt')}"),) if errno else ())),
        leg="syn",
        undecided=(
            f"a recording at {case.address} would show who sends the RST: name the machine in the flow's servers if you manage it"
            if case.server is None
            else f"the listeners and rules of {case.server.name} would show it: diagnose it, too, and not by captures only",
        ),
    )


CAUSES = (
    Cause(
        "service_stopped",
        "The service does not run",
        ("server.socket",),
        (*REFUSALS, "unanswered", "completed"),
        "As no_listener, and a systemd unit that is declared for the port, or whose socket unit names it, is inactive or failed, or on its "
        "way to be active, as one that ends after each start, and no socket unit listens for it elsewhere. A unit found by its command "
        "line or by name makes it likely, and so does a handshake that completes with a process of another service, while the declared one "
        "has failed, or starts again and again.",
        "A socket listens on the port, unless it is another service's.",
        rule=FirstOf((_another_service, _service_stopped)),
    ),
    Cause(
        "no_listener",
        "Nothing listens on the port",
        ("server.socket",),
        (*REFUSALS, "unanswered"),
        "RSTs leave the server, TcpOutRsts rises by them, and no socket listens on the port. Or none leaves it, and TcpOutRsts rises by "
        "the SYNs nevertheless, which the server's firewall, evaluated, lets in. Where it rises by more, and a firewall may have made or "
        "stopped something: likely at most. Or the temporary listener, which is there only where nothing listens, has the attempts among "
        "the handshakes that completed there.",
        "TcpOutRsts does not move (a firewall made the RST), or a socket listens.",
        rule=_no_listener,
        accounts_for=(Accounts("other_outcome", ("stood_in",), anywhere=True, any_leg=True),),
    ),
)
