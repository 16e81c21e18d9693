# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.backlog and server.application: the queues of the listening socket, and who empties them."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.socket_records import Listener
from ..._model.socket_subjects import SOMAXCONN, AcceptQueue, HalfOpen
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..outcome import Leg
from ..translation import surely_untranslated
from . import inside, socket_units
from .accepting import accepting, connections, group, left_behind, shared
from .catalogue import Accounts, Cause
from .listener_names import describe
from .needs import LISTENER, SERVER, FirstOf, needs, risen


def _listener_then(now: Listener, server: Host) -> list[Listener]:
    """The flow's listener, and those that share its address, as they were after and before the probes."""
    snapshots = (server.after, server.before)
    return [
        now,
        *(each for snapshot in snapshots if snapshot for each in group(now, snapshot.listeners_on.get(now.port, ())) if each is not now),
    ]


@needs(SERVER, LISTENER)
def _accept_queue_full(case: Case, server: Host, now: Listener) -> Finding | None:
    """sk_acceptq_is_full(): more connections wait for accept() than the backlog (include/net/sock.h): N admits N+1."""
    full = [listener for listener in _listener_then(now, server) if listener.full]
    overflows = server.delta("TcpExt", "ListenOverflows")
    if not full or overflows == 0:
        return None
    listener = full[0]
    held_by = listener if listener.processes else now
    who = left_behind(server, held_by, accepting(held_by))
    among = shared(listener, server.snapshot.listeners_on.get(listener.port, ()) if server.snapshot else ())
    at_ack = case.outcome.kind in ("ignored_ack", "reset_after")
    missed = case.swallowed_at(server) if case.outcome.kind == "unanswered" else len(case.subject)
    limit, held = _limit(server, listener), connections(server, listener.port)
    leg: Leg = "ack" if at_ack else "syn"
    return Finding(
        "proven" if overflows is not None and overflows >= missed and (case.arrived or at_ack) else "likely",
        server.name,
        "server.backlog",
        f"the accept queue of {describe(listener)} on {server.name} is full ({listener.recv_q} waiting, limit {listener.send_q}): "
        f"{who.name} does not accept{who.state}{among}",
        (
            *case.passage(),
            case.saw(server, "inet_diag", f"LISTEN {describe(listener)}: Recv-Q {listener.recv_q} > Send-Q {listener.send_q}{among}"),
            *([case.saw(server, "counter ListenOverflows", f"+{overflows}")] if overflows is not None else []),
            *([case.saw(server, "/proc", f"{who.name}{who.state}")] if who.process else []),
            *([case.saw(server, "inet_diag", f"to port {listener.port}: {held}")] if held else []),
        ),
        leg=leg,
        detail={
            "recv_q": listener.recv_q,
            "limit": listener.send_q,
            "limited_by": limit,
            "process": who.process.name if who.process else None,
            "pid": who.process.pid if who.process else None,
            "unit": who.process.unit if who.process else None,
            "why": who.kind or None,
        },
        subject=AcceptQueue(listener, who, limit, held, socket_units.behind(server, listener)),
    )


@needs(SERVER, LISTENER)
def would_wait(case: Case, server: Host, listener: Listener) -> tuple[str, Finding] | None:
    """(code, finding): that the accept queue which the SYN does not come to has no room for it."""
    if not listener.full or case.server_owns(case.address) is not True:
        return None
    if not surely_untranslated(case) or server.translates("prerouting") is not False:
        return None
    who, limit = accepting(listener), _limit(server, listener)
    return "accept_queue_full", Finding(
        "likely",
        server.name,
        "server.backlog",
        f"the accept queue of {describe(listener)} on {server.name} is full as well ({listener.recv_q} waiting, limit {listener.send_q}): "
        f"{who.name} does not accept{who.state}",
        (case.saw(server, "inet_diag", f"LISTEN {describe(listener)}: Recv-Q {listener.recv_q} > Send-Q {listener.send_q}"),),
        leg="syn",
        subject=AcceptQueue(listener, who, limit, connections(server, listener.port), socket_units.behind(server, listener)),
    )


def _limit(server: Host, listener: Listener) -> str:
    """Which of the two limits the queue: listen()'s backlog is cut to net.core.somaxconn. Where systemd calls it, a socket unit has it."""
    unit = socket_units.behind(server, listener)
    own = f"Backlog= of {unit.unit}" if unit else "the application's backlog"
    return SOMAXCONN if server.sysctl(SOMAXCONN) == listener.send_q else own


@needs(SERVER, LISTENER, risen("TcpExt", "TCPReqQFullDrop"))
def syn_queue_full(case: Case, server: Host, listener: Listener, dropped: int) -> Finding | None:
    """With SYN cookies off, SYNs are dropped once as many are half-open as the backlog allows (tcp_conn_request())."""
    if listener.send_q is None:
        return None
    half_open, cookies = _half_open(case, server), server.sysctl("net.ipv4.tcp_syncookies")
    if cookies or 2 * half_open < listener.send_q:
        return None  # the counter rose for another listener, or earlier
    return Finding(
        "proven" if cookies == 0 and half_open >= listener.send_q and dropped >= case.swallowed_at(server) else "likely",
        server.name,
        "server.backlog",
        f"the SYN queue of {describe(listener)} on {server.name} is full ({half_open} half-open, limit {listener.send_q}) and SYN cookies "
        "are off",
        (
            *case.passage(),
            case.saw(server, "counter TCPReqQFullDrop", f"+{dropped}"),
            case.saw(server, "inet_diag", f"{plural(half_open, 'socket')} in SYN-RECV on port {listener.port}, limit {listener.send_q}"),
            *([case.saw(server, "sysctl net.ipv4.tcp_syncookies", "0")] if cookies == 0 else []),
        ),
        detail={"half_open": half_open, "limit": listener.send_q},
        subject=HalfOpen(half_open, listener.send_q),
    )


def _half_open(case: Case, server: Host) -> int:
    counts = [snapshot.socket_counts for snapshot in (server.before, server.after) if snapshot]
    return max((entry.get(str(case.listening_port), {}).get("SYN_RECV", 0) for entry in counts if entry), default=0)


@needs(SERVER, LISTENER, risen("TcpExt", "ListenDrops"))
def syn_backlog_reserved(case: Case, server: Host, _listener: object, dropped: int) -> Finding | None:
    """Cookies off: the last quarter of tcp_max_syn_backlog is kept for peers that were known before (tcp_conn_request())."""
    if server.sysctl("net.ipv4.tcp_syncookies") != 0:
        return None
    overflows, full = (server.delta("TcpExt", name) for name in ("ListenOverflows", "TCPReqQFullDrop"))
    backlog, half_open = server.sysctl("net.ipv4.tcp_max_syn_backlog"), _half_open(case, server)
    if overflows or full or backlog is None or half_open <= backlog - (backlog >> 2) - 1:
        return None
    return Finding(
        "proven" if dropped >= case.swallowed_at(server) else "likely",
        server.name,
        "server.backlog",
        f"{half_open} half-open connections on {server.name} use up three quarters of tcp_max_syn_backlog ({backlog}); with SYN cookies "
        "off the rest is kept for known peers",
        (
            *case.passage(),
            case.saw(server, "counter ListenDrops", f"+{dropped}, ListenOverflows +0"),
            case.saw(server, "sysctl net.ipv4.tcp_max_syn_backlog", str(backlog)),
        ),
        subject=HalfOpen(half_open, backlog),
    )


@needs(SERVER, risen("TcpExt", "TCPDeferAcceptDrop"))
def _defer_accept(case: Case, server: Host, dropped: int) -> Finding | None:
    listener = case.listener()
    deferred = listener.defer_accept if listener else None
    if deferred == 0:
        return None
    return Finding(
        "proven" if deferred and dropped >= len(case.subject) else "possible",
        server.name,
        "server.backlog",
        f"the listener on {server.name} uses TCP_DEFER_ACCEPT: it takes a connection only when the client sends data",
        (*case.passage(), case.saw(server, "counter TCPDeferAcceptDrop", f"+{dropped}")),
        leg="ack",
    )


@needs(SERVER, LISTENER)
def _queue_near_limit(case: Case, server: Host, listener: Listener) -> Finding | None:
    if listener.send_q is None or listener.send_q < 8 or listener.recv_q < 0.9 * listener.send_q:
        return None
    limit = _limit(server, listener)
    return Finding(
        "likely",
        server.name,
        "server.backlog",
        f"the accept queue of {describe(listener)} on {server.name} is nearly full ({listener.recv_q} of {listener.send_q}): soon "
        "SYNs will be dropped",
        (case.saw(server, "inet_diag", f"LISTEN {describe(listener)}: Recv-Q {listener.recv_q}, Send-Q {listener.send_q}"),),
        detail={"recv_q": listener.recv_q, "limit": listener.send_q, "limited_by": limit},
        subject=AcceptQueue(
            listener, accepting(listener), limit, connections(server, listener.port), socket_units.behind(server, listener)
        ),
    )


@needs(SERVER)
def _application_closes(case: Case, server: Host) -> Finding:
    return Finding(
        "likely",
        server.name,
        "server.application",
        f"the handshake with {case.target} completes, then {server.name} resets the connection at once",
        (case.saw(case.client, "probe", f"reset within moments, {plural(len(case.subject), 'attempt')}"), *case.passage()),
    )


CAUSES = (
    Cause(
        "accept_queue_full",
        "The accept queue is full",
        ("server.backlog",),
        ("unanswered", "ignored_ack", "reset_after", "silent"),
        "The listener's Recv-Q exceeds its Send-Q, and ListenOverflows rises by the SYNs (or ACKs) of the flow. That of a listener in "
        "another network namespace of the server, to which its firewall translates the SYN: likely.",
        "ListenOverflows does not move, or the queue has room.",
        rule=FirstOf((_accept_queue_full, inside.accept_queue_full)),
        accounts_for=(Accounts("counter", ("TcpExt.ListenOverflows", "TcpExt.ListenDrops"), any_leg=True),),
    ),
    Cause(
        "accept_queue_near_limit",
        "The accept queue is nearly full",
        ("server.backlog",),
        ("completed",),
        "Not provable: a threshold. The listener's Recv-Q is at 90 % of its Send-Q or above.",
        "The queue has room.",
        rule=_queue_near_limit,
    ),
    Cause(
        "syn_queue_full",
        "The SYN queue is full",
        ("server.backlog",),
        ("unanswered", "silent"),
        "TCPReqQFullDrop rises by the SYNs, SYN cookies are off, and as many sockets are half-open as the listener's backlog.",
        "The counter does not move.",
        rule=syn_queue_full,
        accounts_for=(Accounts("counter", ("TcpExt.ListenDrops", "TcpExt.TCPReqQFullDrop")),),
    ),
    Cause(
        "syn_backlog_reserved",
        "The SYN backlog's free part is kept for known peers",
        ("server.backlog",),
        ("unanswered",),
        "SYN cookies are off, more than three quarters of tcp_max_syn_backlog are half-open, and ListenDrops alone rises by the SYNs.",
        "ListenOverflows or TCPReqQFullDrop rises as well.",
        rule=syn_backlog_reserved,
        accounts_for=(Accounts("counter", ("TcpExt.ListenDrops",)),),
    ),
    Cause(
        "defer_accept",
        "The listener waits for data before it accepts",
        ("server.backlog",),
        ("ignored_ack",),
        "TCPDeferAcceptDrop rises by the attempts while the server holds them in SYN-RECV.",
        "The counter does not move.",
        rule=_defer_accept,
        accounts_for=(Accounts("counter", ("TcpExt.TCPDeferAcceptDrop",), any_leg=True),),
    ),
    Cause(
        "application_closes",
        "The application resets the connection at once",
        ("server.application",),
        ("reset_after",),
        "Not proven yet: the handshake completes at both ends, and an RST follows at once.",
        "The connection stays open.",
        rule=_application_closes,
        accounts_for=(Accounts("closed_unused"),),
    ),
)
