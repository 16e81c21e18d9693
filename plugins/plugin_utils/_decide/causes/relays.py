# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A program on the server that takes the connections for another one, such as docker-proxy or a balancer, and has nobody to serve them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import on_loopback

from ..._model.host import Host
from ..._model.network_records import LOOPBACK
from ..._model.program_records import Relay
from ..._model.socket_records import ForeignListener, Listener, Namespace
from ..._model.socket_subjects import Backend, DeadTarget
from ..._model.unit_records import BalancedServer
from ..._values.words import endpoint, plural
from ..case import Case
from ..finding import Certainty, Finding
from . import called, counted_calls, units
from .backends import SAYS, balanced, in_its_words, named, section_down
from .catalogue import Accounts, Cause
from .inside import at_of, takes
from .loops import calls_itself
from .needs import LISTENER, SERVER, FirstOf, needs
from .tunnelled import tunnelled

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
def _passed_on(case: Case, server: Host, _listener: object) -> Finding | None:
    """By its command line the program passes connections on to an address of this host, where nobody listens, or to another that fails."""
    relay = relay_of(case, server)
    if relay is None or called.got_data(case):
        return None
    closed, place = closed_at_once(case), _place(server, relay.address, relay.to)
    failed = server.delta("Tcp", "AttemptFails") or 0
    dead = place is not None and not any(place.takes(each, relay.address) for each in place.listeners)
    in_vain = bool(closed) and failed >= closed
    if not (dead or in_vain):
        return None
    target = endpoint(relay.address, relay.to)
    if dead and place is not None:
        instead = _elsewhere(place, relay.address)
        why = f"{place.words}, where nothing listens" + (f" but on {instead}" if instead else "")
    else:
        why = ", which does not take them"
    unit = units.stopped_for(server, relay.to) if dead and place is not None and place.namespace is None else None
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
    if case.behind is not None or not down or not (closed_at_once(case) or called.once_each(case, server)):
        return None
    if len(down) < len(known) and not section_down(known):
        return None
    closed = closed_at_once(case)
    # HAProxy lists all its servers. nginx logs only those that fail, and may have served the connection by another one.
    all_down = len(down) == len(known) and all(each.program == _LISTS_ALL for each in known)
    return Finding(
        "proven" if all_down else "likely",
        server.name,
        "server.application",
        f"{down[0].program} on {server.name} takes the connections to {case.target}{' and closes them' if closed else ''}: "
        + _how_many(len(down), None if known[0].program != _LISTS_ALL else len(known))
        + _beside(server, down[0]),
        (
            *(in_its_words(server, each) for each in down[:_MOST_SAID]),
            *([case.saw(case.client, "probe", f"connected, and closed by the other side at once, {closed} of them")] if closed else []),
            *case.passage(),
        ),
        detail={"program": down[0].program, "down": len(down), "servers": len(known)},
        subject=_of_balanced(server, down),
    )


@needs(SERVER, LISTENER)
def _now_and_then(case: Case, server: Host, listener: Listener) -> Finding | None:
    """The balancer that is the flow's server ends some of the connections at once, and logs that it could not connect for the client."""
    made = [probe for probe in case.probes if probe.connected]
    closed = sum(probe.peer in ("closed", "reset") for probe in made)
    if case.behind is not None or not closed or not listener.processes:
        return None
    failed = called.failed_since(case, server)
    if sum(count for _each, count in failed) < closed:
        return None
    down = [each for each, _count in failed]
    return Finding(
        "likely",  # it may have failed for another port of the same client
        server.name,
        "server.application",
        f"{down[0].program} on {server.name} takes the connections to {case.target} and closes {closed} of {len(made)}: "
        + _how_many(len(down), None)
        + _beside(server, down[0]),
        (
            *(in_its_words(server, each) for each in down[:_MOST_SAID]),
            case.saw(case.client, "probe", f"connected, and closed by the other side at once, {closed} of {len(made)}"),
            *case.passage(),
        ),
        detail={"program": down[0].program, "down": len(down), "closed": closed},
        subject=_of_balanced(server, down),
    )


def _beside(server: Host, failed: BalancedServer) -> str:
    """Who listens on the port of the balancer's own host, where it calls another address of that."""
    if not failed.address or not failed.port or not (elsewhere := _elsewhere(_place(server, failed.address, failed.port), failed.address)):
        return ""
    return f"; on {endpoint(failed.address, failed.port)} nobody listens, but on {elsewhere}"


def _elsewhere(place: _Place | None, address: str) -> str:
    """Where others listen on the port, if nobody takes what is sent to the address."""
    if place is None or any(place.takes(each, address) for each in place.listeners):
        return ""
    return ", ".join(at_of(each) for each in place.listeners[:3])


def _of_balanced(server: Host, down: Sequence[BalancedServer]) -> DeadTarget | Backend:
    first = down[0]
    if all(each.set_aside for each in down):
        return Backend("set_aside", first.port or 0, name=named(first))
    if all(each.unresolved for each in down):
        return Backend("unresolved", 0, name=named(first))
    place = _place(server, first.address, first.port) if first.address and first.port else None
    return DeadTarget(first.program, first.address or "", first.port or 0, elsewhere=_elsewhere(place, first.address or ""))


@needs(SERVER, LISTENER)
def _none_taken(case: Case, server: Host, listener: Listener) -> Finding | None:
    """HAProxy, which holds the clients' connections meanwhile, counts that all fail which it begins for them."""
    vain = counted_calls.in_vain(case, server, listener) if case.behind is None else None
    if vain is None or not vain.servers:
        return None
    first = vain.servers[0]
    counts = f"{plural(vain.begun, 'connection')} begun for clients, {vain.failed} of which failed, and {vain.waiting} wait for an answer"
    return Finding(
        "likely",  # the counts and the sockets are not of the same moment
        server.name,
        "server.application",
        f"{first.program} on {server.name} takes the connections to {case.target}, and none of those that it begins for them is taken: "
        + ", ".join(
            f"{named(each)} ({endpoint(each.address, each.port)})" for each in vain.servers[:_MOST_SAID] if each.address and each.port
        ),
        (case.saw(server, SAYS[first.program], counts), *called.evidence(case, server), *case.passage()),
        detail={"program": first.program, "begun": vain.begun, "failed": vain.failed, "waiting": vain.waiting},
        undecided=(f"a flow from {server.name} to {first.address} and port {first.port} would show what happens to it",),
        subject=_of_balanced(server, vain.servers),
    )


@needs(SERVER, LISTENER)
def _calls(case: Case, server: Host, _listener: object) -> Finding | None:
    """The program itself calls somebody for each of the connections, and nobody answers it."""
    waiting = called.in_vain(case, server) if case.behind is None else []
    if not waiting:
        return None
    call = waiting[0]
    return Finding(
        "likely",  # a program may call others than those who are to serve its clients
        server.name,
        "server.application",
        f"{call.program} (pid {call.pid}) on {server.name} takes the connections to {case.target}, calls "
        f"{endpoint(call.address, call.port)} for each of them, and gets no answer",
        (*called.evidence(case, server), *case.passage()),
        detail={"program": call.program, "pid": call.pid, "target": call.address, "port": call.port},
        undecided=(f"a flow from {server.name} to {call.address} and port {call.port} would show what happens to it",),
        subject=DeadTarget(call.program, call.address, call.port),
    )


def _how_many(down: int, listed: int | None) -> str:
    """Of the servers behind a balancer; ``listed``: None, where it only logs those that fail."""
    if listed is None:
        return f"it could not connect to {plural(down, 'server')} behind it"
    if down < listed:
        return f"{down} of {listed} servers behind it are down"
    return f"all {down} servers behind it are down" if down > 1 else "the server behind it is down"


def closed_at_once(case: Case) -> int:
    """How many connections the other side ended at once, if it did so with each of them."""
    made = [probe for probe in case.probes if probe.connected]
    return len(made) if made and all(probe.peer in ("closed", "reset") for probe in made) else 0


def relay_of(case: Case, server: Host) -> Relay | None:
    """The program that takes the flow's connections, if it passes them on by its command line."""
    listener = case.listener()
    pids = {process.pid for process in (listener.processes if listener else None) or ()}
    known = (server.snapshot.relays if server.snapshot else None) or ()
    return next((each for each in known if each.port == case.listening_port and each.pid in pids), None)


def _place(server: Host, address: str, port: int) -> _Place | None:
    """Where the target is, if it is at this host and known."""
    snapshot = server.snapshot
    if snapshot is None or snapshot.listeners is None:
        return None
    if on_loopback(address) or server.owns(address):
        by = None if any(link.vrf for link in snapshot.links or ()) else LOOPBACK  # within a VRF they come in by its device
        return _Place([each for each in snapshot.listeners if each.port == port], interface=by)
    having = [each for each in snapshot.namespaces or () if address in each.addresses]
    if len(having) != 1 or snapshot.other_namespaces is None:
        return None
    there = [each for each in snapshot.other_namespaces if (each.netns, each.port) == (having[0].netns, port)]
    return _Place(there, having[0])


def _complete(server: Host, place: _Place | None) -> bool:
    """Whether all namespaces were looked at, where that matters."""
    return place is not None and (place.namespace is None or all(absence.what != "other network namespaces" for absence in server.absent))


def _target(relay: Relay, place: _Place | None) -> DeadTarget:
    inside = place is not None and place.namespace is not None
    return DeadTarget(relay.program, relay.address, relay.to, inside=inside, elsewhere=_elsewhere(place, relay.address))


CAUSES = (
    Cause(
        "proxy_no_backend",
        "A proxy on the server takes the connections, and has nobody to serve them",
        ("server.application",),
        ("completed", "reset_after"),
        "The process that has the listening socket passes connections on, by its command line, to an address of the server or of a network "
        "namespace of it, where no socket takes them; each connection of the flow is closed at once, and AttemptFails rises by as many. Or "
        "HAProxy, which has the socket, says that no server behind it is up, and each connection is closed at once. Without the counter, "
        "where the address is another host's, only a part of HAProxy's servers is down, or nginx logs that it could not connect (for each "
        "connection, or for as many as it closed at once), or the process begins a connection of its own for each that its host takes, "
        "which nobody answers, or HAProxy counts that all fail that it begins for its clients, or is an ssh or sshd (-L, -R) whose own "
        "connection repeats data in vain, three times or more: likely. Or the process passes connections on to its own socket, by its "
        "command line, and many on the port are of the host with itself; where rules may lead these elsewhere, it is HAProxy's own word, "
        "or nginx's limit is reached and nearly all that the host has begun are with itself: likely.",
        "A byte comes, or a socket takes connections where they are passed on to.",
        rule=FirstOf((calls_itself, _passed_on, _balanced, _now_and_then, _calls, _none_taken, tunnelled)),
        precedes=("application_closes", "application_hangs_up", "application_silent"),
        accounts_for=(Accounts("closed_unused", anywhere=True, any_leg=True), Accounts("stray_reset", anywhere=True)),
    ),
)
