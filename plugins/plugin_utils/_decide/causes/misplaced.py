# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.socket: sockets listen on the port, at another address, for another family, on another interface or in another namespace."""

from __future__ import annotations

from collections.abc import Callable

from ..._model.host import Host
from ..._model.socket_records import ForeignListener, Listener
from ..._model.socket_subjects import ListenerApart, SocketOwner
from ..case import Case, literal_is_loopback
from ..finding import Certainty, Evidence, Finding
from . import inside, socket_units, units
from .catalogue import Accounts, Cause
from .listener_names import describe, process_of
from .needs import FirstOf, Needing, needs
from .refusal import REFUSALS, Refused, refused, refused_at_all

_BY_SYSCTL = "net.ipv6.bindv6only"


def elsewhere(server: Host, port: int) -> ForeignListener | None:
    """A listener on the port in another network namespace of the host, first of all one that takes what comes from outside."""
    found = [entry for entry in (server.snapshot.other_namespaces if server.snapshot else None) or () if entry.port == port]
    return min(found, key=lambda entry: literal_is_loopback(entry.address or ""), default=None)


@needs(refused_at_all)
def _listener_other_namespace(case: Case, refusal: Refused) -> Finding | None:
    apart = elsewhere(refusal[0], case.listening_port)
    if apart is None or case.listeners_on_port():
        return None
    return only_apart(case, refusal[0], apart, *refusal[1:])


def only_apart(case: Case, server: Host, apart: ForeignListener, certainty: Certainty, evidence: tuple[Evidence, ...]) -> Finding:
    unit = apart.unit if apart.container is None and (apart.unit or "").endswith(".service") else None
    where = inside.in_namespace(apart)
    return Finding(
        certainty,
        server.name,
        "server.socket",
        f"on {server.name}, port {case.listening_port} has a listener in another network namespace only: {where}"
        + (f", as {unit}" if unit else "")
        + (", for that namespace alone" if literal_is_loopback(apart.address or "") else "")
        + (f"; no rule of {server.name} leads the port there" if inside.led_nowhere(case, server) else ""),
        (*evidence, case.saw(server, "inet_diag", where)),
        leg="syn",
        detail={"unit": unit},
        subject=ListenerApart(apart, unit),
    )


def _family(case: Case, listener: Listener) -> str:
    return f"for {'IPv6' if listener.family == 'ipv6' else 'IPv4'} only ({describe(listener)}), and {case.address} is IPv{case.family}"


_WHERE: dict[str, Callable[[Case, Listener], str]] = {
    "address": lambda case, listener: f"on {describe(listener)}, not on {case.listening_end[0]}",
    "family": _family,
    "device": lambda case, listener: f"only on interface {listener.device}, and the SYN came in elsewhere",
}


def _listener_other(kind: str) -> Needing[Finding]:
    @needs(refused)
    def rule(case: Case, refusal: Refused) -> Finding | None:
        return misplaced(case, kind, *refusal) if nearest(case) == kind else None

    return rule


def misplaced(case: Case, kind: str, server: Host, certainty: Certainty, evidence: tuple[Evidence, ...]) -> Finding:
    """Sockets listen on the port, and none gets the SYN, for what is `kind` of `_WHERE`."""
    near = [listener for listener in case.listeners_on_port() or () if case.mismatch(listener) == kind]
    owner, process = process_of(near[0]), (near[0].processes or (None,))[0]
    unit = units.stopped_unit(server, case.listening_port)
    by_systemd = process is not None and process.pid == 1  # for a service that need not run
    socket = socket_units.behind(server, near[0])
    setting = _BY_SYSCTL if near[0].v6only and near[0].address == "::" and server.sysctl(_BY_SYSCTL) == 1 else None
    another = unit is not None and process is not None and process.unit != unit.unit and not by_systemd
    displaced = unit if unit and another and (unit.how == "declared" or units.fails_as_listener(unit)) else None
    return Finding(
        certainty,
        server.name,
        "server.socket",
        f"{owner} on {server.name} listens on port {case.listening_port}, but {_WHERE[kind](case, near[0])}"
        + (f"; /etc/hosts has {near[0].address} for {', '.join(near[0].names)}" if near[0].names else "")
        + (f"; {setting} is 1, so that a socket for all addresses takes IPv6 alone unless it says otherwise" if setting else "")
        + (f": {socket_units.in_words(socket)}" if socket else "")
        + (f"; {units.state_of(displaced)}" if displaced else ""),
        (
            *evidence,
            *(case.saw(server, "inet_diag", f"LISTEN {describe(listener)}") for listener in near[:5]),
            *([case.saw(server, f"sysctl {setting}", "1")] if setting else []),
            *(socket_units.shown(server, socket) if socket else ()),
            *(units.last_words(server, displaced) if displaced else ()),
        ),
        leg="syn",
        detail={"listening": [describe(listener) for listener in near], "dialled": case.target},
        subject=SocketOwner(
            owner,
            process,
            displaced.unit if displaced else None,
            names=near[0].names,
            socket=socket,
            setting=setting,
            surely_displaced=displaced is None or displaced.how == "declared",
        ),
    )


def nearest(case: Case) -> str | None:
    """Why no listener on the port gets the SYN; where they differ in several ways, the one that leaves least to change."""
    listeners = case.listeners_on_port() or []
    kinds = {case.mismatch(listener) for listener in listeners}
    return None if None in kinds else next((kind for kind in ("device", "address", "family") if kind in kinds), None)


_listener_other_address = _listener_other("address")

CAUSES = (
    Cause(
        "listener_other_namespace",
        "The port is listened on in another network namespace",
        ("server.socket",),
        (*REFUSALS, "unanswered"),
        "As no_listener, and a process in another network namespace of the server listens on the port.",
        "A socket listens on the port in the server's own namespace.",
        rule=_listener_other_namespace,
        accounts_for=(Accounts("stray_reset", any_leg=True),),
    ),
    Cause(
        "listener_other_address",
        "The service listens on another address",
        ("server.socket",),
        REFUSALS,
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
        REFUSALS,
        "The server's TCP answers with an RST, and the sockets on the port are of the other family only.",
        "A socket of the family, or a dual-stack one, listens.",
        rule=_listener_other("family"),
    ),
    Cause(
        "listener_other_device",
        "The service listens on another interface",
        ("server.socket",),
        REFUSALS,
        "The server's TCP answers with an RST, and the socket on the port is bound to another interface or VRF (SO_BINDTODEVICE).",
        "The socket is bound to the interface on which the SYN came in, or to none.",
        rule=_listener_other("device"),
    ),
)
