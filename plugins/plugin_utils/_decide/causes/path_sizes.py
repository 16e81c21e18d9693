# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Handshakes complete, and the full segments that follow are lost silently: the path MTU is lower than either end knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..._model.host import Host
from ..._model.network_records import Link
from ..._model.network_subjects import NarrowPath
from ..._model.probe_records import SizedConnection
from ..._model.socket_records import Socket
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from . import earlier
from .catalogue import Cause
from .hooks import RECEIVING, droppers
from .needs import SERVER, FirstOf, needs

_PROBING = "net.ipv4.tcp_mtu_probing"  # for IPv6 as well
_FIRST = 1  # byte of a connection, in a small packet
_FULL = 1000  # bytes of a connection that hangs: what is smaller passes wherever a handshake does
_SENT_AGAIN, _MANY = 2, 3  # retransmissions of a connection, and connections, that chance does not take all of


class _Limit(NamedTuple):
    """One way: the largest packets that passed, the smallest of those that did not, and on how many connections these did not."""

    passed: int
    lost: int
    connections: int
    certain: bool


def _limit(known: Sequence[SizedConnection], forward: bool) -> _Limit | None:
    """What does not pass is larger than all that does, else it is lost for another reason. Of a connection that carries a part, segments of
    its size pass: the line is slow, or loses some of them."""
    passed = [each.size for each in known if each.size and _passes(each, forward)]
    lost = [each.size for each in known if each.size and _is_lost(each, forward)]
    if not passed or not lost or max(passed) >= min(lost):
        return None
    whole = len(passed) + len(lost) == len(known)
    return _Limit(max(passed), min(lost), len(lost), whole and len(lost) >= _MANY and len(passed) >= _MANY)


def _passes(each: SizedConnection, forward: bool) -> bool:
    return each.acked > _FIRST if forward else each.received > _FIRST


def _is_lost(each: SizedConnection, forward: bool) -> bool:
    """Its first byte came, in a packet of its own, and nothing of what followed, time and again."""
    if forward:
        return each.acked == _FIRST < each.sent and each.retransmits >= _SENT_AGAIN
    return each.received == _FIRST < each.expected


@needs(SERVER)
def _path_mtu_blackhole(case: Case, server: Host) -> Finding | None:
    known = [each for each in case.client.path_sizes if each.address == case.address]
    there, back = _limit(known, forward=True), _limit(known, forward=False)
    limit = there or back
    if limit is None:
        return None
    narrow = next(_narrow(case, limit, forward=there is not None), None)
    ends = (case.client, server) if there else (server, case.client)
    sending = ends if there and back else ends[:1]
    senders = " and from ".join(host.name for host in sending)
    at = f" at {narrow[0].name}, whose {narrow[1].name} has an MTU of {narrow[1].mtu}" if narrow else ""
    return Finding(
        "proven" if limit.certain else "likely",
        narrow[0].name if narrow else "path",
        "path.forward" if there else "path.return",
        f"handshakes pass between {ends[0].name} and {ends[1].name}, and full segments from {senders} are lost{at}: packets of "
        f"{limit.passed} bytes pass, those of {limit.lost} do not, and no ICMP error that says so comes to TCP there, so that connections "
        f"{_effect(sending)} as soon as they carry much",
        (
            *(
                case.saw(
                    case.client,
                    "path sizes",
                    f"{'to' if forward else 'from'} a listener of ours on {server.name}: packets of {each.passed} bytes pass; "
                    f"of {plural(each.connections, 'connection')} with {each.lost} or more the first byte does, and full segments are lost "
                    "each time",
                )
                for forward, each in ((True, there), (False, back))
                if each
            ),
            *([case.saw(narrow[0], "rtnetlink link", f"{narrow[1].name}: mtu {narrow[1].mtu}")] if narrow else []),
        ),
        detail={"passed": limit.passed, "lost": limit.lost, "forward": there is not None, "return": back is not None},
        subject=NarrowPath(
            limit.passed,
            narrow[1].name if narrow else None,
            tuple(host.name for host in sending if droppers(host, RECEIVING, case.family)),
        ),
    )


@needs(SERVER)
def _suspected(case: Case, server: Host) -> Finding | None:
    """Earlier connections that hang with a full segment, which both ends hold, while handshakes pass: nothing was measured so far."""
    if any(outcome.kind != "completed" for outcome in case.outcomes) or any(each.size for each in case.client.path_sizes):
        return None
    ways = ((case.client, server, _hanging(case, server)), (server, case.client, _hanging_at(case, server)))
    found = next(((here, there, hanging) for here, there, hanging in ways if hanging), None)
    if found is None:
        return None
    here, there, hanging = found
    longest = max(hanging, key=lambda each: each.retransmits)
    return Finding(
        "possible",
        "path",
        "path.forward" if here is case.client else "path.return",
        f"handshakes pass between {case.client.name} and {case.target}, but {plural(len(hanging), 'earlier connection')} with full "
        f"segments from {here.name} {'hangs' if len(hanging) == 1 else 'hang'}: the path may drop what is too large, without an ICMP error",
        (
            case.saw(
                here,
                "inet_diag",
                f"{longest.queued} bytes to {there.name}, sent again {longest.retransmits} times, no ACK for "
                f"{longest.silent_ms / 1000:.0f} s",
            ),
            case.saw(there, "inet_diag", f"{plural(len(hanging), 'connection')} of these ESTABLISHED"),
        ),
        undecided=("diagnose_depth=full would measure which sizes of packets pass",),
        subject=NarrowPath(None),
    )


def _hanging(case: Case, server: Host) -> list[Socket]:
    """Those of the client with full segments, but what a host on the way has forgotten."""
    held = {earlier.far(each) for each in earlier.at_server(case, server)}
    lost = {
        (each.local, each.local_port) for via in case.vias for each in (via.after.tracked if via.after else None) or () if not each.known
    }
    mine = [each for each in earlier.at_client(case) if earlier.is_held(each) and _is_full(each)]
    return [each for each in mine if earlier.near(each) in held - lost]


def _hanging_at(case: Case, server: Host) -> list[Socket]:
    """The same of the server's with the client."""
    held = {earlier.near(each) for each in earlier.at_client(case) if earlier.is_held(each)}
    return [each for each in earlier.at_server(case, server) if _is_full(each) and earlier.far(each) in held]


def _is_full(each: Socket) -> bool:
    return each.retransmits > 0 and each.queued >= _FULL


def _effect(sending: Sequence[Host]) -> str:
    probing = all(host.sysctl(_PROBING) for host in sending)
    return f"stall for seconds, until the kernel tries smaller segments ({_PROBING})," if probing else "hang"


def _narrow(case: Case, limit: _Limit, forward: bool) -> Iterator[tuple[Host, Link]]:
    """Managed hosts on the way, each with its link by which the packets would go on that is as narrow."""
    target = case.address if forward else case.client_address
    for via in case.vias:
        route = case.way(via, target, back=not forward) if target else None
        link = via.link(route.interface) if route else None
        if link is not None and link.mtu is not None and limit.passed <= link.mtu < limit.lost:
            yield via, link


CAUSES = (
    Cause(
        "path_mtu_blackhole",
        "Full segments are lost on the way, and no ICMP error says so",
        ("path.forward", "path.return"),
        ("completed",),
        "With diagnose_depth=full: of connections with a listener of ours on the server, all whose packets have some size or less carry "
        "what the ends send, at least three of them, and at least three whose packets are larger carry the first byte alone, however often "
        "the rest is sent again. Of fewer, or where others do not connect: likely. If nothing was measured, and "
        "earlier connections hang with 1000 bytes or more: possible.",
        "Larger packets pass, or the kernel lowers its segments since an ICMP error comes.",
        rule=FirstOf((_path_mtu_blackhole, _suspected)),
        precedes=("application_silent",),
    ),
)
