# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Earlier connections that hang while new ones are made: something on the way has forgotten them while they were idle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..._model.host import Host
from ..._model.network_subjects import Forgetting
from ..._model.socket_records import Socket, Tracked
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..translation import surely_untranslated
from . import earlier
from .catalogue import Cause
from .hooks import FORWARDING, droppers
from .needs import SERVER, needs
from .synproxy import LOOSE
from .traversals import Place, verdict_on

TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_established"
_LONG_MS, _SENT_AGAIN, _SMALL = 30_000, 5, 1000  # of a connection of which no host on the path reports anything


class _Forgotten(NamedTuple):
    via: Host
    connections: list[Socket]
    timeout: int | None
    """Seconds for which it keeps idle connections."""
    outlasted: bool
    """Whether these were idle for longer."""
    known_elsewhere: bool
    """Whether another host on the way knows one of them: they may go by that one."""
    dropped: bool
    """Whether what is sent on them now surely comes there, as all handshakes of this run do, and is dropped."""


def _stalled(case: Case) -> list[Socket]:
    """The client's connections with the server whose segments nobody acknowledges."""
    return [each for each in earlier.at_client(case) if each.retransmits]


@needs(SERVER)
def _stale_nat_idle(case: Case, server: Host) -> Finding | None:
    stalled = _stalled(case)
    if not stalled or any(outcome.kind != "completed" for outcome in case.outcomes):
        return None
    at_server = {earlier.far(each) for each in earlier.at_server(case, server)}
    held = [each for each in stalled if _ends(each) in at_server]
    forgotten = next(_by_vias(case, stalled), None)
    if forgotten is not None:
        return _at_via(case, server, forgotten, held)
    alike = [each for each in held if each.idle_ms >= _LONG_MS and each.retransmits >= _SENT_AGAIN and each.queued <= _SMALL]
    if not alike or not surely_untranslated(case):
        return None
    idle = max(each.idle_ms for each in alike) / 1000
    return Finding(
        "possible",
        "path",
        "path.forward",
        f"{plural(len(alike), 'earlier connection')} of {case.client.name} with {case.target} {'hangs' if len(alike) == 1 else 'hang'}, "
        f"idle for up to {idle:.0f} s before that, while new ones are made: a firewall or NAT on the way may have forgotten what was idle",
        (_hanging(case, alike), _holding(case, server, alike)),
        undecided=("the hosts on the way (via) would show whether their connection tracking still knows them",),
        subject=Forgetting(None, idle),
    )


def _at_via(case: Case, server: Host, found: _Forgotten, held: list[Socket]) -> Finding:
    via, connections, timeout = found.via, found.connections, found.timeout
    idle = max(each.idle_ms for each in connections) / 1000
    lost = found.dropped and not found.known_elsewhere
    at_both = all(each in held for each in connections)
    them = "it" if len(connections) == 1 else "them"
    kept = f" (it forgets idle ones after {timeout} s, {TIMEOUT})" if timeout is not None else ""
    return Finding(
        "proven" if found.outlasted and lost and at_both else "likely",
        via.name,
        "path.forward",
        f"{via.name} has forgotten {plural(len(connections), 'connection')} of {case.client.name} with {case.target}, idle for up to "
        f"{idle:.0f} s{kept}: {f'both ends keep {them}' if at_both else f'{case.client.name} keeps {them}'}, and what {case.client.name} "
        f"sends on {them} now gets lost, while new handshakes pass",
        (
            _hanging(case, connections),
            *([_holding(case, server, held)] if held else []),
            case.saw(via, "conntrack", f"no entry for {plural(len(connections), 'connection')}, and one for the handshakes of this run"),
            *([case.saw(via, f"sysctl {TIMEOUT}", str(timeout))] if timeout is not None else []),
        ),
        detail={"connections": [each.local_port for each in connections], "idle_s": round(idle, 1), "timeout_s": timeout},
        subject=Forgetting(timeout, idle),
    )


def _by_vias(case: Case, stalled: list[Socket]) -> Iterator[_Forgotten]:
    """Hosts on the way that do not know them, and know the handshakes of this run by the same ends."""
    made = {(probe.local_address or "", probe.local_port or 0) for probe in case.probes}
    by_via = [_known(case, via) for via in case.vias]
    for via, known in zip(case.vias, by_via, strict=True):
        forgotten = [each for each in stalled if known.get(_ends(each)) is False]
        drops = _may_drop_unknown(case, via)
        if forgotten and drops is not False and any(known.get(ends) for ends in made):
            timeout = via.sysctl(TIMEOUT)
            outlasted = timeout is not None and all(each.idle_ms >= 1000 * timeout for each in forgotten)
            elsewhere = any(other.get(_ends(each)) for other in by_via for each in forgotten)
            always = all(known.get(ends) is not False for ends in made)  # one of several ways has a part of them
            yield _Forgotten(via, forgotten, timeout, outlasted, elsewhere, always and drops is True)
        if via.translates("prerouting") is not False or via.translates("postrouting") is not False:
            return  # beyond it, the ends may be others


def _known(case: Case, via: Host) -> dict[tuple[str, int], bool]:
    answers = (via.after.tracked if via.after else None) or ()
    return {_ends(each): each.known for each in answers if (each.remote, each.remote_port) == (case.address, case.port)}


def _may_drop_unknown(case: Case, via: Host) -> bool | None:
    """Whether a host drops segments of connections that it does not track. None: perhaps, as it takes them for new ones, or as not all of
    its rules can be evaluated.

    It is asked about what is invalid only where that makes a difference. Where it was asked nothing, nothing speaks for it.
    """
    loose = via.sysctl(LOOSE)
    if loose is None or droppers(via, FORWARDING, case.family) == []:
        return False
    if loose:
        return None
    place = Place(via, "ack", "forward", "path.forward")
    tracked, unknown = verdict_on(case, place), verdict_on(case, place, invalid=True)
    if tracked is not None and (tracked.undecided or tracked.verdict != "accept"):
        return None
    return unknown is not None and unknown.stops


def _ends(each: Socket | Tracked) -> tuple[str, int]:
    return each.local, each.local_port


def _hanging(case: Case, connections: list[Socket]) -> Evidence:
    longest = max(connections, key=lambda each: each.silent_ms)
    return case.saw(
        case.client,
        "inet_diag",
        f"{plural(len(connections), 'connection')} from {'port' if len(connections) == 1 else 'ports'} "
        f"{', '.join(str(each.local_port) for each in connections[:8])}: {longest.queued} bytes sent again {longest.retransmits} times, no "
        f"ACK for {longest.silent_ms / 1000:.0f} s",
    )


def _holding(case: Case, server: Host, connections: list[Socket]) -> Evidence:
    return case.saw(server, "inet_diag", f"{plural(len(connections), 'connection')} of these ESTABLISHED")


CAUSES = (
    Cause(
        "stale_nat_idle",
        "A host on the way has forgotten idle connections",
        ("path.forward",),
        ("completed",),
        "Segments of an earlier connection, which both ends still hold, are sent again and again, while handshakes complete; the "
        "connection tracking of a managed host on the way does not know it, and knows these handshakes; it was idle for longer than that "
        "host keeps what is idle; and the rules there, evaluated, drop what is of no connection that is known. If not for longer, if the "
        "server is not seen to hold it, if another host on the way knows it, or if what is unknown is taken for new there "
        "(nf_conntrack_tcp_loose): likely. If no managed host on the way has forgotten it: possible, after half a minute.",
        "The host on the way knows the connection, or lets through what it does not know; the other end has none.",
        rule=_stale_nat_idle,
    ),
)
