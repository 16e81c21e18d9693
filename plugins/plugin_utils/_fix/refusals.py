# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Services that turn clients away: advice, with the setting by which they do so."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._host.haproxy import SERVER_MAXCONN

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.program_records import Limit
from .._model.socket_subjects import Refusal
from .make import advice, shell

_REFUSALS = {
    "max_startups": (
        "find out who holds connections to {target} that are not authenticated, and raise MaxStartups in sshd_config or shorten "
        "LoginGraceTime",
        ("ss", "-tnp", "state", "established", "sport", "=", ":{port}"),
    ),
    "penalty": (
        "exempt {client} by PerSourcePenaltyExemptList in sshd_config, and find out what it did to be punished (authentication that fails)",
        (),
    ),
    "tcp_wrappers": (
        "let {client} in by a line of /etc/hosts.allow, such as {by}: {client}, or take it out of /etc/hosts.deny; both are read "
        "for each connection",
        ("grep", "-n", "^[^#]", "/etc/hosts.allow", "/etc/hosts.deny"),
    ),
    "denied": (
        "see which rule of section {by} in haproxy.cfg turns {client} away (tcp-request connection, session or content reject; stick "
        "tables and lists of addresses, which 'show table' and 'show acl' on its stats socket have), and let it in",
        (),
    ),
    "nginx_access": (
        "let {client} in by 'allow {client};' ahead of the deny that meets it, in the server block of nginx for port {port} (stream), and "
        "reload nginx",
        ("nginx", "-T"),
    ),
    "nginx_limit_conn": (
        "find out who holds the connections to port {port}, or raise limit_conn {by} in the server block of nginx for it (stream), and "
        "reload nginx",
        ("ss", "-tnp", "state", "established", "sport", "=", ":{port}"),
    ),
}
_RAISED = {
    "maxclients": "maxclients in redis.conf, with as many open files (LimitNOFILE= of its unit)",
    "maxconn": "maxconn of that section in haproxy.cfg, and of its global section",
    "worker_connections": "worker_connections in nginx.conf, with as many open files (worker_rlimit_nofile)",
}


def service_refuses(case: Case, finding: Finding) -> Fix | None:
    limit = finding.about(Limit)
    if limit and limit.setting == SERVER_MAXCONN:
        return advice(
            "application",
            finding.host,
            f"find out why connections to {limit.section} stay, or raise maxconn in its server line of haproxy.cfg on {finding.host}, as "
            "far as that server can serve as many, or add servers; timeout queue says how long others wait",
        )
    if limit:
        raised = _RAISED.get(limit.setting, limit.setting)
        summary = f"find out who holds the connections of {limit.program} on {finding.host}, and have them end, or raise {raised}"
        look = shell("ss", "-tnp", "state", "established", "sport", "=", f":{case.listening_port}")
        return advice("application", finding.host, summary, [look])
    refusal = finding.about(Refusal)
    if refusal is None or refusal.kind not in _REFUSALS:
        return None
    summary, command = _REFUSALS[refusal.kind]
    words = {"target": case.target, "port": case.listening_port, "client": case.client_address or case.client.name}
    text = summary.format(by=refusal.by or "DAEMON", **words)
    return advice("application", finding.host, text, [shell(*(word.format(**words) for word in command))] if command else [])


def turned_away(case: Case, finding: Finding) -> Fix:
    return advice(
        "advice",
        finding.host,
        f"check whether {case.target} limits connections of one source or locks it out, and exempt {case.client.name} from it, or lower "
        "diagnose_attempts and diagnose_connects (docs/attempts.md)",
    )
