# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the run's own attempts may have brought about: connections that are taken at first and turned away from some time on."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._host.haproxy import SERVER_MAXCONN

from ..._model.host import Host
from ..._model.program_records import Limit
from ..._model.socket_records import Listener
from ..._model.socket_subjects import Refusal
from ..._model.unit_records import Denials
from ..._values.words import plural
from ..case import Case, is_any
from ..finding import Finding
from ..logged import ours
from .application import waiting_more
from .backends import SAYS, balanced, section_down
from .called import of_the_run
from .catalogue import Accounts, Cause
from .listener_names import process_of
from .loops import calls_itself
from .losses import beside_each_other
from .needs import LISTENER, SERVER, FirstOf, needs

_REFUSED = ("reset", "reset_after", "icmp")
_CHANCE = 0.1


def _turned_away(case: Case) -> Finding | None:
    """All attempts are taken until one of them is not, and from then on none is."""
    ends = zip((probe.started for probe in case.probes), (outcome.completed for outcome in case.outcomes), strict=True)
    taken = [completed for _time, completed in sorted(ends)]
    first = taken.index(False) if False in taken else 0
    if not first or any(taken[first:]) or len(taken) - first < 2:
        return None
    refused = case.outcome.kind in _REFUSED
    host = case.server.name if case.server else "path"
    return Finding(
        "likely" if refused and beside_each_other(taken) <= _CHANCE else "possible",
        host,
        "server.application",
        f"{case.target} takes the first {plural(first, 'connection')} of this run and none of the {len(taken) - first} after "
        f"{'it' if first == 1 else 'them'}: our own attempts may have caused it, where silent connections are counted (max_connect_errors, "
        "PerSourcePenalties, fail2ban, start limits)",
        (case.saw(case.client, "connect()", f"in the order of time: {first} completed, then {len(taken) - first} did not"),),
        detail={"taken": first, "turned_away": len(taken) - first},
        undecided=("the same again after some minutes, with diagnose_attempts=1, would show whether it is their number",),
    )


_REASONS = {
    "max_startups": "more connections are waiting for authentication than its MaxStartups lets in",
    "penalty": "of what came from that address before (PerSourcePenalties)",
    "tcp_wrappers": "TCP wrappers refuse the client (/etc/hosts.allow, /etc/hosts.deny)",
}


@needs(SERVER)
def _service_refuses(case: Case, server: Host) -> Finding | None:
    """The kernel made the connections, and the service that took them ended them, which its own log says."""
    unused = [
        probe for probe in case.probes if probe.connected and (probe.ended or (probe.awaited_ms is not None and probe.peer == "open"))
    ]
    said = [record for record in ours(case, server, "turned_away") if record.state in _REASONS]
    if not said or not unused:
        return None
    listener, why = case.listener(), said[0].state or ""
    return Finding(
        "proven" if len(said) >= len(unused) == len(case.probes) else "likely",
        server.name,
        "server.application",
        f"{process_of(listener) if listener and listener.processes else server.name} takes the connections to {case.target} and turns them "
        f"away, since {_REASONS[why]}",
        (case.saw(case.client, "probe", f"{plural(len(unused), 'connection')} of {len(case.probes)} of no use"), *case.passage()),
        detail={"why": why, "lines": len(said), "unused": len(unused)},
        subject=Refusal(why, said[0].process),
    )


@needs(SERVER, LISTENER)
def _logged(case: Case, server: Host, listener: Listener) -> Finding | None:
    """The program that takes the connections logs for this client's, as often as the flow has some, that its own rules end them."""
    made = [probe for probe in case.probes if probe.connected]
    pids, since = {process.pid for process in listener.processes or ()}, int(server.before.time) if server.before else None
    if not made or since is None or not all(probe.peer in ("closed", "reset") or probe.ended for probe in made):
        return None
    for each in (server.after.turned_away if server.after else None) or ():
        at = each.address is None or is_any(each.address) or each.address == case.listening_end[0]
        ours = at and each.client == case.client_address and each.port == case.listening_port and not pids.isdisjoint(each.pids)
        count = sum(second >= since for second in each.times)
        if ours and count >= len(made):
            why = f"its limit of connections (limit_conn {each.zone})" if each.zone else "its rules (allow, deny)"
            return Finding(
                "proven" if len(made) == len(case.probes) and each.address else "likely",
                server.name,
                "server.application",
                f"{process_of(listener)} takes the connections to {case.target} and ends them by {why}, as it logs for {each.client}",
                (
                    case.saw(server, SAYS[each.program], f"{plural(count, 'line')} about {each.client}: ended by {why}"),
                    case.saw(case.client, "probe", f"{plural(len(made), 'connection')} of {len(case.probes)} of no use"),
                    *case.passage(),
                ),
                detail={"module": each.module, "zone": each.zone, "lines": count},
                subject=Refusal(f"{each.program}_{each.module}", each.zone),
            )
    return None


@needs(SERVER, LISTENER)
def _limit_reached(case: Case, server: Host, listener: Listener) -> Finding | None:
    """The program that takes the connections has as many as it may, and none of the flow's is of use: it ends them, or leaves them
    waiting."""
    made = [probe for probe in case.probes if probe.connected]
    waiting = waiting_more(server, case.listening_port) >= len(made)
    if not made or not all(probe.peer == "closed" or probe.ended or (waiting and probe.peer == "open") for probe in made):
        return None
    if calls_itself(case):
        return None  # however high the limit is, the program reaches it by itself
    pids = {process.pid for process in listener.processes or ()}
    found = next((each for each in (server.after.limits if server.after else None) or () if _reached(case, server, each, pids)), None)
    if found is None:
        return None
    of = f" of {found.section}" if found.section else ""
    place = f" ({found.file} line {found.line})" if found.file else ""
    does = "leaves the connections in its accept queue" if waiting else "takes the connections and ends them at once"
    many = (
        f"{plural(found.used, 'connection')} of {found.most}" if found.used is not None else f"{plural(len(found.times), 'line')} about it"
    )
    return Finding(
        "likely",
        server.name,
        "server.application",
        f"{process_of(listener)} {does}: its {found.setting}{of}, {found.most}, is reached{place}",
        (
            case.saw(server, SAYS.get(found.program, "inet_diag"), f"{found.setting}{of}: {many}"),
            case.saw(case.client, "probe", f"{plural(len(made), 'connection')} of {len(case.probes)} of no use"),
            *case.passage(),
        ),
        detail={"setting": found.setting, "most": found.most, "used": found.used},
        subject=found,
    )


@needs(SERVER, LISTENER)
def _queued(case: Case, server: Host, listener: Listener) -> Finding | None:
    """HAProxy takes the connections, and has them wait in a queue of its own until a server has room, or for its timeout queue."""
    made = [probe for probe in case.probes if probe.connected]
    pids = {process.pid for process in listener.processes or ()}
    known = (server.after.limits if server.after else None) or ()
    full = [each for each in known if each.setting == SERVER_MAXCONN and not pids.isdisjoint(each.pids)]
    # Whom nobody has to greet may be served, too: nothing shows that it waits.
    if (
        not made
        or not full
        or not all(probe.ended or (probe.awaited_ms is not None and probe.peer in ("open", "closed")) for probe in made)
    ):
        return None
    found, one = full[0], len(full) == 1
    return Finding(
        "likely" if one else "possible",
        server.name,
        "server.application",
        f"{process_of(listener)} takes the connections and leaves them in its own queue: its server {found.section} has as many as its "
        f"maxconn, {found.most}, lets it",
        (
            case.saw(server, SAYS[found.program], f"{found.section}: {plural(found.used or 0, 'connection')} of {found.most}"),
            case.saw(case.client, "probe", f"{plural(len(made), 'connection')} of {len(case.probes)} without a byte"),
            *case.passage(),
        ),
        detail={"setting": found.setting, "section": found.section, "most": found.most, "used": found.used},
        subject=found,
        undecided=() if one else ("several servers are full: which one is for this port, the configuration of HAProxy shows",),
    )


@needs(SERVER, LISTENER)
def _denied(case: Case, server: Host, listener: Listener) -> Finding | None:
    """HAProxy, which takes the connections, has turned away as many by its own rules meanwhile as the flow has, or more. These may be
    others' alone, unless it has turned away all that came to it."""
    made = [probe for probe in case.probes if probe.connected]
    if not made or not all(probe.peer in ("closed", "reset") or probe.ended for probe in made):
        return None
    sections = _denied_meanwhile(server, {process.pid for process in listener.processes or ()})
    enough = [each for each in sections if each.count >= len(made)]
    if len(enough) != 1:
        return None  # of several, it is not known which one is for the flow's port
    (denying,) = enough
    tried, came = of_the_run(case)[case.address, case.port], denying.connections
    others = [each.connections for each in sections if each is not denying]
    alone = came == denying.count >= tried and all(count == 0 for count in others)
    # Which of the sections is for the port is not known, and those that are turned away may all be others'.
    elsewhere = any(count is not None and count >= len(made) for count in others) or section_down(balanced(case, server.snapshot))
    of = f" of {plural(came, 'connection')}" if came is not None else ""
    counted = f"{denying.section}: {denying.count} more{of} denied by its rules, {plural(tried, 'connection')} of this run"
    return Finding(
        "proven" if alone and len(made) == len(case.probes) else "possible" if elsewhere else "likely",
        server.name,
        "server.application",
        f"{process_of(listener)} takes the connections to {case.target} and turns them away by rules of its own "
        f"(section {denying.section})",
        (
            case.saw(server, SAYS["haproxy"], counted),
            case.saw(case.client, "probe", f"{plural(len(made), 'connection')} of {len(case.probes)} of no use"),
            *case.passage(),
        ),
        detail={"section": denying.section, "denied": denying.count, "made": tried},
        subject=Refusal("denied", denying.section),
    )


def _denied_meanwhile(server: Host, pids: set[int]) -> list[Denials]:
    """Of each section of a HAProxy, what has been added between the snapshots."""
    before, after = ((snapshot.denials if snapshot else None) or () for snapshot in (server.before, server.after))
    known = {(each.section, each.pids): each for each in before}
    found = []
    for each in after:
        then = known.get((each.section, each.pids))
        if then is None or pids.isdisjoint(each.pids):
            continue
        came = each.connections - then.connections if each.connections is not None and then.connections is not None else None
        found.append(Denials(each.pids, each.section, each.count - then.count, came))
    return found


def _reached(case: Case, server: Host, limit: Limit, pids: set[int]) -> bool:
    """Whether it is one of the listener's program for its clients, not for a server behind it, and of this time."""
    ours = limit.port in (None, case.listening_port) and not pids.isdisjoint(limit.pids) and limit.setting != SERVER_MAXCONN
    since = int(server.before.time) if server.before else None
    return ours and (limit.used is not None or (since is not None and any(second >= since for second in limit.times)))


CAUSES = (
    Cause(
        "service_refuses",
        "The service turns the client away",
        ("server.application",),
        ("completed", "reset_after"),
        "The journal has a line of the very service for each connection of the flow: by both ends, that sshd drops it (MaxStartups, "
        "PerSourcePenalties), or by the client's address, that TCP wrappers refuse it; and no connection is of use. For some: likely. "
        "Likewise, where nginx logs for each connection, by the client's address and the server block's, that its rules or its limit_conn "
        "end it. "
        "Likely, too, where none is of use and the program has as many connections as it may, by its own file and its connections (redis: "
        "maxclients), its statistics (HAProxy: maxconn) or its log (nginx: worker_connections). Or HAProxy, "
        "by its own counts, turns away by its rules all connections that come to it meanwhile; of more, as many as the flow has: likely, "
        "or possible where others of its sections have taken as many, or a section has no server that is up. Or no server of one of its "
        "sections has room by its own maxconn, and the server, which speaks first, says nothing: likely, or possible where that is so of "
        "several sections.",
        "A connection is of use.",
        rule=FirstOf((_service_refuses, _limit_reached, _logged, _denied, _queued)),
        precedes=("application_hangs_up", "application_silent", "application_closes", "load_balancer_no_backend", "proxy_no_backend"),
        accounts_for=(Accounts("closed_unused", any_leg=True),),
    ),
    Cause(
        "turned_away",
        "Connections are turned away after the first ones, perhaps for our own attempts",
        ("server.application",),
        ("reset", "reset_after", "icmp", "unanswered", "lost_syn", "lost_syn_ack", "ignored_ack", "silent"),
        "Not provable: the first attempts complete, and none of the later ones does. Likely where they are refused, and chance has it so "
        "one time in ten at most.",
        "An attempt completes after one that does not.",
        rule=_turned_away,
        precedes=("application_closes",),
    ),
)
