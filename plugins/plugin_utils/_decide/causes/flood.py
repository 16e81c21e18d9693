# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.backlog: whose half-open connections fill the SYN queue."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._host.inet_diag import MANY_HALF_OPEN

from ..._model.host import Host
from ..._model.socket_records import HalfOpenPeers
from ..._model.socket_subjects import HalfOpen
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from .backlog import syn_backlog_reserved, syn_queue_full
from .catalogue import Accounts, Cause
from .needs import SERVER, FirstOf, needs, risen


def _sources(case: Case) -> HalfOpenPeers | None:
    """Of the server's port, where they are many, when most were seen."""
    snapshots = [snapshot for snapshot in (case.server.before, case.server.after) if snapshot] if case.server else []
    known = [each for snapshot in snapshots for each in snapshot.half_open or () if each.port == case.listening_port]
    found = [each for each in known if each.addresses >= MANY_HALF_OPEN]
    return max(found, key=lambda each: each.count, default=None)


def _shown(case: Case, server: Host, sources: HalfOpenPeers) -> tuple[Evidence, ...]:
    networks = ", ".join(f"{each.count} of {each.network}" for each in sources.networks)
    said = f"{plural(sources.count, 'socket')} in SYN-RECV on port {sources.port}, of {sources.addresses} addresses: {networks}"
    return (case.saw(server, "inet_diag", said),)


@needs(SERVER, FirstOf((syn_queue_full, syn_backlog_reserved)), _sources)
def _fills(case: Case, server: Host, full: Finding, sources: HalfOpenPeers) -> Finding | None:
    """Of a handshake that got no answer: the counters are of all handshakes with the host."""
    if case.outcome.kind == "completed":
        return None
    queue = full.about(HalfOpen)
    return Finding(
        full.certainty,
        server.name,
        "server.backlog",
        f"half-open connections of {sources.addresses} addresses fill the SYN queue for port {sources.port} of {server.name}, and SYN "
        "cookies are off",
        (*_shown(case, server, sources), *full.evidence),
        detail={"half_open": sources.count, "addresses": sources.addresses, "networks": [each.network for each in sources.networks]},
        subject=queue,
    )


@needs(SERVER, risen("TcpExt", "TCPReqQFullDoCookies"), _sources)
def _cookies(case: Case, server: Host, cookies: int, sources: HalfOpenPeers) -> Finding:
    """It completes, by a cookie, which has no room for all options (Documentation/networking/ip-sysctl.rst, tcp_syncookies)."""
    return Finding(
        "likely",
        server.name,
        "server.backlog",
        f"half-open connections of {sources.addresses} addresses fill the SYN queue for port {sources.port}: "
        "handshakes complete by SYN cookies",
        (*_shown(case, server, sources), case.saw(server, "counter TCPReqQFullDoCookies", f"+{cookies}")),
        remark=True,
    )


CAUSES = (
    Cause(
        "syn_flood",
        "Half-open connections of many addresses fill the SYN queue",
        ("server.backlog",),
        ("unanswered", "silent", "completed"),
        f"What proves syn_queue_full or syn_backlog_reserved, and the half-open connections are of {MANY_HALF_OPEN} addresses or more. "
        "Whether these are invented, or belong to clients that the server's SYN-ACKs do not reach, cannot be determined. Where SYN cookies "
        "let the handshake complete, it is a remark.",
        "The half-open connections are of a few addresses.",
        rule=FirstOf((_fills, _cookies)),
        precedes=("syn_queue_full", "syn_backlog_reserved"),
        accounts_for=(Accounts("counter", ("TcpExt.ListenDrops", "TcpExt.TCPReqQFullDrop")),),
    ),
)
