# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.socket: a listener that is there and does not take the SYN: keys, a minimum TTL, a filter; and what TCP itself discards."""

from __future__ import annotations

import contextlib
import ipaddress

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet

from ..._model.host import Host
from ..._model.socket_records import Listener, Socket
from ..._model.socket_subjects import SocketOwner
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..kernel_word import dropped
from .catalogue import Accounts, Cause
from .listener_names import describe, process_of
from .needs import LISTENER, SERVER, SYN, needs, risen

_AO = ("TCPAORequired", "TCPAOKeyNotFound", "TCPAOBad")


@needs(SERVER, SYN, LISTENER)
def _tcp_md5_mismatch(case: Case, server: Host, syn: Packet, listener: Listener) -> Finding | None:
    """RFC 2385: a listener with a key for the client drops unsigned SYNs, one without a key drops signed ones, silently."""
    if syn.tcp is None:
        return None
    signed = syn.tcp.options.md5 is not None
    keyed = None if listener.md5 is None else covers(listener.md5, syn.src)
    session = None if signed else _session(case)
    names = ("TCPMD5NotFound",) if not signed else ("TCPMD5Failure",) if keyed else ("TCPMD5Unexpected", "TCPMD5Failure")
    name, delta = max(((name, server.delta("TcpExt", name) or 0) for name in names), key=lambda item: item[1])
    if not delta or (keyed is False and not signed):
        return None
    wrong = {
        "TCPMD5NotFound": "is not signed, but the listener demands it",
        "TCPMD5Unexpected": "is signed, but the listener has no key",
        "TCPMD5Failure": "is signed with another key",
    }
    if session:
        return _up(case, server, session, name, delta)
    said = _in_kernels_words(case, server, name)
    return Finding(
        "likely" if said or (delta >= case.swallowed_at(server) and keyed is not None) else "possible",
        server.name,
        "server.socket",
        f"the SYN {wrong[name]}: {server.name} drops it (TCP-MD5, RFC 2385)",
        (
            *case.passage(),
            case.saw(server, f"counter {name}", f"+{delta}, {plural(case.arrived, 'SYN')} of this flow came in"),
            case.saw(server, "capture", f"the SYN has {'an' if signed else 'no'} MD5 option"),
            *said,
            *([case.saw(server, "inet_diag", f"the listener has MD5 keys for {', '.join(listener.md5)}")] if listener.md5 else []),
        ),
        against=() if signed else (case.saw(case.client, "probe", "the probe never signs; an application that does is not hit by this"),),
        undecided=() if signed else (f"a connection of the application itself would show it: no probe can sign for it ({_SESSIONS})",),
    )


def _in_kernels_words(case: Case, server: Host, counter: str) -> list[Evidence]:
    """That the kernel dropped packets of this very flow for what the counter counts: each has a drop reason of its name."""
    reason = f"TCP_{counter[len('TCP') :].upper()}"
    return [seen.evidence() for seen in dropped(case) if seen.exact and seen.host is server and seen.drop_reason == reason]


_SESSIONS = "ss -tn state established"


@needs(SERVER)
def signed_session(case: Case, server: Host) -> Socket | None:
    """The connection that these two hosts have on the port, where the server turns away what is not signed: the probe cannot sign."""
    refused = case.outcome.kind == "unanswered" and any(server.delta("TcpExt", name) for name in ("TCPMD5NotFound", *_AO))
    return _session(case) if refused else None


@needs(SERVER, SYN)
def _session(case: Case, server: Host, syn: Packet) -> Socket | None:
    """A connection between the two hosts on the flow's port that was established before the attempts, whoever of them dialled it."""
    for each in (server.before.sockets if server.before else None) or ():
        if each.state == "ESTABLISHED" and each.remote == syn.src and case.listening_port in (each.local_port, each.remote_port):
            return each
    return None


def _up(case: Case, server: Host, session: Socket, counter: str, delta: int) -> Finding:
    """The peers' own connection is established: that the unsigned SYN of the probe is dropped is as it should be."""
    return Finding(
        "proven",
        server.name,
        "server.socket",
        f"{server.name} takes signed connections only, and the probe cannot sign; these two hosts have one on port {case.port}: "
        f"{session.remote}:{session.remote_port} and {session.local}:{session.local_port} are connected",
        (case.saw(server, f"counter {counter}", f"+{delta}"),),
        leg="syn",
        remark=True,
    )


def covers(networks: tuple[str, ...], address: str) -> bool:
    """Whether one of the networks (texts of a host, which may be anything) has the address."""
    known = ipaddress.ip_address(address)
    for text in networks:
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(text, strict=False)
            if network.version == known.version and known in network:
                return True
    return False


@needs(SERVER, SYN, LISTENER, risen("TcpExt", "TCPMinTTLDrop"))
def _min_ttl_drop(case: Case, server: Host, syn: Packet, listener: Listener, delta: int) -> Finding | None:
    if listener.min_ttl is not None and syn.ttl >= listener.min_ttl:
        return None
    counted = delta >= case.swallowed_at(server)
    minimum = f"its TTL {syn.ttl} is below the listener's minimum"
    return Finding(
        ("proven" if counted else "likely") if listener.min_ttl else ("likely" if counted else "possible"),
        server.name,
        "server.socket",
        f"{server.name} drops the SYN: {minimum if listener.min_ttl else 'its listener demands a higher TTL'} (IP_MINTTL, RFC 5082)",
        (
            *case.passage(),
            case.saw(server, "counter TCPMinTTLDrop", f"+{delta}, {plural(case.arrived, 'SYN')} of this flow came in"),
            *([case.saw(server, "listener", f"minimum TTL {listener.min_ttl}")] if listener.min_ttl else []),
        ),
        detail={"ttl": syn.ttl, "min_ttl": listener.min_ttl},
    )


@needs(SERVER, LISTENER)
def _listener_filtered(case: Case, server: Host, listener: Listener) -> Finding | None:
    if not listener.filtered:
        return None
    # The programs of a control group drop for the same reason.
    seen = next((each for each in case.dropped if each.host is server and each.drop_reason == "SOCKET_FILTER" and not each.programs), None)
    filtered = case.saw(server, "listener", f"{describe(listener)} has a filter (SO_ATTACH_FILTER)")
    return Finding(
        "proven" if seen and seen.exact else "likely",
        server.name,
        "server.socket",
        f"the socket filter of the listener {describe(listener)} on {server.name} {'drops' if seen else 'may drop'} the SYN",
        (*([seen.evidence()] if seen else []), *case.passage(), filtered),
        undecided=() if seen else (f"the kernel's drop reason for a SYN on {server.name} (SOCKET_FILTER) would decide",),
        subject=SocketOwner(process_of(listener)),
    )


@needs(SERVER)
def _tcp_ao_mismatch(case: Case, server: Host) -> Finding | None:
    deltas = {name: delta for name in _AO if (delta := server.delta("TcpExt", name))}
    if not deltas or not case.arrived:
        return None
    name = max(deltas, key=lambda each: deltas[each])
    if session := _session(case):
        return _up(case, server, session, name, deltas[name])
    return Finding(
        "likely" if deltas[name] >= case.swallowed_at(server) else "possible",
        server.name,
        "server.socket",
        f"{server.name} drops the SYN: TCP-AO keys of the two ends differ, or one end has none",
        (*case.passage(), case.saw(server, f"counter {name}", f"+{deltas[name]}, {plural(case.arrived, 'SYN')} of this flow came in")),
    )


CAUSES = (
    Cause(
        "tcp_md5_mismatch",
        "One side signs segments (TCP-MD5), the other does not, or with another key",
        ("server.socket",),
        ("unanswered",),
        "Not provable, since the probe cannot sign as the application may: TCPMD5NotFound, TCPMD5Unexpected or TCPMD5Failure rises by the "
        "SYNs, in accord with the option in the captured SYN and the listener's keys.",
        "None of the counters moves, or the two hosts have an established connection on the port: that is a remark.",
        rule=_tcp_md5_mismatch,
        accounts_for=(Accounts("counter", ("TcpExt.TCPMD5NotFound", "TcpExt.TCPMD5Unexpected", "TcpExt.TCPMD5Failure")),),
    ),
    Cause(
        "tcp_ao_mismatch",
        "One side signs segments (TCP-AO), the other does not, or with another key",
        ("server.socket",),
        ("unanswered",),
        "Not provable by a counter of the whole host: TCPAORequired, TCPAOKeyNotFound or TCPAOBad rises by the SYNs.",
        "None of the counters moves.",
        rule=_tcp_ao_mismatch,
        accounts_for=(Accounts("counter", ("TcpExt.TCPAORequired", "TcpExt.TCPAOBad", "TcpExt.TCPAOKeyNotFound")),),
    ),
    Cause(
        "min_ttl_drop",
        "The listener demands a higher TTL",
        ("server.socket",),
        ("unanswered",),
        "TCPMinTTLDrop rises by the SYNs, and their TTL is below what the listener is known to demand.",
        "The counter does not move.",
        rule=_min_ttl_drop,
        accounts_for=(Accounts("counter", ("TcpExt.TCPMinTTLDrop",)),),
    ),
    Cause(
        "listener_filtered",
        "A socket filter on the listener may drop the SYN",
        ("server.socket",),
        ("unanswered",),
        "The kernel drops SYNs of this flow with the reason SOCKET_FILTER, and a filter is attached to the listener. By the filter alone: "
        "likely.",
        "No filter is attached to the listener.",
        rule=_listener_filtered,
    ),
)
