# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What keeps a server from serving where a host in front of it takes the client's handshakes."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..._model.host import Host
from ..._model.prose import Wording, worded
from ..._model.socket_records import Listener, Process
from ..._model.socket_subjects import Backend
from ..._model.unit_records import BalancedServer, Unit
from ..._values.words import endpoint, plural
from ..case import Case
from ..finding import Certainty
from . import called
from .accepting import stopped_by
from .application import waiting_more
from .backends import Tried, balanced, connects, last_check, named, took_elsewhere
from .serving import Serving
from .unserved import refused, unanswered

_NOT_CONNECTED = "L4CON"  # HAProxy's check_status: connect() failed
_ABOVE_TCP = ("L6", "L7")  # HAProxy's check_status: of TLS, and of what the server says
_OWN = {
    **dict.fromkeys((errno.EADDRNOTAVAIL, errno.EADDRINUSE), "no_ports"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "forbidden"),
    **dict.fromkeys((errno.ENETUNREACH, errno.EHOSTUNREACH), "no_way"),
}
"""What connect() says where the fault is with the host in front itself, or on its way to the server."""
_BY_ICMP = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES)  # what it says of ICMP errors as well (icmp_err_convert)


@dataclass(frozen=True)
class Why:
    """What keeps the server from serving, how sure that is, and where."""

    certainty: Certainty
    reason: Wording
    subject: Process | Backend
    host: str
    explained: bool = False
    """Whether the reason says what the balancer itself cannot know: what the server does with its packets."""

    def __post_init__(self) -> None:
        worded(self, "reason")


def down(
    case: Case, front: Host, behind: Host, said: Sequence[BalancedServer], tried: Mapping[int, Tried], closed: bool, beside: bool
) -> Why | None:
    """The balancer has no name for the server under which it is up. `beside`: the server takes connections of its host on other ports."""
    if not said or any(each.up for each in said):
        return None
    first = said[0]
    above = all((each.check or "").startswith(_ABOVE_TCP) for each in said)
    if any(each.taken for each in tried.values()) and not above:
        return None
    # A failure that nginx logs is one of a server, behind which it tries the next one. HAProxy's state of a server is for all.
    alone = first.program != "nginx" or took_elsewhere(case, front, behind) is False
    refused = first.errno == errno.ECONNREFUSED or (first.errno is None and first.check == _NOT_CONNECTED)
    sure: Certainty = "proven" if closed and alone and not beside and first.client in (None, case.client_address) else "likely"
    if all(each.unresolved for each in said):
        reason = f"{named(first)} has no address there, as its name does not resolve ({first.status})"
        only = all(each.unresolved for each in balanced(case, front.snapshot))  # else they may be for other ports of the balancer
        return Why(sure if only else "likely", reason, Backend("unresolved", 0, name=named(first)), front.name)
    if all(each.set_aside for each in said):
        reason = f"the balancer sends nothing to {named(first)}, which is set aside ({first.status})"
        return Why(sure, reason, Backend("set_aside", first.port or 0, name=named(first)), front.name)
    if all(each.call == "bind" or each.errno in _OWN for each in said):
        return _of_its_own(front, first, sure, first.port in tried)
    if above:
        reason = f"{named(first)} is down for the balancer, whose check of port {first.port} it takes and fails ({last_check(first)})"
        return Why(sure, reason, Backend("fails_check", first.port or 0, name=named(first)), behind.name)
    return Why(
        sure,
        f"{named(first)} is down for the balancer" + (f", which checks port {first.port} ({first.check})" if first.check else ""),
        Backend("closed" if refused else "unserved", first.port or 0),
        behind.name,
    )


def _of_its_own(front: Host, failed: BalancedServer, sure: Certainty, left: bool) -> Why:
    """The server waits for connections that never come: the kernel of the host in front makes none. `left`: SYNs of some were seen, so
    that others may have answered these."""
    end, port, said = named(failed), failed.port or 0, failed.errno or 0
    kind = "no_source" if failed.call == "bind" and said != errno.EADDRINUSE else _OWN[said]
    if left and kind in ("no_way", "forbidden") and said in _BY_ICMP:
        reason = f"SYNs of {failed.program} to {end} leave {front.name}, and connect() says {errno.errorcode[said]}, as of an ICMP error"
        return Why("likely", reason, Backend("no_way", port, failed.address, end), "path")
    match kind:
        case "no_source":
            reason = f"{failed.program} on {front.name} cannot use the source address with which it is to connect to {end}"
            return Why(sure, reason, Backend("no_source", port, name=end), front.name)
        case "no_ports":
            reason = f"{failed.program} on {front.name} finds no free local port towards {end}"
            return Why(sure, reason, Backend("no_ports", port, name=end), front.name)
        case "no_way":
            reason = f"the kernel of {front.name} says {errno.errorcode[said]} to {failed.program}'s connections to {end}"
            return Why(sure, reason, Backend("no_way", port, failed.address, end), front.name)
    reason = f"the kernel of {front.name} forbids {failed.program} to connect to {end}"
    return Why(sure, reason, Backend("forbidden", port, name=end), front.name)


def nobody_where_said(said: Sequence[BalancedServer], tried: Mapping[int, Tried], behind: Host, meant: Serving) -> Why | None:
    """The balancer, which does not check, connects to ports of the server on which nobody listens."""
    ends = [(each.address, each.port) for each in said if each.up and each.check is None and each.address and each.port]
    served = meant.listening != [] or any(each.taken for each in tried.values())
    if not ends or len(ends) < len(said) or served or behind.translates("prerouting") is not False:
        return None
    _address, port = ends[0]
    return Why(
        "likely",
        f"nothing listens on port {port} of {behind.name}, to which {said[0].program} connects",
        Backend("closed", port),
        behind.name,
    )


def stopped(behind: Host, tried: Mapping[int, Tried], meant: Serving) -> Why | None:
    """Whoever listens where the balancer is to be served is stopped, unless the host in front connects to others only."""
    frozen = next(((listener, process) for listener in meant.listening or () for process in _frozen(listener)), None)
    if frozen is None or (tried and frozen[0].port not in tried):
        return None
    listener, process = frozen
    unseen: Certainty = "likely" if behind.delta("Tcp", "PassiveOpens") == 0 else "possible"  # it may be served on another port
    return Why(
        "proven" if tried else unseen,
        f"{process.name} (pid {process.pid}), which listens on port {listener.port} of {behind.name}, is stopped {stopped_by(process)}",
        process,
        behind.name,
    )


def unserved(case: Case, front: Host, behind: Host, tried: Mapping[int, Tried], closed: bool, meant: Serving, beside: bool) -> Why | None:
    """The host in front connects to some port of the server, and that fails. `beside`: as for `down`."""
    port = next((each for each in meant.ports if each in tried), None)
    taken = {each: known.taken for each, known in tried.items() if known.taken}
    if port in taken:
        if ended := _ends(case, behind, port, tried[port], closed):
            return ended
        waiting = waiting_more(behind, port)
        if waiting < taken[port]:  # several servers share them: each gets some of the attempts
            return None
        reason = f"{plural(waiting, 'connection')} more than before wait there for accept()"
        return Why("likely", reason, Backend("not_accepting", port), behind.name)
    if taken and (port is None or len(meant.ports) > 1):
        return None  # it may be there that the flow is served
    # Another port may be what the host in front serves from, or something else that it wants there.
    own, port = port is not None, port or next(iter(tried))
    served_beside = bool(taken) or (beside and not meant.by_word)
    sure: Certainty = "proven" if not served_beside and own and (port == case.port or closed) else "likely"
    answer = tried[port]
    unspecific = Backend("unserved", port)
    if answer.refused and meant.listening == [] and port == case.port:
        return Why(sure, f"nothing listens on port {port} of {behind.name}", Backend("closed", port), behind.name, explained=True)
    if answer.refused:
        because, backend = refused(case, front, behind, port)
        return Why(
            sure, f"{behind.name} refuses its connections to port {port}{because}", backend or unspecific, behind.name, bool(because)
        )
    if answer.astray:
        return None  # it does answer, if not to the host in front
    if answer.arrived and behind.saw_everything:
        because, backend = unanswered(case, front, behind, port)
        reason = f"{behind.name} does not answer its SYNs to port {port}{because}"
        return Why(sure, reason, backend or unspecific, behind.name, bool(because))
    if behind.saw_everything and answer.syns > answer.masked and not (behind.other_ports_lost and port != case.port):
        return Why(sure, f"{front.name}'s SYNs to port {port} do not come to {behind.name}", unspecific, "path")
    return None


def _ends(case: Case, behind: Host, port: int, tried: Tried, closed: bool) -> Why | None:
    """The server resets each connection that it has taken, as programs do that have not read all that was sent."""
    if not closed or tried.refused < tried.taken or tried.taken < sum(probe.connected for probe in case.probes):
        return None
    reason = f"{behind.name} takes its connections to port {port} and resets each of them"
    return Why("likely", reason, Backend("ends", port), behind.name)


def untried(case: Case, front: Host, behind: Host, closed: bool, meant: Serving, unit: Unit | None, nowhere: bool) -> Why | None:
    """No connection of the host in front with the server was seen where it is to serve: in HTTP it makes one for a request only.

    `nowhere`: nor was one on any other port.
    """
    if elsewhere := _elsewhere(case, front, behind):
        return elsewhere
    port = meant.ports[0]
    if meant.listening == [] and behind.delta("Tcp", "PassiveOpens") == 0:
        certainty: Certainty = "proven" if closed and unit else "likely" if closed or unit else "possible"
        nobody = f"nothing listens on port {port} of {behind.name}"
        return Why(certainty, f"{nobody}, and it accepted no connection on any other", Backend("nobody", port), behind.name)
    calls = connects(case, front, behind)
    if calls and front.saw_everything and nowhere:
        reason = f"its balancer called connect() for port {case.port} {plural(calls, 'time')}, and no SYN of it left {front.name}"
        return Why("likely", reason, Backend("unsent", case.port), front.name)
    if closed and behind.saw_everything and not behind.other_ports_lost:
        return Why("likely", f"{behind.name} got no connection from it", Backend("untried", port), behind.name)
    return None


def as_others(case: Case, front: Host, behind: Host) -> Why | None:
    """The program that takes the connections calls the server by a name that is not its own."""
    for source, port in called.unanswered(case, front, behind):
        reason = (
            f"its connections to port {port} have the source {source}, which is not its own: what {behind.name} answers does not "
            f"come back to {front.name}"
        )
        return Why("likely", reason, Backend("masked", port), front.name)
    if lost := called.astray(case, front, behind):
        source, port = lost
        reason = f"its SYNs to port {port} have the source {source}, which is not its own, and do not come to {behind.name}"
        return Why("likely", reason, Backend("masked_lost", port, source), "path")
    return None


def _elsewhere(case: Case, front: Host, behind: Host) -> Why | None:
    """The program that takes the connections calls others than the server for them."""
    for program, address, port in called.others(case, front, behind):
        reason = f"{program} there calls {endpoint(address, port)} for them, in vain, which is no address of {behind.name}"
        return Why("likely", reason, Backend("elsewhere", port, address), front.name)
    return None


def _frozen(listener: Listener) -> Iterator[Process]:
    """The processes of a listener, if none of them can accept."""
    processes = listener.processes or ()
    if processes and all(process.stopped for process in processes):
        yield from processes[:1]
