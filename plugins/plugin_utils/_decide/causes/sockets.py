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
from ..translation import surely_untranslated
from . import units
from .catalogue import Accounts, Cause
from .ecn import all_ask, one_without, shown
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
    left = units.lingering(server, unit, port)
    lasting = f"{plural(left, 'connection')} of before to it {'is' if left == 1 else 'are'} in TIME_WAIT" if left else ""
    return Finding(
        certainty if unit.how in ("declared", "socket") else "likely",
        server.name,
        "server.socket",
        f"nothing listens on port {port} of {server.name}: {units.state_of(unit)}"
        + (f"; {barred}" if barred else "")
        + late
        + (f"; {units.described(held[0])}" if held else "")
        + (f"; {lasting}, which keep a service that does not set SO_REUSEADDR from the port" if lasting else ""),
        (
            *evidence,
            case.saw(server, "inet_diag", f"no socket listens on port {port}"),
            *(case.saw(server, "inet_diag", units.described(each)) for each in held[:3]),
            *([case.saw(server, "inet_diag", f"{lasting} on port {port}")] if lasting else []),
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
    if case.sent_on_by(server) or not surely_untranslated(case):
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


def _was_asked(case: Case) -> bool:
    """Whether the server is known and said what it knows; one that is diagnosed by captures has nothing to say."""
    return case.server is not None and (case.server.snapshot is not None or not any(host.captured for host in case.hosts))


def _explained(server: Host, port: int) -> bool:
    """Whether another cause says why nothing listens there."""
    return bool(units.stopped_for(server, port) or elsewhere(server, port))


def _no_listener_known(case: Case) -> Finding | None:
    if not _was_asked(case):
        return None
    refusal, port = refused_at_all(case), case.listening_port
    if refusal is None or _explained(refusal[0], port):
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


def _no_socket(case: Case) -> Finding | None:
    """By the kernel's own word, which also is that of a host that the flow does not name as its server (tcp_v4_rcv(), tcp_v6_rcv())."""
    dropped = (each for each in case.dropped if each.exact and each.leg == "syn" and each.drop_reason == "NO_SOCKET")
    seen = next(dropped, None)
    if seen is None or (seen.host is case.server and (case.listeners_on_port() or _explained(seen.host, case.listening_port))):
        return None
    host, resets = seen.host, case.count("rst", seen.host, "out", "server")
    left = (case.saw(host, "capture", f"{plural(resets, 'RST')} left {host.name}"),) if resets else ()
    return Finding(
        "proven" if resets else "likely",
        host.name,
        "server.socket",
        f"{host.name} takes SYNs for {case.target}, and none of its sockets listens there",
        (seen.evidence(), *left, *case.passage()),
        leg="syn",
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


def _refused_unseen(case: Case) -> Finding | None:
    """The server is not managed, or was not asked: its RST, or one in its name, is all that is known."""
    if _was_asked(case) or case.outcome.kind not in REFUSALS:
        return None
    errno = None if any(host.captured for host in case.hosts) else case.errno()
    ecn = all_ask(case)
    return Finding(
        "possible",
        "path",
        "server.socket",
        f"{case.target} refuses the connection with an RST: nothing listens there, or something on the way or at the host rejects it"
        + (", such as one that takes no SYN with ECN, for which all of these ask" if ecn else ""),
        (
            *case.passage(),
            *((case.ended(case.client, "connect()", f"{errno}, {plural(len(case.subject), 'attempt')}"),) if errno else ()),
            *(shown(case) if ecn else ()),
        ),
        leg="syn",
        undecided=(
            f"a recording at {case.address} would show who sends the RST: name the machine in the flow's servers if you manage it"
            if case.server is None
            else f"the listeners and rules of {case.server.name} would show it: diagnose it, too, and not by captures only",
            *([one_without(case)] if ecn else []),
        ),
    )


def _no_listener(case: Case) -> Finding | None:
    return _no_listener_known(case) or _no_socket(case) or _refused_unseen(case)


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
        "the handshakes that completed there. Or the kernel of a host that the SYN reaches finds no socket for it (NO_SOCKET).",
        "TcpOutRsts does not move (a firewall made the RST), or a socket listens.",
        rule=_no_listener,
        accounts_for=(Accounts("other_outcome", ("stood_in",), anywhere=True, any_leg=True),),
    ),
)
