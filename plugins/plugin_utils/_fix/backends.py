# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Fixes for programs that take connections for others, and have nobody behind them: on a host in front of the server, or on the server."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.socket_records import Process
from .._model.socket_subjects import Backend, DeadTarget, StoppedUnit
from .._values.words import endpoint
from .make import advice, shell
from .service import of_stopped


def load_balancer_no_backend(case: Case, finding: Finding) -> Fix | None:
    """Have the server behind a host in front serve it."""
    stopped, frozen, backend = finding.about(StoppedUnit), finding.about(Process), finding.about(Backend)
    if case.server is None or case.behind is None:
        return None
    front, behind = case.server.name, case.behind.name
    if stopped:
        return of_stopped(case.behind, stopped)
    if frozen:
        summary = f"let {frozen.name} (pid {frozen.pid}) on {behind} go on, or restart it"
        return advice("application", behind, summary, [shell("kill", "-CONT", frozen.pid)])
    if backend is None:
        return None
    port = backend.port
    match backend.kind:
        case "not_accepting":
            look = f"find out why the service that listens on port {port} of {behind} accepts no connection, or restart it"
            return advice("application", behind, look)
        case "closed":
            return advice("service", behind, f"start the service on port {port} of {behind}, to which {front} connects")
        case "unserved":
            return advice("advice", behind, f"diagnose the flow from {front} to {behind}, port {port}: it tells what becomes of it")
        case "kept_out":
            look = f"find out what keeps {front} from port {port} of {behind}, which others reach: a firewall, or a route"
            return advice("advice", behind, look)
        case "nobody":
            return advice("service", behind, f"start the service on {behind} to which {front} connects")
        case "untried":
            return advice("advice", front, f"look at what {front} logs of its connections to {behind}")
        case "unsent":
            look = f"find out what keeps {front}'s own connections to port {port} of {behind} from leaving (rules for its output, routes)"
            return advice("advice", front, look)


def proxy_no_backend(case: Case, finding: Finding) -> Fix | None:
    """Have somebody listen where the proxy passes connections on to."""
    stopped, target = finding.about(StoppedUnit), finding.about(DeadTarget)
    if case.server is None or (stopped is None and target is None):
        return None
    if stopped:
        return of_stopped(case.server, stopped)
    if target is None or not target.port:
        return advice("service", case.server.name, "start the servers behind it, or correct where it looks for them")
    where = " inside the container" if target.inside else ""
    if target.elsewhere:
        summary = f"make what listens on port {target.port}{where} listen on {target.address} (or on all addresses)"
    else:
        end = endpoint(target.address, target.port)
        summary = f"start what should listen on {end}{where}, or have {target.program} pass connections on to where it does listen"
    return advice("application" if target.elsewhere else "service", case.server.name, summary)
