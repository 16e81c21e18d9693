# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A program on the server that takes the connections for another one, such as docker-proxy or a balancer, and has nobody to serve them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..._model.host import Host
from ..._model.network_records import LOOPBACK
from ..._model.socket_records import ForeignListener, Listener, Namespace, Relay
from ..._model.socket_subjects import DeadTarget
from ..._model.unit_records import BalancedServer
from ..._values.words import endpoint, plural
from ..case import Case
from ..finding import Certainty, Finding
from . import units
from .backends import balanced, in_its_words
from .catalogue import Accounts, Cause
from .inside import at_of, takes
from .needs import LISTENER, SERVER, FirstOf, needs

_MOST_SAID = 5
_LISTS_ALL = "haproxy"


@dataclass(frozen=True)
class _Place:
    """Where a program passes connections on to: the server itself, or a network namespace of it; ``listeners``: on that port there."""

    listeners: Sequence[Listener | ForeignListener]
    namespace: Namespace | None = None
    interface: str | None = None
    """by which the program's connections come in there; None: it is not known"""

    def takes(self, listener: Listener | ForeignListener, address: str) -> bool:
        """Or may take what the program sends to the address."""
        return takes(listener, address, self.interface) is not False

    @property
    def words(self) -> str:
        if self.namespace is None:
            return ""
        name = f" (of {self.namespace.name}, pid {self.namespace.pid})" if self.namespace.name else ""
        return f" in network namespace {self.namespace.netns}{name}"


@needs(SERVER, LISTENER)
def _passed_on(case: Case, server: Host, listener: Listener) -> Finding | None:
    """By its command line the program passes connections on to an address of this host, where nobody listens, or to another that fails."""
    relay = _relay(case, server, listener)
    if relay is None or any(probe.peer == "data" for probe in case.probes):
        return None
    closed, place = closed_at_once(case), _place(server, relay)
    failed = server.delta("Tcp", "AttemptFails") or 0
    dead = place is not None and not any(place.takes(each, relay.address) for each in place.listeners)
    in_vain = bool(closed) and failed >= closed
    if not (dead or in_vain):
        return None
    target = endpoint(relay.address, relay.to)
    if dead and place is not None:
        instead = ", ".join(at_of(each) for each in place.listeners[:3])
        why = f"{place.words}, where nothing listens" + (f" but on {instead}" if instead else "")
    else:
        why = ", which does not take them"
    unit = units.stopped_unit(server, relay.to) if dead and place is not None and place.namespace is None else None
    certain: Certainty = "proven" if dead and in_vain and _complete(server, place) else "likely"
    return Finding(
        certain,
        server.name,
        "server.application",
        f"{relay.program} (pid {relay.pid}) on {server.name} takes the connections to {case.target} and passes them on to {target}{why}"
        + (f"; {units.state_of(unit)}" if unit else ""),
        (
            case.saw(server, "command line", f"{relay.program} (pid {relay.pid}) passes connections on to {target}"),
            *([case.saw(server, "inet_diag", f"nothing listens on {target}{place.words}")] if dead and place else []),
            *([case.saw(server, "counter Tcp AttemptFails", f"+{failed}: connections of the host's own that failed")] if failed else []),
            *([case.saw(case.client, "probe", f"connected, and closed by the other side at once, {closed} of them")] if closed else []),
            *(units.last_words(server, unit) if unit else ()),
            *case.passage(),
        ),
        detail={"program": relay.program, "pid": relay.pid, "target": relay.address, "port": relay.to, "closed": closed, "failed": failed},
        undecided=() if certain == "proven" else (f"a connection from {server.name} to {target} would show whether it is taken",),
        subject=units.not_running(server, unit, relay.to) if unit else _target(relay, place if dead else None),
    )


@needs(SERVER, LISTENER)
def _balanced(case: Case, server: Host, listener: Listener) -> Finding | None:
    """The balancer that is the flow's server says itself that servers behind it are down."""
    known = balanced(case, server.snapshot) if listener.processes else []
    down = [each for each in known if not each.up and each.client in (None, case.client_address)]
    if case.behind is not None or not down or not closed_at_once(case):
        return None
    if len(down) < len(known) and not _section_down(known):
        return None
    # HAProxy lists all its servers. nginx logs only those that fail, and may have served the connection by another one.
    all_down = len(down) == len(known) and all(each.program == _LISTS_ALL for each in known)
    return Finding(
        "proven" if all_down else "likely",
        server.name,
        "server.application",
        f"{down[0].program} on {server.name} takes the connections to {case.target} and closes them: "
        + _how_many(len(down), None if known[0].program != _LISTS_ALL else len(known)),
        (
            *(in_its_words(server, each) for each in down[:_MOST_SAID]),
            case.saw(case.client, "probe", f"connected, and closed by the other side at once, {closed_at_once(case)} of them"),
            *case.passage(),
        ),
        detail={"program": down[0].program, "down": len(down), "servers": len(known)},
        subject=DeadTarget(down[0].program, down[0].address or "", down[0].port or 0),
    )


def _how_many(down: int, listed: int | None) -> str:
    """Of the servers behind a balancer; ``listed``: None, where it only logs those that fail."""
    if listed is None:
        return f"it could not connect to {plural(down, 'server')} behind it"
    if down < listed:
        return f"{down} of {listed} servers behind it are down"
    return f"all {down} servers behind it are down" if down > 1 else "the server behind it is down"


def _section_down(known: Sequence[BalancedServer]) -> bool:
    """Whether a section of HAProxy's configuration has no server that is up: it may be the one of the flow's port."""
    return any(all(not other.up for other in known if other.proxy == each.proxy) for each in known)


def closed_at_once(case: Case) -> int:
    """How many connections the other side ended at once, if it did so with each of them."""
    made = [probe for probe in case.probes if probe.connected]
    return len(made) if made and all(probe.peer in ("closed", "reset") for probe in made) else 0


def _relay(case: Case, server: Host, listener: Listener) -> Relay | None:
    pids = {process.pid for process in listener.processes or ()}
    known = (server.snapshot.relays if server.snapshot else None) or ()
    return next((each for each in known if each.port == case.server_port and each.pid in pids), None)


def _place(server: Host, relay: Relay) -> _Place | None:
    """Where the target is, if it is at this host and known."""
    snapshot = server.snapshot
    if snapshot is None or snapshot.listeners is None:
        return None
    if relay.address.startswith("127.") or relay.address == "::1" or server.owns(relay.address):
        by = None if any(link.vrf for link in snapshot.links or ()) else LOOPBACK  # within a VRF they come in by its device
        return _Place([each for each in snapshot.listeners if each.port == relay.to], interface=by)
    having = [each for each in snapshot.namespaces or () if relay.address in each.addresses]
    if len(having) != 1 or snapshot.other_namespaces is None:
        return None
    there = [each for each in snapshot.other_namespaces if (each.netns, each.port) == (having[0].netns, relay.to)]
    return _Place(there, having[0])


def _complete(server: Host, place: _Place | None) -> bool:
    """Whether all namespaces were looked at, where that matters."""
    return place is not None and (place.namespace is None or all(absence.what != "other network namespaces" for absence in server.absent))


def _target(relay: Relay, place: _Place | None) -> DeadTarget:
    other = place is not None and bool(place.listeners)
    return DeadTarget(relay.program, relay.address, relay.to, inside=place is not None and place.namespace is not None, elsewhere=other)


CAUSES = (
    Cause(
        "proxy_no_backend",
        "A proxy on the server takes the connections, and has nobody to serve them",
        ("server.application",),
        ("completed", "reset_after"),
        "The process that has the listening socket passes connections on, by its command line, to an address of the server or of a network "
        "namespace of it, where no socket takes them; each connection of the flow is closed at once, and AttemptFails rises by as many. Or "
        "HAProxy, which has the socket, says that no server behind it is up, and each connection is closed at once. Without the counter, "
        "where the address is another host's, only a part of HAProxy's servers is down, or nginx logs that it could not connect: likely.",
        "A byte comes, or a socket takes connections where they are passed on to.",
        rule=FirstOf((_passed_on, _balanced)),
        precedes=("application_closes", "application_hangs_up", "application_silent"),
        accounts_for=(Accounts("closed_unused", anywhere=True, any_leg=True), Accounts("stray_reset", anywhere=True)),
    ),
)
