# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts in front of the server, such as load balancers, that take the client's handshakes themselves: what becomes of the server's part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.threeway.handshake.plugins.plugin_utils._case import Case, Certainty, Finding, Fix, plural
from ansible_collections.threeway.handshake.plugins.plugin_utils._causes._catalogue import Cause
from ansible_collections.threeway.handshake.plugins.plugin_utils._causes._socket import stopped_unit
from ansible_collections.threeway.handshake.plugins.plugin_utils._evidence import Host, Listener, Process, Sighting
from ansible_collections.threeway.handshake.plugins.plugin_utils._fixes._make import advice, shell
from ansible_collections.threeway.handshake.plugins.plugin_utils._fixes._service import started

_STOPPED = ("T", "t")


@dataclass(frozen=True)
class Tried:
    """The handshakes of the host in front with the server, of both recordings, and how the server answered."""

    syns: int = 0
    taken: int = 0
    refused: int = 0


def _no_backend(case: Case) -> Finding | None:
    """The handshake ends in front of the server, and the server takes no connection."""
    front, behind = case.server, case.behind
    if front is None or behind is None or case.listener() is None:
        return None  # it does not take connections at this port: it translates
    tried, closed = tried_with(case, front, behind), _closed(case)
    known = behind.snapshot.listeners if behind.snapshot else None
    listening = None if known is None else [listener for listener in known if listener.port == case.port]
    frozen = next(((listener, process) for listener in listening or () for process in _frozen(listener)), None)
    unit = stopped_unit(behind, case.port) if listening == [] else None
    why = _why(case, behind, tried, closed, listening, frozen, unit is not None)
    if why is None:
        return None
    certainty, reason = why
    named = f" ({process})" if (process := taker(case)) else ""
    return Finding(
        certainty,
        behind.name,
        "server.application",
        f"the handshake ends at {front.name}{named}, in front of {behind.name}, which does not serve it: {reason}"
        + (f" ({unit.unit} is {unit.active})" if unit else ""),
        (
            case.saw(front, "inet_diag", f"{front.name} has {case.address} and listens on port {case.port}{named}"),
            *([case.saw(case.client, "probe", "connected, and closed by the other side at once")] if closed else []),
            case.saw(behind, "capture", _counted(front, tried)),
            *([case.saw(behind, "systemd", f"{unit.unit} (known by {unit.how}): {unit.active}/{unit.sub}")] if unit else []),
            *(case.saw(behind, "journal", line) for line in (unit.log[-3:] if unit else ())),
            *case.passage(),
        ),
        detail={"front": front.name, "syns": tried.syns, "taken": tried.taken, "refused": tried.refused},
        undecided=() if certainty == "proven" else (f"a flow from {front.name} to {behind.name} and the port that it uses would tell",),
        fix=_fix(case, behind, frozen, unit),
    )


def _why(
    case: Case,
    behind: Host,
    tried: Tried,
    closed: bool,
    listening: list[Listener] | None,
    frozen: tuple[Listener, Process] | None,
    stopped: bool,
) -> tuple[Certainty, str] | None:
    """How sure it is that the server takes no connection, and why."""
    nobody = f"nothing listens on port {case.port} of {behind.name}"
    if frozen:
        listener, process = frozen
        return "proven", f"{process.name} (pid {process.pid}), which listens on port {listener.port} of {behind.name}, is stopped"
    waiting = _waiting(behind, case.port)
    if tried.taken:
        unserved = waiting >= len(case.attempts) and waiting >= min(tried.taken, len(case.attempts))
        return ("likely", f"{plural(waiting, 'connection')} more than before wait there for accept()") if unserved else None
    if tried.refused:
        return "proven", nobody if listening == [] else f"{behind.name} refuses its connections"
    if tried.syns and behind.saw_everything:
        return "proven", f"{behind.name} does not answer its SYNs"
    if listening == [] and (closed or stopped) and behind.delta("Tcp", "PassiveOpens") == 0:
        return "proven" if closed and stopped else "likely", nobody
    return ("likely", f"{behind.name} got no connection from it") if closed and behind.saw_everything else None


def _fix(case: Case, behind: Host, frozen: tuple[Listener, Process] | None, unit: object) -> Fix:
    stopped = stopped_unit(behind, case.port) if unit else None
    if stopped:
        return started(behind, stopped)
    if frozen:
        process = frozen[1]
        commands = [shell("kill", "-CONT", process.pid)]
        return advice("application", behind.name, f"let {process.name} (pid {process.pid}) on {behind.name} go on, or restart it", commands)
    return advice("service", behind.name, f"start the service on {behind.name} to which {case.server.name if case.server else ''} connects")


def _frozen(listener: Listener) -> Iterator[Process]:
    """The processes of a listener, if none of them can accept."""
    processes = listener.processes or ()
    if processes and all(process.state in _STOPPED for process in processes):
        yield from processes[:1]


def _waiting(behind: Host, port: int) -> int:
    """How many more connections wait for accept() at the server than before."""
    queued = [
        sum(listener.recv_q for listener in (snapshot.listeners if snapshot else None) or () if listener.port == port)
        for snapshot in (behind.before, behind.after)
    ]
    return queued[1] - queued[0]


def _closed(case: Case) -> bool:
    """Whether the connections were ended at once, each of them."""
    return bool(case.probes) and all(probe.connected and probe.peer in ("closed", "reset") for probe in case.probes)


def tried_with(case: Case, front: Host, behind: Host) -> Tried:
    """Counted where they are seen best: the host that saw more."""

    def counted() -> Tried:
        return max((_tried(host, front, behind) for host in (behind, front)), key=lambda tried: (tried.taken, tried.syns))

    return case.fleet.once(("tried", front.name, behind.name), counted)


def _tried(at: Host, front: Host, behind: Host) -> Tried:
    syns = taken = refused = 0
    for seen in at.sightings or ():
        tcp = seen.packet.tcp
        if tcp is None or not (tcp.is_syn or tcp.is_syn_ack or tcp.is_rst):
            continue
        if tcp.is_syn:
            syns += _between(seen, front, behind)
        elif _between(seen, behind, front):
            taken, refused = taken + tcp.is_syn_ack, refused + tcp.is_rst
    return Tried(syns, taken, refused)


def _between(seen: Sighting, sender: Host, receiver: Host) -> bool:
    return sender.owns(seen.packet.src) is True and receiver.owns(seen.packet.dst) is True


def _counted(front: Host, tried: Tried) -> str:
    answers = f", {tried.taken} taken, {tried.refused} refused" if tried.syns else ""
    return f"{plural(tried.syns, 'SYN')} of {front.name}'s own{answers}"


def taker(case: Case) -> str | None:
    """The process that takes the handshakes, where it is known."""
    listener = case.listener()
    processes = (listener.processes if listener else None) or ()
    return f"{processes[0].name}, pid {processes[0].pid}" if processes else None


def told_of(case: Case) -> str | None:
    """That the handshakes end in front of the server, and what is seen of its part."""
    front, behind = case.server, case.behind
    if front is None or behind is None or case.listener() is None:
        return None
    tried, named = tried_with(case, front, behind), taker(case)
    what = _counted(front, tried) if tried.syns else f"no connection of {front.name}'s own was seen there"
    return f"{behind.name}: its part of the handshakes: they end at {front.name}" + (f" ({named})" if named else "") + f"; {what}"


CAUSES = (
    Cause(
        "load_balancer_no_backend",
        "The handshake ends in front of the server, which does not serve it",
        ("server.application",),
        ("completed", "reset_after", "late"),
        "A host on the way that has the address dialled, and listens there, takes the handshake; the server refuses or does not answer the "
        "connections that this host makes to it, or whoever listens there is stopped, or nothing listens on the flow's port, the unit that "
        "should is stopped, and the host in front closes at once. Some of the latter alone: likely.",
        "The server takes a connection from the host in front.",
        _no_backend,
        explains=("application_closes",),
    ),
)
