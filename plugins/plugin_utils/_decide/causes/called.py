# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""To whom the program that accepts the flow's connections connects for each of them, without an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..._model.host import Host
from ..._model.program_records import Call
from ..._model.snapshot import Snapshot
from ..._model.unit_records import BalancedServer
from ..._values.words import endpoint, plural
from ..case import Case
from ..finding import Evidence
from .backends import Tried, balanced, in_its_words, masked, tried_with

_Ends = tuple[str, str, int]


def in_vain(case: Case, host: Host) -> list[Call]:
    """The calls of who listens on the flow's port, of which as many more wait for an answer than before as it may have taken connections.

    Fewer may be for those of others, on this port or another one; more are not one for each, such as those of a pool that it opens.
    """
    made = _made(case)
    if not made or got_data(case):
        return []
    rose = _more_waiting(case, host)
    took = _taken(case, host, _takers(case, host.after)) if any(count >= made for count in rose.values()) else None
    if took is None:
        return []
    known = (host.after.calls if host.after else None) or ()
    return [next(each for each in known if _ends(each) == ends) for ends, count in rose.most_common() if made <= count == took]


def _made(case: Case) -> int:
    """How many connections the flow has."""
    return sum(probe.connected for probe in case.probes)


def got_data(case: Case) -> bool:
    """Whether the client got a byte."""
    return any(probe.peer == "data" for probe in case.probes)


def _takers(case: Case, snapshot: Snapshot | None) -> set[int]:
    """The processes that listen on the flow's port."""
    listeners = (snapshot.listeners_on if snapshot else {}).get(case.listening_port, ())
    return {process.pid for each in listeners for process in each.processes or ()}


def _more_waiting(case: Case, host: Host) -> Counter[_Ends]:
    """How many more calls of who listens on the flow's port wait for an answer than before; those of before may have ended meanwhile."""
    rose, before = Counter[_Ends](), _waiting(case, host.before)
    for ends, calls in _waiting(case, host.after).items():
        now, then = (sum(each.count for each in some) for some in (calls, before.get(ends, [])))
        ports, known = ({port for each in some for port in each.local_ports} for some in (calls, before.get(ends, [])))
        rose[ends] = now - (len(ports & known) if len(ports) == now and len(known) == then else then)
    return +rose


def _waiting(case: Case, snapshot: Snapshot | None) -> dict[_Ends, list[Call]]:
    found, pids = dict[_Ends, list[Call]](), _takers(case, snapshot)
    for each in (snapshot.calls if snapshot else None) or ():
        if each.pid in pids:
            found.setdefault(_ends(each), []).append(each)
    return found


def _taken(case: Case, host: Host, pids: set[int]) -> int | None:
    """How many connections processes of the host may have taken meanwhile: all of the host, but for the run's own with other processes.
    None: they were not counted."""
    took = host.delta("Tcp", "PassiveOpens")
    if took is None or host.after is None:
        return None
    others = {
        port
        for port, listeners in host.after.listeners_on.items()
        if all(each.processes and pids.isdisjoint(process.pid for process in each.processes) for each in listeners)
    }
    return took - sum(count for (address, port), count in of_the_run(case).items() if port in others and host.owns(address))


def of_the_run(case: Case) -> Counter[tuple[str, int]]:
    """How many connections the clients of the run made, by where they dialled."""

    def count() -> Counter[tuple[str, int]]:
        probes = (probe for client in case.fleet.hosts.values() for probe in client.probes)
        return Counter((probe.address, probe.port) for probe in probes if probe.connected)

    return case.fleet.once("connections of the run", count)


def _ends(call: Call) -> _Ends:
    return call.source, call.address, call.port


def unanswered(case: Case, front: Host, behind: Host) -> list[tuple[str, int]]:
    """The addresses that a host in front does not have, from which it calls the server for the flow's connections, and the port there, to
    which the server answers: none of these answers comes to that host. It is the flow's port, or the one that is called."""
    made, calls = _made(case), masked(case, front, behind)
    ports = {port for *_others, port in calls}
    port = case.port if case.port in ports or len(ports) != 1 else next(iter(ports))
    calls = {ends: each for ends, each in calls.items() if ends[-1] == port}
    served = got_data(case) or any(each.heard for each in calls.values())
    astray = [source for (source, *_others), each in calls.items() if each.answered]
    # What the server takes otherwise may be the balancer's checks, or serve the flow: not where as many calls as the client's are for it.
    ours = [source for source in astray if source == case.client_address]
    taken = tried_with(case, front, behind).get(port, Tried()).taken
    found = ours if taken else astray
    return [(source, port) for source in dict.fromkeys(found)] if made and len(found) >= made and not served else []


def astray(case: Case, front: Host, behind: Host) -> tuple[str, int] | None:
    """The client's address, from which a host in front calls the server for the flow's connections on its port, and the port: none of these
    calls comes to the server, which would have recorded them."""
    made, source = _made(case), case.client_address
    # The server is asked for handshakes of that address where the inventory has the address dialled for the host in front.
    asked = case.declared.has(front.name, case.address) and any(probe.local_address == source for probe in case.probes)
    if not made or not asked or source is None or not behind.saw_everything or got_data(case):
        return None
    calls = [each for (address, *_others, port), each in masked(case, front, behind).items() if (address, port) == (source, case.port)]
    lost = [each for each in calls if not (each.arrived or each.answered or each.heard)]
    return (source, case.port) if len(lost) >= made and len(lost) == len(calls) else None


def others(case: Case, front: Host, behind: Host) -> Iterator[tuple[str, str, int]]:
    """Programs that take the flow's connections, and where they connect for them in vain, where the server is not."""
    for call in _calls_elsewhere(case, front, behind):
        yield call.program, call.address, call.port
    for each in _failed_elsewhere(case, front, behind):
        if each.address and each.port:
            yield each.program, each.address, each.port


def _calls_elsewhere(case: Case, front: Host, behind: Host) -> list[Call]:
    return [each for each in in_vain(case, front) if behind.owns(each.address) is False]


def _failed_elsewhere(case: Case, front: Host, behind: Host) -> list[BalancedServer]:
    return [each for each in failed(case, front) if each.address and behind.owns(each.address) is False]


def failed(case: Case, front: Host) -> list[BalancedServer]:
    """The servers to which nginx logs that it could not connect for the flow's client."""
    if got_data(case):
        return []
    return [each for each in balanced(case, front.snapshot) if each.client is not None and each.client == case.client_address]


def failed_since(case: Case, server: Host) -> list[tuple[BalancedServer, int]]:
    """The same, and how often it logged that since the handshakes were begun; those of before are left out."""
    began = int(server.before.time) if server.before else 0
    counts = [(each, sum(second >= began for second in each.times)) for each in failed(case, server)]
    return [(each, count) for each, count in counts if count]


def once_each(case: Case, server: Host) -> bool:
    """Whether nginx could not connect for the flow's client as often as this has connections, or still waits for the answer, and the host
    began no more connections than it took: none that serves them. A server that failed may be left out for a while; then others serve."""
    began, took = server.delta("Tcp", "ActiveOpens"), server.delta("Tcp", "PassiveOpens")
    said = failed(case, server)
    if began is None or took is None or not said or server.before is None:
        return False
    made, ours = _made(case), len(server.probes)  # ours: as a client of the run itself
    logged = max(sum(second >= int(server.before.time) for second in each.times) for each in said)
    waiting = sum(_more_waiting(case, server).values())
    return made <= logged + waiting and made <= began - ours <= took


def evidence(case: Case, front: Host, behind: Host | None = None) -> tuple[Evidence, ...]:
    """What is seen of calls in vain; with ``behind``, of those that do not go there."""
    calls = _calls_elsewhere(case, front, behind) if behind else in_vain(case, front)
    said = _failed_elsewhere(case, front, behind) if behind else []
    sources = unanswered(case, front, behind) if behind else []
    return (
        *(_waits(front, each) for each in calls[:1]),
        *(in_its_words(front, each) for each in said[:1]),
        *(Evidence(front.name, "capture", f"SYN from {source} to port {port}, no SYN-ACK in") for source, port in sources[:1]),
        *(Evidence(behind.name, "capture", f"SYN-ACK to {source} out") for source, _port in sources[:1] if behind),
    )


def _waits(host: Host, call: Call) -> Evidence:
    end, many = endpoint(call.address, call.port), plural(call.count, "connection")
    waiting = f"{call.program} (pid {call.pid}) has begun {many} with {end} from {call.source}, which nobody has answered yet"
    return Evidence(host.name, "inet_diag", waiting)
