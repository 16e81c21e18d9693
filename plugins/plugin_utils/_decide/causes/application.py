# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.application: connections that are established and of no use, because the application says nothing, or closes without a word."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._host.ports import KEEPERS

from ..._model.host import Host
from ..._model.probe_records import Probe
from ..._model.socket_records import Listener
from ..._model.socket_subjects import Asking, FullUnit, HangsUp, Kept
from ..._model.unit_records import Relative, Unit
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..timeline import Attempt
from . import socket_units, wrapped
from .accepting import stopped_by
from .catalogue import Accounts, Cause
from .inside import in_namespace
from .listener_names import describe, process_of
from .needs import LISTENER, SERVER, needs
from .some_closed import closes_some
from .units import last_words, of_port
from .unpublished import unpublished

# Of these, by the name of the process, the client has the next word, or the first one, in the protocol.
_DIALOGUES = (
    *("sshd", "sshd-session", "dropbear", "redis-server", "valkey-server", "mysqld", "mariadbd", "postgres"),
    *("vsftpd", "proftpd", "exim4", "dovecot"),
)
_SYSTEMD = 1


def _application_silent(case: Case) -> Finding | None:
    """The kernel completes handshakes on its own: where the server speaks first, its first byte is the application's."""
    if idle := _stopped(case) or _unaccepted(case):
        return idle
    awaited = _awaited(case)
    silent = [probe for probe in awaited if probe.peer == "open"]
    if not silent:
        return None
    waited = max(((probe.awaited_ms or 0.0) - (probe.elapsed_ms or 0.0) for probe in silent), default=0.0) / 1000
    listener = case.listener()
    waiting = listener is not None and listener.recv_q > 0
    host = case.server.name if case.server else "path"
    asking = _asking(case)
    some = "" if len(silent) == len(awaited) else f" ({len(silent)} of {plural(len(awaited), 'connection')})"
    return Finding(
        "likely",
        host,
        "server.application",
        f"the handshake with {case.target} completes, but the server, which speaks first there, says nothing within {waited:.1f} s{some}"
        + (f": {process_of(listener)} {'does not accept' if waiting else 'listens there'}" if listener and listener.processes else "")
        + (f"; it waits for the answer of nameserver {', '.join(asking)}" if asking else ""),
        (
            *(case.saw(case.server, "/proc/net/udp", f"{each}: {who}") for each, who in asking.items() if case.server),
            case.saw(case.client, "probe", f"no byte within {waited:.1f} s of the handshake, {plural(len(silent), 'attempt')}"),
            *_accept_queue(case),
        ),
        detail={"waited_s": round(waited, 3), "silent": len(silent), "awaited": len(awaited), "asking": list(asking)},
        subject=Asking(tuple(asking), listener.processes[0].name) if asking and listener and listener.processes else None,
        undecided=("the application's log, and a longer wait by hand, would show whether it is stuck or greets late on purpose",),
    )


def _asking(case: Case) -> dict[str, str]:
    """The nameservers that who listens on the flow's port asks, and who that is: many servers look up a client's name before they greet.

    Some have a socket for their nameserver all the time, whether it answers or not.
    """
    before, after = (case.server.before, case.server.after) if case.server else (None, None)
    if before is None or before.lookups is None or after is None:
        return {}
    pids = {process.pid for listener in case.listeners_on_port() or () for process in listener.processes or ()}
    known = {(each.pid, each.nameserver): each.count for each in before.lookups}
    return {
        each.nameserver: f"{plural(each.count, 'socket')} of {each.program} (pid {each.pid}) or what it started"
        for each in after.lookups or ()
        if each.pid in pids and each.count > known.get((each.pid, each.nameserver), 0)
    }


@needs(SERVER, LISTENER)
def _stopped(case: Case, server: Host, listener: Listener) -> Finding | None:
    """Whoever speaks first: processes that are stopped or frozen accept nothing, and the kernel makes connections for them all the same."""
    processes = listener.processes or ()
    if not processes or not listener.recv_q or any(probe.peer != "open" for probe in case.probes if probe.connected):
        return None
    frozen = all(process.frozen for process in processes)
    if not frozen and not all(process.stopped for process in processes):
        return None
    process = processes[0]
    why = "its control group is frozen" if frozen else f"stopped {stopped_by(process)}"
    return Finding(
        "proven",
        server.name,
        "server.application",
        f"the handshake with {case.target} completes, but nobody accepts the connection: {process_of(listener)}, which listens there, "
        + ("is frozen with its control group" if frozen else f"is stopped {stopped_by(process)}"),
        (
            case.saw(server, "/proc", f"{process.name} (pid {process.pid}): state {process.state}, {why}"),
            *_accept_queue(case),
        ),
        detail={"pid": process.pid, "state": process.state},
        subject=process,
    )


@needs(SERVER, LISTENER)
def _unaccepted(case: Case, server: Host, listener: Listener) -> Finding | None:
    """Whoever speaks first: when the hosts were looked at again, none of the connections had been taken out of the accept queue."""
    made = [probe for probe in case.probes if probe.connected]
    waiting = waiting_more(server, case.listening_port)
    if not made or waiting < len(made) or any(probe.peer != "open" for probe in made):
        return None
    asleep = _to_be_started(server, listener, case.listening_port)
    if kept := _kept_for(case, server, listener):
        return kept
    return Finding(
        "likely",
        server.name,
        "server.application",
        f"the handshake with {case.target} completes, but nobody accepts the connection: "
        + (
            f"systemd listens there for {asleep[0].unit}, and {asleep[1].unit}, which it starts, is {asleep[1].active}"
            if asleep
            else f"{process_of(listener)} listens there, and leaves {plural(waiting, 'connection')} more than before in its accept queue"
        ),
        (
            *_accept_queue(case),
            *([case.saw(server, "systemd", f"{asleep[1].unit}, which {asleep[0].unit} starts: {asleep[1].active}")] if asleep else ()),
            *(last_words(server, asleep[0]) if asleep else ()),
            case.saw(case.client, "probe", f"no byte and no FIN, {plural(len(made), 'attempt')}"),
        ),
        detail={"waiting": waiting, "unit": asleep[1].unit if asleep else None},
        undecided=("the same again would show whether it is only slow to accept",),
        subject=asleep[1] if asleep else (listener.processes or (None,))[0],
    )


def _kept_for(case: Case, server: Host, listener: Listener) -> Finding | None:
    """Podman keeps the host's port by a socket that nobody accepts on: its rules are to lead connections to the container ahead of it."""
    process = next(iter(listener.processes or ()), None)
    inside = unpublished(case, server)
    if process is None or process.name not in KEEPERS or not inside:
        return None
    others = " and ".join(map(in_namespace, inside[:3]))
    return Finding(
        "likely",
        server.name,
        "server.application",
        f"the handshake with {case.target} completes, but nobody accepts the connection: {process_of(listener)} only keeps the port for a "
        f"container, and no rule of {server.name} leads the port on; {others}",
        (*_accept_queue(case), case.saw(server, "inet_diag", others)),
        detail={"pid": process.pid, "container": inside[0].container},
        undecided=("the container's own list of ports (podman port) would show which one is meant",),
        subject=Kept(process, inside[0].container),
    )


def _to_be_started(server: Host, listener: Listener, port: int) -> tuple[Unit, Relative] | None:
    """The socket unit that listens, and the service that systemd is to start for it, where nobody but systemd holds the socket."""
    if [process.pid for process in listener.processes or ()] != [_SYSTEMD]:
        return None
    tied = ((unit, each) for unit in of_port(server, port) for each in unit.relatives if each.tie == "triggers")
    return next(((unit, each) for unit, each in tied if each.active != "active"), None)


def waiting_more(server: Host, port: int) -> int:
    """How many more connections to a port wait for accept() than before the attempts."""
    before, after = (
        sum(listener.recv_q for listener in (snapshot.listeners if snapshot else None) or () if listener.port == port)
        for snapshot in (server.before, server.after)
    )
    return after - before


def _accept_queue(case: Case) -> tuple[Evidence, ...]:
    listener = case.listener()
    if case.server is None or listener is None or not listener.recv_q:
        return ()
    return (case.saw(case.server, "inet_diag", f"{describe(listener)}: {plural(listener.recv_q, 'connection')} not accepted"),)


def _closes_unheard(case: Case) -> Finding | None:
    """A server that closes before the client could say anything turns it away, or has nobody behind it."""
    made = [probe for probe in case.probes if probe.connected]
    closed = [probe for probe in made if probe.peer == "closed"]
    if not closed:
        return _closes_after_a_word(case)
    if len(closed) < len(made):
        return closes_some(case, len(made), len(closed))
    greets, listener = bool(_awaited(case)), case.listener()
    host = case.server.name if case.server else "path"
    rule = wrapped.refused_by(case, case.server) if case.server else None
    limit = socket_units.turning_away(case.server, listener) if case.server and listener and not rule else None
    by = None if rule or limit or case.server is None or listener is None else socket_units.by_instances(case.server, listener)
    return Finding(
        "likely",
        host,
        "server.application",
        f"the handshake with {case.target} completes, then the server closes the connection at once, without a byte"
        + (", although it speaks first there" if greets else "")
        + (f": {process_of(listener)} listens there" if listener and listener.processes else "")
        + (f", and TCP wrappers, which it asks, refuse {case.client_address} by line {rule.line} of {rule.file}" if rule else "")
        + (f" for {by.unit}, and starts an instance of {by.instances} for each connection" if by else "")
        + (f" for {limit.unit.unit}, which takes at most {_limited(limit)} at once ({limit.setting}=)" if limit else ""),
        (
            *(socket_units.shown(case.server, limit.unit) if case.server and limit else ()),
            *(socket_units.last_words(case.server, by) if case.server and by else ()),
            case.saw(case.client, "probe", f"closed without a byte, {plural(len(closed), 'attempt')}"),
            *([Evidence(host, rule.file, f"line {rule.line}: {' '.join(rule.daemons)}: {' '.join(rule.clients)}")] if rule else []),
            *case.passage(),
        ),
        undecided=() if rule or limit else ("the application's log would show why",),
        subject=rule or by or _of_listener(listener, False, limit),
    )


def _closes_after_a_word(case: Case) -> Finding | None:
    """What it says may be why it takes nobody in, or all that it has to say: a remark, where no dialogue is known to be meant."""
    made = [attempt for attempt in case.attempts if attempt.probe.connected]
    if not made or not all(attempt.probe.peer == "data" and (attempt.probe.ended or _server_ends_first(case, attempt)) for attempt in made):
        return None
    listener, host = case.listener(), case.server.name if case.server else "path"
    process = next(iter((listener.processes if listener else None) or ()), None)
    return Finding(
        "likely",
        host,
        "server.application",
        f"the handshake with {case.target} completes, then the server says something and closes the connection at once, although the "
        "client has said nothing" + (f": {process_of(listener)} listens there" if listener and listener.processes else ""),
        (case.saw(case.client, "probe", f"a byte came, and then the server's FIN, {plural(len(made), 'attempt')}"), *case.passage()),
        undecided=(f"what it says (nc {case.address} {case.port}), and the application's log, would show why",),
        subject=_of_listener(listener, True),
        remark=process is None or process.name not in _DIALOGUES,
    )


def _limited(limit: FullUnit) -> str:
    return plural(limit.most, "connection") + (" of one client" if limit.setting == "MaxConnectionsPerSource" else "")


def _of_listener(listener: Listener | None, said: bool, limit: FullUnit | None = None) -> HangsUp | None:
    return HangsUp(listener.processes[0], said, limit) if listener and listener.processes else None


def _server_ends_first(case: Case, attempt: Attempt) -> bool:
    """Whether the client had the server's FIN before it sent its own."""
    there = [seen for row in attempt.of("fin", "server") if (seen := row.at(case.client.name, "in"))]
    own = [seen for row in attempt.of("fin", "client") if (seen := row.at(case.client.name, "out"))]
    return bool(there) and all(there[0].time < seen.time for seen in own)


def _awaited(case: Case) -> list[Probe]:
    return [probe for probe in case.probes if probe.connected and probe.awaited_ms is not None]


CAUSES = (
    Cause(
        "application_silent",
        "Nobody accepts the connection, or the application says nothing where it should speak first",
        ("server.application",),
        ("completed",),
        "All processes that hold the listening socket are stopped (by a signal or a debugger), and connections wait in its accept queue. "
        "Else not provable from outside the application, and likely: more connections wait there than before, by as many as were made, or "
        "the first byte does not come within two seconds, on a port whose servers speak first, or where the flow says so.",
        "A byte comes.",
        rule=_application_silent,
    ),
    Cause(
        "application_hangs_up",
        "The application closes the connection at once",
        ("server.application",),
        ("completed",),
        "Not provable from outside the application: the handshake completes, and a FIN follows at once, on some of the connections at "
        "least. Where the server says something and closes, it is a remark, unless its protocol has the client speak next.",
        "All connections stay open, or the client closes them.",
        rule=_closes_unheard,
        accounts_for=(Accounts("closed_unused", any_leg=True),),
    ),
)
