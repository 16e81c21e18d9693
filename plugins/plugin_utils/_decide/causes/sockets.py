# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.socket: who listens, and what the listening socket does with the SYN."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..._model.host import Host
from ..._model.socket_records import Listener
from ..._model.socket_subjects import RunningUnit, SocketOwner, StoppedUnit, UnitApart
from ..._model.unit_records import Unit
from ..._values.words import endpoint, plural
from ..case import Case
from ..finding import Certainty, Evidence, Finding
from ..translation import surely_untranslated
from ..vantages import taken_by_stand_in
from . import inside, units
from .catalogue import Accounts, Cause
from .hooks import RECEIVING, droppers
from .needs import LISTENERS, SERVER, FirstOf, Needing, needs
from .traversals import Place, judged
from .xinetd import switched_off

_REFUSED = ("reset", "stood_in")


_Refusal = tuple[Host, Certainty, tuple[Evidence, ...]]


@needs(SERVER, LISTENERS)
def _refusal(case: Case, server: Host, _listeners: object) -> _Refusal | None:
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
    everything = max(made, case.totals.resets.get(server.name, 0))
    decisive = bool(made) and counted is not None and counted >= everything and server.translates("prerouting") is False
    others = counted != everything and not _lets_in(case, server)  # among those that were counted, and these may be a firewall's
    return server, "proven" if decisive and not others else "likely", tuple(evidence)


def _lets_in(case: Case, server: Host) -> bool:
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


@needs(_refusal)
def _service_stopped(case: Case, refusal: _Refusal) -> Finding | None:
    if case.listeners_on_port():
        return None
    server, certainty, evidence = refusal
    port = case.server_port
    unit = units.stopped_unit(server, port)
    if unit is None:
        return None
    held = units.holders_of(server, unit, port)
    later = units.came_later(server, unit, case.server_address)
    late = f"; {server.name} has {case.server_address} only since {later:.0f} s after that" if later is not None else ""
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
            *([case.saw(server, "rtnetlink address", f"{case.server_address} is newer than the end of {unit.unit}")] if late else ()),
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
        subject=units.not_running(server, unit, port, case.server_address),
    )


def _no_listener(case: Case) -> Finding | None:
    if case.server is None or (case.server.snapshot is None and any(host.captured for host in case.hosts)):
        return _refused_unseen(case) if case.outcome.kind in _REFUSED else None
    if case.outcome.kind == "unanswered":
        return _refused_in_vain(case, case.server)
    refusal = _refusal(case)
    port = case.server_port
    if refusal is None or units.stopped_unit(refusal[0], port) or _elsewhere(refusal[0], port):
        return None
    late = bool(case.listeners_on_port())
    if late and case.listened_before():
        return None
    server, certainty, evidence = refusal
    instead = None if late else units.listening_elsewhere(server, port)
    off = None if late or instead else switched_off(case)
    held = [] if late else units.holders_of(server, None, port)
    restless = [] if late or instead or held or off else units.restless(server, port)
    return Finding(
        "likely" if late else certainty,
        server.name,
        "server.socket",
        f"nothing {'listened' if late else 'listens'} on port {port} of {server.name}"
        + ("; now something does" if late else f": {units.where(instead)}, not on {port}" if instead else _meant(restless)),
        (
            *evidence,
            case.saw(server, "inet_diag", f"no socket listens on port {port}" + (" before the attempts" if late else "")),
            *(case.saw(server, "inet_diag", units.described(each)) for each in held[:3]),
            *(_running(case, server, instead) if instead else ()),
            *([case.saw(server, off.file, f"xinetd's service {off.service} on port {port}: disable = yes")] if off else []),
            *(case.saw(server, "systemd", units.state_of(unit)) for unit in restless),
            *(units.last_words(server, restless[0]) if restless else ()),
        ),
        leg="syn",
        detail={"unit": instead.unit.unit, "listens": list(instead.ports), "socket": instead.socket} if instead else {},
        subject=instead or off or _subject(case, server, next(iter(restless), None)),
    )


def _subject(case: Case, server: Host, unit: Unit | None) -> Unit | StoppedUnit | None:
    """The unit that may be meant, with what is known of why it failed where the host got the address too late for it."""
    early = unit is not None and units.came_later(server, unit, case.server_address) is not None
    return units.not_running(server, unit, case.server_port, case.server_address) if unit and early else unit


def _meant(restless: list[Unit]) -> str:
    """The unit that may be meant because it does not stay; one that failed some time ago is told as evidence only."""
    again = next((unit for unit in restless if unit.active != "failed"), None)
    return f"; no unit is known for the port, and {units.state_of(again)}" if again else ""


def _running(case: Case, server: Host, instead: RunningUnit) -> Iterator[Evidence]:
    unit = instead.unit
    reload = f", its last reload: {unit.reload}" if unit.reload not in (None, "success") else ""
    outdated = ", its files have changed since systemd read them" if unit.outdated else ""
    yield case.saw(server, "systemd", f"{unit.unit} (known by {unit.how}): {unit.active}/{unit.sub}{reload}{outdated}")
    yield case.saw(server, "systemd" if instead.socket or unit.listens else "inet_diag", units.where(instead))
    yield from units.last_words(server, unit)


def _refused_in_vain(case: Case, server: Host) -> Finding | None:
    """TCP counts the RSTs that it sends, also those that the host's own firewall then stops."""
    counted = server.delta("Tcp", "OutRsts") or 0
    if case.listeners_on_port() != [] or case.listened_before() or not case.arrived or counted < case.arrived:
        return None
    port = case.server_port
    most = sum(bool(seen.packet.tcp and seen.packet.tcp.is_syn and seen.direction == "in") for seen in server.observations or ())
    alone, let_in = case.swallowed_at(server) <= counted <= most, _lets_in(case, server)  # a host refuses others' connections, too
    if not (alone or let_in):
        return None
    return Finding(
        "proven" if alone and let_in and server.translates("prerouting") is False else "likely",
        server.name,
        "server.socket",
        f"nothing listens on port {port} of {server.name}, and the RSTs that say so do not leave it",
        (
            *case.passage(),
            case.saw(server, "counter Tcp OutRsts", f"+{counted}, and no RST left"),
            case.saw(server, "inet_diag", f"no socket listens on port {port}"),
        ),
        leg="syn",
    )


@needs(SERVER)
def would_refuse(case: Case, server: Host) -> tuple[str, Finding] | None:
    """(code, finding): that no listener would take the SYN, which does not come that far, as far as that is known."""
    port = case.server_port
    if case.server_owns(case.address) is not True:
        return None
    if not surely_untranslated(case) or server.translates("prerouting") is not False:
        return None
    if case.listeners_on_port() and (kind := _nearest(case)):
        return f"listener_other_{kind}", _misplaced(case, kind, server, "likely", ())
    if case.listeners_on_port() != [] or case.listened_before():
        return None
    evidence = case.saw(server, "inet_diag", f"no socket listens on port {port}")
    if where := _elsewhere(server, port):
        return "listener_other_namespace", _only_apart(case, server, where, "likely", (evidence,))
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


def _elsewhere(server: Host, port: int) -> str | None:
    """A listener on the port in another network namespace of the host."""
    found = next((entry for entry in (server.snapshot.other_namespaces if server.snapshot else None) or () if entry.port == port), None)
    return (
        f"{found.name or 'a process'} (pid {found.pid}) listens on {found.address}:{port} in network namespace {found.netns}"
        if found
        else None
    )


@needs(_refusal)
def _listener_other_namespace(case: Case, refusal: _Refusal) -> Finding | None:
    where = _elsewhere(refusal[0], case.server_port)
    if where is None or case.listeners_on_port():
        return None
    return _only_apart(case, refusal[0], where, *refusal[1:])


def _only_apart(case: Case, server: Host, where: str, certainty: Certainty, evidence: tuple[Evidence, ...]) -> Finding:
    unit = _unit_apart(server, case.server_port)
    return Finding(
        certainty,
        server.name,
        "server.socket",
        f"port {case.server_port} of {server.name} is listened on only inside another network namespace: {where}"
        + (f", as {unit}" if unit else ""),
        (*evidence, case.saw(server, "inet_diag", where)),
        leg="syn",
        detail={"unit": unit},
        subject=UnitApart(unit) if unit else None,
    )


def _unit_apart(server: Host, port: int) -> str | None:
    """The service whose process listens on the port in another network namespace, where that is known to be no container's."""
    found = next((entry for entry in (server.snapshot.other_namespaces if server.snapshot else None) or () if entry.port == port), None)
    return found.unit if found and found.container is None and (found.unit or "").endswith(".service") else None


def _family(case: Case, listener: Listener) -> str:
    return f"for {'IPv6' if listener.family == 'ipv6' else 'IPv4'} only ({describe(listener)}), and {case.address} is IPv{case.family}"


_WHERE: dict[str, Callable[[Case, Listener], str]] = {
    "address": lambda case, listener: f"on {describe(listener)}, not on {case.server_address}",
    "family": _family,
    "device": lambda case, listener: f"only on interface {listener.device}, and the SYN came in elsewhere",
}


def _listener_other(kind: str) -> Needing[Finding]:
    @needs(_refusal)
    def rule(case: Case, refusal: _Refusal) -> Finding | None:
        return _misplaced(case, kind, *refusal) if _nearest(case) == kind else None

    return rule


def _misplaced(case: Case, kind: str, server: Host, certainty: Certainty, evidence: tuple[Evidence, ...]) -> Finding:
    """Sockets listen on the port, and none gets the SYN, for what is `kind` of `_WHERE`."""
    near = [listener for listener in case.listeners_on_port() or () if case.mismatch(listener) == kind]
    owner, process = process_of(near[0]), (near[0].processes or (None,))[0]
    unit = units.stopped_unit(server, case.server_port)
    displaced = unit if unit and unit.how == "declared" and process and process.unit != unit.unit else None
    return Finding(
        certainty,
        server.name,
        "server.socket",
        f"{owner} on {server.name} listens on port {case.server_port}, but {_WHERE[kind](case, near[0])}"
        + (f"; /etc/hosts has {near[0].address} for {', '.join(near[0].names)}" if near[0].names else "")
        + (f"; {units.state_of(displaced)}" if displaced else ""),
        (
            *evidence,
            *(case.saw(server, "inet_diag", f"LISTEN {describe(listener)}") for listener in near[:5]),
            *(units.last_words(server, displaced) if displaced else ()),
        ),
        leg="syn",
        detail={"listening": [describe(listener) for listener in near], "dialled": case.target},
        subject=SocketOwner(owner, process, displaced.unit if displaced else None, near[0].names),
    )


def _nearest(case: Case) -> str | None:
    """Why no listener on the port gets the SYN; where they differ in several ways, the one that leaves least to change."""
    listeners = case.listeners_on_port() or []
    kinds = {case.mismatch(listener) for listener in listeners}
    return None if None in kinds else next((kind for kind in ("device", "address", "family") if kind in kinds), None)


def describe(listener: Listener) -> str:
    return endpoint(listener.address, listener.port, listener.device) + (" (IPv6 only)" if listener.v6only else "")


def process_of(listener: Listener) -> str:
    process = (listener.processes or (None,))[0]
    return f"{process.name} (pid {process.pid})" if process else "a process"


_listener_other_address = _listener_other("address")

CAUSES = (
    Cause(
        "service_stopped",
        "The service does not run",
        ("server.socket",),
        _REFUSED,
        "As no_listener, and a systemd unit that is declared for the port, or whose socket unit names it, is inactive or failed, or on its "
        "way to be active, as one that ends after each start, and no socket unit listens for it elsewhere. A unit found by its command "
        "line or by name makes it likely.",
        "A socket listens on the port.",
        rule=_service_stopped,
    ),
    Cause(
        "listener_other_namespace",
        "The port is listened on in another network namespace",
        ("server.socket",),
        _REFUSED,
        "As no_listener, and a process in another network namespace of the server listens on the port.",
        "A socket listens on the port in the server's own namespace.",
        rule=_listener_other_namespace,
        accounts_for=(Accounts("stray_reset", any_leg=True),),
    ),
    Cause(
        "listener_other_address",
        "The service listens on another address",
        ("server.socket",),
        _REFUSED,
        "The server's TCP answers with an RST, and the sockets on the port are bound to other addresses. Or a rule of the server, "
        "evaluated, translates the SYN to an address of another network namespace of it, where the sockets on that port are bound to other "
        "addresses, and its counter rises by the connections; without the counter, likely.",
        "A socket is bound to the address, or to all.",
        rule=FirstOf((inside.listener_other_address, _listener_other_address)),
        accounts_for=(Accounts("stray_reset", any_leg=True),),
    ),
    Cause(
        "listener_other_family",
        "The service listens for the other address family",
        ("server.socket",),
        _REFUSED,
        "The server's TCP answers with an RST, and the sockets on the port are of the other family only.",
        "A socket of the family, or a dual-stack one, listens.",
        rule=_listener_other("family"),
    ),
    Cause(
        "listener_other_device",
        "The service listens on another interface",
        ("server.socket",),
        _REFUSED,
        "The server's TCP answers with an RST, and the socket on the port is bound to another interface or VRF (SO_BINDTODEVICE).",
        "The socket is bound to the interface on which the SYN came in, or to none.",
        rule=_listener_other("device"),
    ),
    Cause(
        "no_listener",
        "Nothing listens on the port",
        ("server.socket",),
        (*_REFUSED, "unanswered"),
        "RSTs leave the server, TcpOutRsts rises by them, and no socket listens on the port. Or none leaves it, and TcpOutRsts rises by "
        "the SYNs nevertheless, which the server's firewall, evaluated, lets in. Where it rises by more, and a firewall may have made or "
        "stopped something: likely at most. Or the temporary listener, which is there only where nothing listens, has the attempts among "
        "the handshakes that completed there.",
        "TcpOutRsts does not move (a firewall made the RST), or a socket listens.",
        rule=_no_listener,
        accounts_for=(Accounts("other_outcome", ("stood_in",), anywhere=True, any_leg=True),),
    ),
)
