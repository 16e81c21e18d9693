# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Proxies that call themselves: each connection that they take makes them begin another one, until they have no room for more."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import on_loopback

from ..._model.host import Host
from ..._model.program_records import Relay
from ..._model.snapshot import Snapshot
from ..._model.socket_records import Listener
from ..._model.socket_subjects import Loop
from ..._model.unit_records import BalancedServer
from ..._values.words import endpoint, plural
from ..case import Case
from ..finding import Finding
from . import called
from .backends import SAYS, balanced
from .inside import takes
from .needs import LISTENER, SERVER, needs

_LEAST = 4  # connections of its own for each that others made: a program that is called by another one on its host has one
_ENOUGH = 0.8  # of those that it began, to be with itself: where one port of its host uses another one, as many are with others


@needs(SERVER, LISTENER)
def calls_itself(case: Case, server: Host, listener: Listener) -> Finding | None:
    """Many connections on the port are of the host with itself, and the program passes connections on to itself, by its command line; or,
    by HAProxy's own word, a section has itself for a server and is full; or they were too many for nginx, which does not say to whom it
    connects: nearly all that it began meanwhile are with itself."""
    made = sum(probe.connected for probe in case.probes)
    if not made or not listener.processes or called.got_data(case):
        return None
    program, kept = listener.processes[0], _kept(server.after, case.listening_port)
    relay, said = _relay(case, server, listener), _full_of_itself(case, server, listener)
    began = server.delta("Tcp", "ActiveOpens") or 0
    grown = kept - _kept(server.before, case.listening_port)
    too_many = _too_many_for_nginx(server, listener, began, made) and grown >= _ENOUGH * began
    if kept < _LEAST * made or not (relay or said or too_many):
        return None
    end = (relay.address, relay.to) if relay else (said.address, said.port) if said else None
    target = f" {endpoint(end[0] or '', end[1] or 0)}" if end else ""
    return Finding(
        "proven" if relay and server.translates("output") is False else "likely",  # rules may lead it elsewhere
        server.name,
        "server.application",
        f"{program.name} (pid {program.pid}) on {server.name} takes the connections to {case.target} and passes them on to itself"
        + (f", as{target} is its own" if target else "")
        + f": {kept} sockets on the port are of {server.name} with itself"
        + (f", and for {plural(made, 'connection')} of this run it has begun {began}, until it had no room for more" if too_many else ""),
        (
            *([case.saw(server, "command line", f"it passes connections on to{target}")] if relay else []),
            *([case.saw(server, SAYS["haproxy"], f"it has a server{target}")] if said else []),
            case.saw(server, "counters Tcp", f"ActiveOpens +{began}, PassiveOpens +{server.delta('Tcp', 'PassiveOpens')}"),
            case.saw(server, "inet_diag", f"{kept} sockets on port {case.listening_port} are of connections of {server.name} with itself"),
            *case.passage(),
        ),
        detail={"program": program.name, "pid": program.pid, "made": made, "begun": began, "of_itself": kept},
        undecided=() if relay else (f"the configuration of {program.name} would show it: to which address it passes these connections on",),
        subject=Loop(program.name, case.listening_port),
    )


def _relay(case: Case, server: Host, listener: Listener) -> Relay | None:
    """The program that listens, where its command line has it pass connections on to this very socket."""
    pids = {process.pid for process in listener.processes or ()}
    known = (server.snapshot.relays if server.snapshot else None) or ()
    ours = (each for each in known if each.pid in pids and each.port == each.to == case.listening_port)
    return next((each for each in ours if _reaches(server, listener, each.address)), None)


def _full_of_itself(case: Case, server: Host, listener: Listener) -> BalancedServer | None:
    """The server of a section of HAProxy's that is that section's own listener, if it takes no more. One that is another section's
    listener may be meant."""
    pids = {process.pid for process in listener.processes or ()}
    known = (server.after.limits if server.after else None) or ()
    full = [each.section for each in known if each.program == "haproxy" and not pids.isdisjoint(each.pids)]
    ours = [each for each in balanced(case, server.snapshot) if each.program == "haproxy" and each.proxy in full]
    return next(
        (each for each in ours if each.address and each.port == case.listening_port and _reaches(server, listener, each.address)), None
    )


def _reaches(server: Host, listener: Listener, address: str) -> bool:
    """Whether a connection of the host's to the address comes to this socket, and to none that has the address alone."""
    others = server.snapshot.listeners_on.get(listener.port, ()) if server.snapshot else ()
    nearer = listener.address != address and any(each.address == address for each in others)
    return (on_loopback(address) or server.owns(address) is True) and takes(listener, address) is not False and not nearer


def _kept(snapshot: Snapshot | None, port: int) -> int:
    """How many sockets on the port are of the host with itself."""
    return next((each.count for each in (snapshot.of_itself if snapshot else None) or () if each.port == port), 0)


def _too_many_for_nginx(server: Host, listener: Listener, began: int, made: int) -> bool:
    """Whether its limit was reached, and it has begun so many for each of the flow's. Each turn takes two connections of it: a loop ends
    after half as many as it may have."""
    pids = {process.pid for process in listener.processes or ()}
    known = (server.after.limits if server.after else None) or ()
    return any(each.program == "nginx" and not pids.isdisjoint(each.pids) and began >= made * each.most / 4 for each in known)
