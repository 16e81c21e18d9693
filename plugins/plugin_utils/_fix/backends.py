# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Fixes for programs that take connections for others, and have nobody behind them: on a host in front of the server, or on the server."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.socket_records import Process
from .._model.socket_subjects import Backend, DeadSession, DeadTarget, Loop, StoppedUnit
from .._values.words import endpoint
from .make import advice, shell
from .service import of_stopped
from .stopped import let_go_on

WIDEST = "net.ipv4.ip_local_port_range=1024 65535"


def load_balancer_no_backend(case: Case, finding: Finding) -> Fix | None:
    """Have the server behind a host in front serve it."""
    stopped, frozen, backend = finding.about(StoppedUnit), finding.about(Process), finding.about(Backend)
    if case.server is None or case.behind is None:
        return None
    front, behind = case.server.name, case.behind.name
    if stopped:
        return of_stopped(case.behind, stopped)
    if frozen:
        return let_go_on(behind, frozen)
    if backend is None:
        return None
    return of_balancer(backend, front) or _of_server(backend, front, behind)


def of_balancer(backend: Backend, front: str) -> Fix | None:
    """What HAProxy itself needs for a server of its own: a command, or a name that resolves."""
    if backend.kind == "set_aside":
        return advice(
            "application",
            front,
            f"have HAProxy use {backend.name} again once whoever set it aside is done: 'set server {backend.name} state ready' on its "
            "stats socket, and no 'disabled' in its configuration",
        )
    if backend.kind == "no_ports":
        return advice(
            "sysctl",
            front,
            f"give {front} more local ports towards {backend.name} (net.ipv4.ip_local_port_range, more source addresses by "
            "proxy_bind or HAProxy's source), or "
            "have it use fewer (keepalive to the servers behind it, connections that nobody closes)",
            [shell("ss", "-Htn", "state", "connected", "dport", "=", f":{backend.port}"), shell("sysctl", "-w", WIDEST)],
        )
    if backend.kind == "no_source":
        return advice(
            "application",
            front,
            f"have the balancer on {front} connect to {backend.name} from an address that {front} has (nginx: proxy_bind, HAProxy: "
            "source), or give it the address that its configuration names",
            [shell("ip", "-brief", "address")],
        )
    if backend.kind == "no_way":
        return advice(
            "route",
            front,
            f"find out what keeps {front} from {backend.name}: its routes and policy rules, a neighbour that does not answer, or a router "
            "or firewall that answers with an ICMP error",
            [shell("ip", "route", "get", backend.address), shell("ip", "neigh", "show", "to", backend.address)] if backend.address else [],
        )
    if backend.kind == "forbidden":
        return advice(
            "advice",
            front,
            f"let the balancer on {front} connect to {backend.name}: SELinux (setsebool httpd_can_network_connect on; ausearch -m avc), or "
            "the control group or the unit of the balancer (IPAddressDeny=, systemctl show)",
        )
    if backend.kind == "unresolved":
        return advice(
            "dns",
            front,
            f"have the name of {backend.name} resolve on {front}: HAProxy asks the nameservers of its own section 'resolvers', and without "
            "one only those of the host, at its start; or configure the address instead of the name",
        )
    return None


def _of_server(backend: Backend, front: str, behind: str) -> Fix | None:
    port = backend.port
    match backend.kind:
        case "not_accepting":
            look = f"find out why the service that listens on port {port} of {behind} accepts no connection, or restart it"
            return advice("application", behind, look)
        case "closed":
            return advice("service", behind, f"start the service on port {port} of {behind}, to which {front} connects")
        case "unserved":
            return advice("advice", behind, f"diagnose the flow from {front} to {behind}, port {port}: that shows where it fails")
        case "fails_check":
            look = (
                f"see why {backend.name} fails the check of port {port} (haproxy.cfg: check, check-ssl, ssl, verify, sni, option httpchk): "
                "whether it speaks TLS there at all, with a certificate that the balancer accepts, and answers what the check asks"
            )
            return advice("application", behind, look)
        case "ends":
            look = (
                f"see what the service on port {port} of {behind} logs of connections from {front}: it may not let that host in, or not "
                f"expect what {front} says first, such as the header of the PROXY protocol (HAProxy: send-proxy, nginx: proxy_protocol on) "
                "or TLS"
            )
            return advice("application", behind, look)
        case "kept_out":
            look = f"find out what keeps {front} from port {port} of {behind}, which others reach: a firewall, or a route"
            return advice("advice", behind, look)
        case "nobody":
            return advice("service", behind, f"start the service on {behind} to which {front} connects")
        case "untried":
            return advice("advice", front, f"look at what {front} logs of its connections to {behind}")
        case "elsewhere":
            end = endpoint(backend.address or "", port)
            return advice(
                "application",
                front,
                f"have it connect to {behind}, not to {end}: reload it where it looks names up at its start only, as nginx "
                f"does, or correct its configuration; or have {end} answer",
            )
        case "masked":
            return advice(
                "application",
                front,
                f"have {behind} answer clients by {front} (its default route, or a policy route), or connect from an address of {front}'s "
                "own (HAProxy: without usesrc, and with send-proxy or a header for the client's)",
            )
        case "masked_lost":
            return advice(
                "advice",
                "path",
                f"find what drops packets of {front} from {backend.address or 'addresses of its clients'}: a switch, a hypervisor or a "
                f"cloud that lets {front} use its own addresses only (source and destination check, anti-spoofing); or connect from one "
                "of these (HAProxy: without usesrc, and with send-proxy or a header for the client's)",
            )
        case "unsent":
            look = (
                f"find out what keeps {front}'s own connections to port {port} of {behind} from leaving (rules for its output, routes, a "
                "source address in its configuration that it does not have)"
            )
            return advice("advice", front, look)
    return None


def _ended(host: str, session: DeadSession) -> Fix:
    alive = "ServerAliveInterval" if session.program == "ssh" else "ClientAliveInterval"
    return advice(
        "application",
        host,
        f"end the session of {session.program} (pid {session.pid}) with {session.address}, which frees the port for a new one, and set "
        f"{alive} so that such sessions end by themselves (and ExitOnForwardFailure=yes at the client, which otherwise goes on without the "
        "port)",
        [shell("kill", session.pid)],
    )


_PASSES_ON = {"nginx": "proxy_pass, and the servers of its upstream", "haproxy": "the server lines of its section"}


def _led_away(host: str, loop: Loop) -> Fix:
    where = f" ({_PASSES_ON[loop.program]})" if loop.program in _PASSES_ON else ""
    return advice(
        "application",
        host,
        f"have {loop.program} on {host} pass connections on to the server behind it, not to its own port {loop.port}{where}: a name there "
        "may resolve to the host itself; a higher limit of connections would only make it take longer",
    )


def proxy_no_backend(case: Case, finding: Finding) -> Fix | None:
    """Have somebody listen where the proxy passes connections on to."""
    stopped, target = finding.about(StoppedUnit), finding.about(DeadTarget)
    backend, session, loop = finding.about(Backend), finding.about(DeadSession), finding.about(Loop)
    if case.server is None:
        return None
    if loop:
        return _led_away(case.server.name, loop)
    if session:
        return _ended(case.server.name, session)
    if stopped:
        return of_stopped(case.server, stopped)
    if backend:
        return of_balancer(backend, case.server.name)
    if target is None:
        return None
    if not target.port:
        return advice("service", case.server.name, "start the servers behind it, or correct where it looks for them")
    where = " inside the container" if target.inside else ""
    if target.elsewhere:
        summary = f"make what listens on port {target.port}{where} listen on {target.address} (or on all addresses)"
        if not target.inside:
            by_address = (
                f"{target.program} pass connections on to {target.elsewhere}, by the address: a name such as localhost may have others"
            )
            summary = f"{summary}, or have {by_address}"
    else:
        end = endpoint(target.address, target.port)
        summary = f"start what should listen on {end}{where}, or have {target.program} pass connections on to where it does listen"
    return advice("application" if target.elsewhere else "service", case.server.name, summary)
