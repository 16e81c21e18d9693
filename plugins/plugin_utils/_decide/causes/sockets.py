# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.socket: who listens, and what the listening socket does with the SYN."""

from __future__ import annotations

from collections.abc import Callable

from ..._fix.application import listening
from ..._fix.service import started
from ..._model.evidence import Host, Listener, Unit
from ..case import Case, Certainty, Evidence, Finding, Fix, plural
from .catalogue import Cause

_REFUSED = ("reset",)


def _refusal(case: Case) -> tuple[Host, Certainty, tuple[Evidence, ...]] | None:
    """The server's TCP itself refused: an RST that left the server and that TCP counted."""
    server = case.server
    if server is None or case.listeners_on_port() is None:
        return None
    made, counted = case.count("rst", server, "out", "server"), server.delta("Tcp", "OutRsts")
    if counted == 0 or (server.saw_everything and not made):
        return None
    evidence = [case.saw(case.client, "connect()", f"ECONNREFUSED, {plural(len(case.subject), 'attempt')}")]
    if made:
        evidence.append(case.saw(server, "capture", f"{plural(made, 'RST')} left {server.name}"))
    if counted is not None:
        evidence.append(case.saw(server, "counter Tcp OutRsts", f"+{counted}"))
    # TCP's counter must account for every RST of the run that left this host: some may be a firewall's. A listener that translation
    # leads the SYN away from says nothing either.
    everything = max(made, case.totals.resets.get(server.name, 0))
    decisive = bool(made) and counted is not None and counted >= everything and server.translates("prerouting") is False
    return server, "proven" if decisive else "likely", tuple(evidence)


def _service_stopped(case: Case) -> Finding | None:
    refusal = _refusal(case)
    if refusal is None or case.listeners_on_port():
        return None
    server, certainty, evidence = refusal
    unit = stopped_unit(server, case.server_port)
    if unit is None:
        return None
    why = f", result {unit.result}" if unit.result and unit.result != "success" else ""
    return Finding(
        certainty if unit.how in ("declared", "socket") else "likely",
        server.name,
        "server.socket",
        f"nothing listens on port {case.server_port} of {server.name}: {unit.unit} is {unit.active}{why}",
        (
            *evidence,
            case.saw(server, "inet_diag", f"no socket listens on port {case.server_port}"),
            case.saw(server, "systemd", f"{unit.unit} (known by {unit.how}): {unit.active}/{unit.sub}{why}"),
            *(case.saw(server, "journal", line) for line in unit.log[-3:]),
        ),
        detail={"unit": unit.unit, "active": unit.active, "sub": unit.sub, "result": unit.result},
        fix=started(server, unit),
    )


def stopped_unit(server: Host, port: int) -> Unit | None:
    """The unit that should listen on a port and does not run; a declared one before one that was found."""
    units = [
        unit
        for unit in (server.snapshot.units if server.snapshot else None) or ()
        if unit.port == port and unit.active in ("inactive", "failed")
    ]
    order = ("declared", "socket", "text", "wellknown")
    return min(units, key=lambda unit: (order.index(unit.how) if unit.how in order else 9, unit.active != "failed"), default=None)


def _no_listener(case: Case) -> Finding | None:
    if case.server is None:
        return _refused_unseen(case) if case.outcome.kind == "reset" else None
    if case.outcome.kind == "unanswered":
        return _refused_in_vain(case, case.server)
    refusal = _refusal(case)
    if refusal is None or stopped_unit(refusal[0], case.server_port) or _elsewhere(refusal[0], case.server_port):
        return None
    late = bool(case.listeners_on_port())
    if late and case.listened_before():
        return None
    server, certainty, evidence = refusal
    return Finding(
        "likely" if late else certainty,
        server.name,
        "server.socket",
        f"nothing {'listened' if late else 'listens'} on port {case.server_port} of {server.name}"
        + ("; now something does" if late else ""),
        (
            *evidence,
            case.saw(server, "inet_diag", f"no socket listens on port {case.server_port}" + (" before the attempts" if late else "")),
        ),
        fix=Fix(
            "service",
            server.name,
            f"start the service that should listen on port {case.server_port} of {server.name}, or correct the port",
            "advice",
        ),
    )


def _refused_in_vain(case: Case, server: Host) -> Finding | None:
    """TCP counts the RSTs that it sends, also those that the host's own firewall then stops."""
    counted = server.delta("Tcp", "OutRsts") or 0
    if case.listeners_on_port() != [] or case.listened_before() or not case.arrived or counted < case.arrived:
        return None
    port = case.server_port
    return Finding(
        "proven" if counted >= case.swallowed_at(server) and server.translates("prerouting") is False else "likely",
        server.name,
        "server.socket",
        f"nothing listens on port {port} of {server.name}, and the RSTs that say so do not leave it",
        (
            *case.passage(),
            case.saw(server, "counter Tcp OutRsts", f"+{counted}, and no RST left"),
            case.saw(server, "inet_diag", f"no socket listens on port {port}"),
        ),
        leg="syn",
        fix=Fix(
            "service", server.name, f"start the service that should listen on port {port} of {server.name}, or correct the port", "advice"
        ),
    )


def not_listening(case: Case) -> Finding | None:
    """That nothing listens where the SYN, which does not come that far, would lead, as far as that is known."""
    server, port = case.server, case.server_port
    if server is None or case.listeners_on_port() != [] or case.listened_before() or _elsewhere(server, port):
        return None
    if case.server_owns(case.address) is not True or not case.surely_untranslated or server.translates("prerouting") is not False:
        return None
    return Finding(
        "likely",
        server.name,
        "server.socket",
        f"nothing listens on port {port} of {server.name} either",
        (case.saw(server, "inet_diag", f"no socket listens on port {port}"),),
        leg="syn",
        fix=Fix(
            "service", server.name, f"start the service that should listen on port {port} of {server.name}, or correct the port", "advice"
        ),
    )


def _refused_unseen(case: Case) -> Finding:
    """The server is not managed: its RST, or one in its name, is all that is known."""
    return Finding(
        "possible",
        "path",
        "server.socket",
        f"{case.target} refuses the connection with an RST: nothing listens there, or something on the way or at the host rejects it",
        (*case.passage(), case.saw(case.client, "connect()", f"{case.errno()}, {plural(len(case.subject), 'attempt')}")),
        leg="syn",
        undecided=(f"a recording at {case.address} would tell who sends the RST: name the machine in the flow's servers if you manage it",),
        fix=Fix("advice", "path", f"look at {case.address}: does the service run, and does a firewall reject tcp/{case.port}?", "advice"),
    )


def _elsewhere(server: Host, port: int) -> str | None:
    """A listener on the port in another network namespace of the host."""
    found = next((entry for entry in (server.snapshot.other_namespaces if server.snapshot else None) or () if entry.port == port), None)
    return (
        f"{found.name or 'a process'} (pid {found.pid}) listens on {found.address}:{port} in network namespace {found.netns}"
        if found
        else None
    )


def _listener_other_namespace(case: Case) -> Finding | None:
    refusal = _refusal(case)
    where = _elsewhere(refusal[0], case.server_port) if refusal else None
    if refusal is None or where is None or case.listeners_on_port():
        return None
    server, certainty, evidence = refusal
    return Finding(
        certainty,
        server.name,
        "server.socket",
        f"port {case.server_port} of {server.name} is listened on only inside another network namespace: {where}",
        (*evidence, case.saw(server, "inet_diag", where)),
        fix=Fix("application", server.name, f"publish port {case.server_port} from the container or namespace to the host", "advice"),
    )


def _listener_other(kind: str, noun: Callable[[Case, Listener], str]) -> Callable[[Case], Finding | None]:
    def rule(case: Case) -> Finding | None:
        refusal = _refusal(case)
        listeners = case.listeners_on_port() or []
        if refusal is None or not listeners or case.listener() is not None:
            return None
        near = [listener for listener in listeners if case.mismatch(listener) == kind]
        if not near or _nearest(case, listeners) != kind:
            return None
        server, certainty, evidence = refusal
        owner = process_of(near[0])
        return Finding(
            certainty,
            server.name,
            "server.socket",
            f"{owner} on {server.name} listens on port {case.server_port}, but {noun(case, near[0])}",
            (*evidence, *(case.saw(server, "inet_diag", f"LISTEN {describe(listener)}") for listener in near[:5])),
            detail={"listening": [describe(listener) for listener in near], "dialled": case.target},
            fix=listening(server, owner, (near[0].processes or (None,))[0], case.server_address, case.server_port),
        )

    return rule


def _nearest(case: Case, listeners: list[Listener]) -> str | None:
    """The mismatch to name when listeners differ in several ways: the one that leaves least to change."""
    kinds = {case.mismatch(listener) for listener in listeners}
    return next((kind for kind in ("device", "address", "family") if kind in kinds), None)


def describe(listener: Listener) -> str:
    address = f"[{listener.address}]" if listener.family == "ipv6" else listener.address
    device = f"%{listener.device}" if listener.device else ""
    return f"{address}{device}:{listener.port}" + (" (IPv6 only)" if listener.v6only else "")


def process_of(listener: Listener) -> str:
    process = (listener.processes or (None,))[0]
    return f"{process.name} (pid {process.pid})" if process else "a process"


CAUSES = (
    Cause(
        "service_stopped",
        "The service does not run",
        ("server.socket",),
        _REFUSED,
        "As no_listener, and a systemd unit that is declared for the port, or whose socket unit names it, is inactive or failed. A unit "
        "found by its command line or by name makes it likely.",
        "A socket listens on the port.",
        _service_stopped,
    ),
    Cause(
        "listener_other_namespace",
        "The port is listened on in another network namespace",
        ("server.socket",),
        _REFUSED,
        "As no_listener, and a process in another network namespace of the server listens on the port.",
        "A socket listens on the port in the server's own namespace.",
        _listener_other_namespace,
    ),
    Cause(
        "listener_other_address",
        "The service listens on another address",
        ("server.socket",),
        _REFUSED,
        "The server's TCP answers with an RST, and the sockets on the port are bound to other addresses.",
        "A socket is bound to the address, or to all.",
        _listener_other("address", lambda case, listener: f"on {describe(listener)}, not on {case.server_address}"),
    ),
    Cause(
        "listener_other_family",
        "The service listens for the other address family",
        ("server.socket",),
        _REFUSED,
        "The server's TCP answers with an RST, and the sockets on the port are of the other family only.",
        "A socket of the family, or a dual-stack one, listens.",
        _listener_other(
            "family",
            lambda case, listener: (
                f"for {'IPv6' if listener.family == 'ipv6' else 'IPv4'} only ({describe(listener)}), and {case.address} is IPv{case.family}"
            ),
        ),
    ),
    Cause(
        "listener_other_device",
        "The service listens on another interface",
        ("server.socket",),
        _REFUSED,
        "The server's TCP answers with an RST, and the socket on the port is bound to another interface or VRF (SO_BINDTODEVICE).",
        "The socket is bound to the interface on which the SYN came in, or to none.",
        _listener_other("device", lambda case, listener: f"only on interface {listener.device}, and the SYN came in elsewhere"),
    ),
    Cause(
        "no_listener",
        "Nothing listens on the port",
        ("server.socket",),
        (*_REFUSED, "unanswered"),
        "RSTs leave the server, TcpOutRsts rises by them, and no socket listens on the port. Or none leaves it, and TcpOutRsts rises by "
        "the SYNs nevertheless.",
        "TcpOutRsts does not move (a firewall made the RST), or a socket listens.",
        _no_listener,
    ),
)
