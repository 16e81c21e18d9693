# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.socket: a listener that is there and does not take the SYN: keys, a minimum TTL, a filter; and what TCP itself discards."""

from __future__ import annotations

import contextlib
import ipaddress

from ..case import Case, Finding, Fix, plural
from .catalogue import Accounts, Cause
from .sockets import describe, process_of


def _tcp_md5_mismatch(case: Case) -> Finding | None:
    """RFC 2385: a listener with a key for the client drops unsigned SYNs, one without a key drops signed ones, silently."""
    server, syn, listener = case.server, case.syn_at_server, case.listener()
    if server is None or syn is None or syn.tcp is None or listener is None:
        return None
    signed = syn.tcp.options.md5 is not None
    keyed = None if listener.md5 is None else _covers(listener.md5, syn.src)
    names = ("TCPMD5NotFound",) if not signed else ("TCPMD5Failure",) if keyed else ("TCPMD5Unexpected", "TCPMD5Failure")
    name, rise = max(((name, server.delta("TcpExt", name) or 0) for name in names), key=lambda item: item[1])
    if not rise or (keyed is False and not signed):
        return None
    wrong = {
        "TCPMD5NotFound": "is not signed, but the listener demands it",
        "TCPMD5Unexpected": "is signed, but the listener has no key",
        "TCPMD5Failure": "is signed with another key",
    }
    return Finding(
        "proven" if rise >= case.swallowed_at(server) and keyed is not None else "likely",
        server.name,
        "server.socket",
        f"the SYN {wrong[name]}: {server.name} drops it (TCP-MD5, RFC 2385)",
        (
            *case.passage(),
            case.saw(server, f"counter {name}", f"+{rise}, {plural(case.arrived, 'SYN')} of this flow came in"),
            case.saw(server, "capture", f"the SYN has {'an' if signed else 'no'} MD5 option"),
            *([case.saw(server, "inet_diag", f"the listener has MD5 keys for {', '.join(listener.md5)}")] if listener.md5 else []),
        ),
        against=() if signed else (case.saw(case.client, "probe", "the probe never signs; an application that does is not hit by this"),),
        fix=Fix("application", server.name, "configure the same TCP-MD5 password for this peer on both sides", "advice"),
    )


def _covers(networks: tuple[str, ...], address: str) -> bool:
    """Whether one of the networks (texts of a host, which may be anything) has the address."""
    known = ipaddress.ip_address(address)
    for text in networks:
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(text, strict=False)
            if network.version == known.version and known in network:
                return True
    return False


def _min_ttl_drop(case: Case) -> Finding | None:
    server, syn, listener = case.server, case.syn_at_server, case.listener()
    rise = server.delta("TcpExt", "TCPMinTTLDrop") if server else None
    if server is None or syn is None or listener is None or not rise:
        return None
    if listener.min_ttl is not None and syn.ttl >= listener.min_ttl:
        return None
    counted = rise >= case.swallowed_at(server)
    minimum = f"its TTL {syn.ttl} is below the listener's minimum"
    return Finding(
        ("proven" if counted else "likely") if listener.min_ttl else ("likely" if counted else "possible"),
        server.name,
        "server.socket",
        f"{server.name} drops the SYN: {minimum if listener.min_ttl else 'its listener demands a higher TTL'} (IP_MINTTL, RFC 5082)",
        (
            *case.passage(),
            case.saw(server, "counter TCPMinTTLDrop", f"+{rise}, {plural(case.arrived, 'SYN')} of this flow came in"),
            *([case.saw(server, "listener", f"minimum TTL {listener.min_ttl}")] if listener.min_ttl else []),
        ),
        detail={"ttl": syn.ttl, "min_ttl": listener.min_ttl},
        fix=Fix("application", server.name, "raise the client's TTL, or lower what the listener demands (GTSM)", "advice"),
    )


def _listener_filtered(case: Case) -> Finding | None:
    server, listener = case.server, case.listener()
    if server is None or listener is None or not listener.filtered:
        return None
    return Finding(
        "likely",
        server.name,
        "server.socket",
        f"a socket filter is attached to the listener {describe(listener)} on {server.name}, which may drop the SYN",
        (*case.passage(), case.saw(server, "listener", f"{describe(listener)} has a filter (SO_ATTACH_FILTER)")),
        undecided=(f"the kernel's drop reason for a SYN on {server.name} (SOCKET_FILTER) would decide",),
        fix=Fix("application", server.name, f"look at the socket filter that {process_of(listener)} attached", "advice"),
    )


def _tcp_ao_mismatch(case: Case) -> Finding | None:
    server = case.server
    names = ("TCPAORequired", "TCPAOKeyNotFound", "TCPAOBad")
    rises = {name: rise for name in names if server and (rise := server.delta("TcpExt", name))}
    if server is None or not rises or not case.arrived:
        return None
    name = max(rises, key=lambda each: rises[each])
    return Finding(
        "likely" if rises[name] >= case.swallowed_at(server) else "possible",
        server.name,
        "server.socket",
        f"{server.name} drops the SYN: TCP-AO keys of the two ends differ, or one end has none",
        (*case.passage(), case.saw(server, f"counter {name}", f"+{rises[name]}, {plural(case.arrived, 'SYN')} of this flow came in")),
        fix=Fix("application", server.name, "configure the same TCP-AO keys on both sides", "advice"),
    )


CAUSES = (
    Cause(
        "tcp_md5_mismatch",
        "One side signs segments (TCP-MD5), the other does not, or with another key",
        ("server.socket",),
        ("unanswered",),
        "TCPMD5NotFound, TCPMD5Unexpected or TCPMD5Failure rises by the SYNs, in accord with the option in the captured SYN and the "
        "listener's keys.",
        "None of the counters moves.",
        _tcp_md5_mismatch,
        accounts_for=(Accounts("counter", ("TcpExt.TCPMD5NotFound", "TcpExt.TCPMD5Unexpected", "TcpExt.TCPMD5Failure")),),
    ),
    Cause(
        "tcp_ao_mismatch",
        "One side signs segments (TCP-AO), the other does not, or with another key",
        ("server.socket",),
        ("unanswered",),
        "Not provable by a counter of the whole host: TCPAORequired, TCPAOKeyNotFound or TCPAOBad rises by the SYNs.",
        "None of the counters moves.",
        _tcp_ao_mismatch,
        accounts_for=(Accounts("counter", ("TcpExt.TCPAORequired", "TcpExt.TCPAOBad", "TcpExt.TCPAOKeyNotFound")),),
    ),
    Cause(
        "min_ttl_drop",
        "The listener demands a higher TTL",
        ("server.socket",),
        ("unanswered",),
        "TCPMinTTLDrop rises by the SYNs, and their TTL is below what the listener is known to demand.",
        "The counter does not move.",
        _min_ttl_drop,
        accounts_for=(Accounts("counter", ("TcpExt.TCPMinTTLDrop",)),),
    ),
    Cause(
        "listener_filtered",
        "A socket filter on the listener may drop the SYN",
        ("server.socket",),
        ("unanswered",),
        "Not provable from outside the filter: the SYN vanishes in the server, and a filter is attached to its listener.",
        "No filter is attached to the listener.",
        _listener_filtered,
    ),
)
