# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What an application is told in its own configuration: advice, with the very line where the program is a known one."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.host import Host
from .._model.socket_records import Process
from .._model.socket_subjects import HangsUp, Published, Refusal, RefusingService, SocketOwner, UnitApart
from .._model.unit_records import Relative
from .._values.words import endpoint
from . import fit
from .make import advice, shell
from .service import displaced

_SESSIONS = ("sshd-session",)
_MEMCACHED = "its command line (ExecStart= of its unit; on Debian, memcached.conf)"
_PUBLISHED = "ports: of the compose file, or -p of the command that runs the container, and make the container again"
# By the name of the process: the line, with {address}, {socket} (address and port) and {port}, and where it belongs.
_LISTEN = {
    "postgres": ("listen_addresses = '{address}'", "postgresql.conf"),
    "mysqld": ("bind-address = {address}", "my.cnf, section mysqld"),
    "mariadbd": ("bind-address = {address}", "my.cnf, section mysqld"),
    "redis-server": ("bind {address}", "redis.conf"),
    "nginx": ("listen {socket};", "the server block"),
    "apache2": ("Listen {socket}", "ports.conf"),
    "httpd": ("Listen {socket}", "httpd.conf"),
    "haproxy": ("bind {socket}", "the frontend"),
    "sshd": ("ListenAddress {socket}", "sshd_config"),
    "mosquitto": ("listener {port} {address}", "mosquitto.conf (with allow_anonymous or a password_file, as its version 2 demands)"),
    "mongod": ("net.bindIp: {address}", "mongod.conf"),
    "memcached": ("-l {address}", _MEMCACHED),
    "docker-proxy": ("{port}:PORT in place of 127.0.0.1:{port}:PORT", _PUBLISHED),
    "rootlessport": ("{port}:PORT in place of 127.0.0.1:{port}:PORT", _PUBLISHED),
}
_BACKLOG = {
    "nginx": ("listen {port} backlog=4096;", "the server block"),
    "redis-server": ("tcp-backlog 4096", "redis.conf"),
    "mysqld": ("back_log = 4096", "my.cnf, section mysqld"),
    "mariadbd": ("back_log = 4096", "my.cnf, section mysqld"),
    "apache2": ("ListenBacklog 4096", "apache2.conf"),
    "httpd": ("ListenBacklog 4096", "httpd.conf"),
    "haproxy": ("backlog 4096", "the frontend"),
    "memcached": ("-b 4096", _MEMCACHED),
}
_CONNECTIONS = {
    "nginx": ("worker_connections 8192; and worker_rlimit_nofile 16384;", "nginx.conf"),
    "redis-server": ("maxclients 20000", "redis.conf"),
    "mysqld": ("max_connections = 1000", "my.cnf, section mysqld"),
    "mariadbd": ("max_connections = 1000", "my.cnf, section mysqld"),
    "unbound": ("incoming-num-tcp: 100", "unbound.conf, section server"),
    "apache2": ("MaxRequestWorkers 400", "the MPM's configuration"),
    "httpd": ("MaxRequestWorkers 400", "the MPM's configuration"),
    "haproxy": ("maxconn 20000", "the sections global and frontend"),
    "memcached": ("-c 4096", _MEMCACHED),
}


def listening(server: Host, owner: str, process: Process | None, address: str, port: int) -> Fix:
    """Listen on the address that clients dial."""
    where = endpoint(address, port)
    line = _line(_LISTEN, process, address=address, socket=where, port=port)
    summary = f"make {owner} listen on {address} (or on all addresses), port {port}{line}"
    return advice("application", server.name, summary, check=f"ss -ltn shows {where}, or the port on all addresses")


def listener_elsewhere(case: Case, finding: Finding) -> Fix | None:
    """Have it listen where the SYN comes, in the server itself or in another network namespace."""
    published, owner = finding.about(Published), finding.about(SocketOwner)
    if published:
        summary = (
            f"make {published.owner} listen on {published.address} (or on all addresses) inside its network namespace, port "
            f"{published.port}: a published port does not lead to its loopback address"
        )
        return advice("application", finding.host, summary)
    if owner is None or case.server is None:
        return None
    if owner.displaced:
        return displaced(case.server, owner.displaced, owner.name, case.server_port)
    if owner.process and owner.process.pid == 1:
        return _by_socket(case, finding.host)
    if forwarding := _forwarding(owner.process, case.server_port):
        return advice("application", finding.host, forwarding)
    if owner.names:
        summary = (
            f"make {owner.name} listen on {case.server_address} (or on all addresses), or, if it listens by the name {owner.names[0]}, put "
            f"{case.server_address} in its line of /etc/hosts and restart it"
        )
        return advice("application", finding.host, summary)
    return listening(case.server, owner.name, owner.process, case.server_address, case.server_port)


def _by_socket(case: Case, host: str) -> Fix:
    """Where systemd listens, the socket unit says where: the service's own configuration does not count."""
    any_address, port = ("[::]" if case.family == 6 else "0.0.0.0"), case.server_port
    summary = (
        f"it is systemd that listens: have the socket unit for port {port} of {host} listen on {any_address}:{port}, "
        f"too, by a further ListenStream= (BindIPv6Only=both, where it is for IPv6 alone), and restart it"
    )
    return advice("application", host, summary, [shell("systemctl", "list-sockets")])


def _forwarding(process: Process | None, port: int) -> str:
    """Where an ssh session, or its server's part of one, listens to pass connections on; empty for others."""
    if process is None or process.name not in (*_SESSIONS, "sshd", "ssh"):
        return ""
    if process.name == "ssh":
        return f"have ssh (pid {process.pid}) forward the port for other hosts, too: ssh -L '*:{port}:...', or -g"
    if process.name == "sshd" and (process.parent or 0) <= 1:  # the server itself; a session is its child
        return ""
    return (
        f"have the ssh client that forwards port {port} to here ask for all addresses (ssh -R '*:{port}:...'), and sshd let it: "
        "GatewayPorts clientspecified in sshd_config"
    )


def listener_other_namespace(case: Case, finding: Finding) -> Fix:
    if apart := finding.about(UnitApart):
        return advice(
            "service",
            finding.host,
            f"where {apart.unit} has a network namespace of its own (PrivateNetwork= or NetworkNamespacePath=), take that away, or have a "
            f"socket unit listen on port {case.server_port} for it in the host's; where it runs containers, publish the port",
            [shell("systemctl", "show", "--property=PrivateNetwork,NetworkNamespacePath", apart.unit)],
        )
    return advice("application", finding.host, f"publish port {case.server_port} from the container or namespace to the host")


def listener_filtered(_case: Case, finding: Finding) -> Fix | None:
    owner = finding.about(SocketOwner)
    return advice("application", finding.host, f"look at the socket filter that {owner.name} attached") if owner else None


def tcp_md5_mismatch(_case: Case, finding: Finding) -> Fix:
    return advice("application", finding.host, "configure the same TCP-MD5 password for this peer on both sides")


def tcp_ao_mismatch(_case: Case, finding: Finding) -> Fix:
    return advice("application", finding.host, "configure the same TCP-AO keys on both sides")


def min_ttl_drop(_case: Case, finding: Finding) -> Fix:
    return advice("application", finding.host, "raise the client's TTL, or lower what the listener demands (GTSM)")


def defer_accept(_case: Case, finding: Finding) -> Fix:
    return advice("application", finding.host, "harmless where the client speaks first; otherwise switch deferred accept off")


def application_closes(_case: Case, finding: Finding) -> Fix:
    return _refusing(finding, "access list, TLS, limit of connections")


# By the name of the process: what may have it say something and close.
LIMITS = {
    "sshd": "MaxStartups (of connections that are not authenticated), PerSourceMaxStartups and LoginGraceTime of sshd_config, TCP wrappers",
    "redis-server": "protected-mode (without a password it takes connections of other hosts only with bind ADDRESS), maxclients",
    "mysqld": "max_connections, and hosts that it has blocked (mysqladmin flush-hosts)",
    "mariadbd": "max_connections, and hosts that it has blocked (mysqladmin flush-hosts)",
}
# By the name of the process: what may have it close without a byte.
REFUSES = {
    "dnsmasq": "local-service, with which it serves clients of its own networks only, as Debian's does by default: interface= or "
    "listen-address= in dnsmasq.conf in place of it; interface= and except-interface=, where they name other interfaces",
    "pihole-FTL": "dns.listeningMode, which is LOCAL by default: clients of other networks are served with ALL, or SINGLE",
    "unbound": "tcp-connection-limit in unbound.conf",
    "nginx": "allow and deny of the server block, limit_conn, and the servers behind it",
    "haproxy": "tcp-request connection reject, and the servers behind it",
    "socat": "range= and tcpwrap= of its address, and what it connects to",
    "stunnel4": "the service's connect= in stunnel.conf, and TCP wrappers",
    "sshd": "what a forwarded port leads to (ssh -L, -R), TCP wrappers, MaxStartups",
    "ssh": "what the forwarded port (-L) leads to, as its other end sees it",
}


def application_hangs_up(case: Case, finding: Finding) -> Fix:
    hangs_up = finding.about(HangsUp)
    name = hangs_up.process.name if hangs_up else ""
    if hangs_up and hangs_up.said and name in LIMITS:
        summary = f"read what {name} says before it closes, and look at {LIMITS[name]}"
        return advice("application", finding.host, summary, [f"timeout 3 nc {shell(case.address, case.port)} </dev/null"])
    if name in REFUSES:
        return advice("application", finding.host, f"look at what has {name} turn clients away: {REFUSES[name]}")
    return _refusing(finding, "access list, limit of connections, a dead backend")


def _refusing(finding: Finding, reasons: str) -> Fix:
    return advice("application", finding.host, f"look in the application's log for why it refuses this client ({reasons})")


def xinetd_refuses(_case: Case, finding: Finding) -> Fix | None:
    refusing = finding.about(RefusingService)
    if refusing is None:
        return None
    let = f"let the client in by {refusing.attribute} in {refusing.service.file}"
    return advice("application", finding.host, f"{let}, and have xinetd read it again (systemctl reload xinetd)")


def application_silent(_case: Case, finding: Finding) -> Fix:
    process, asleep = finding.about(Process), finding.about(Relative)
    if asleep:
        looks = [shell("systemctl", "list-jobs"), shell("systemctl", "status", asleep.unit)] if fit.unit(asleep.unit) else []
        return advice("service", finding.host, f"see what the start of {asleep.unit} waits for, or why it fails, and get it started", looks)
    if process and process.stopped:
        summary = f"let {process.name} (pid {process.pid}) on {finding.host} go on, or restart it"
        return advice("application", finding.host, summary, [shell("kill", "-CONT", process.pid)])
    if process:
        summary = f"see why {process.name} (pid {process.pid}) on {finding.host} accepts no connection (stuck, or without a free worker)"
        return advice("application", finding.host, summary)
    return advice(
        "application",
        finding.host,
        "look whether the application is stuck, has no worker left, or waits for a lookup of the client's name before it greets",
    )


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
        "let {client} in by a line of /etc/hosts.allow, such as {daemon}: {client}, or take it out of /etc/hosts.deny; both are read "
        "for each connection",
        ("grep", "-n", "^[^#]", "/etc/hosts.allow", "/etc/hosts.deny"),
    ),
}


def service_refuses(case: Case, finding: Finding) -> Fix | None:
    refusal = finding.about(Refusal)
    if refusal is None or refusal.kind not in _REFUSALS:
        return None
    summary, command = _REFUSALS[refusal.kind]
    words = {"target": case.target, "port": case.server_port, "client": case.client_address or case.client.name}
    text = summary.format(daemon=refusal.process or "DAEMON", **words)
    return advice("application", finding.host, text, [shell(*(word.format(**words) for word in command))] if command else [])


def turned_away(case: Case, finding: Finding) -> Fix:
    return advice(
        "advice",
        finding.host,
        f"look whether {case.target} limits connections of one source or locks it out, and exempt {case.client.name} from it, or lower "
        "diagnose_attempts and diagnose_connects (docs/attempts.md)",
    )


def longer_backlog(process: Process | None, port: int) -> str:
    """The line that asks for more room in the accept queue, in words that go on a sentence; empty for a program that is not known."""
    return _line(_BACKLOG, process, address="", socket="", port=port)


def more_connections(process: Process | None) -> str:
    """The line that raises a program's limit of connections, likewise."""
    return _line(_CONNECTIONS, process, address="", socket="", port="")


def _line(lines: dict[str, tuple[str, str]], process: Process | None, **values: object) -> str:
    line, file = lines.get(process.name if process else "", ("", ""))
    return f": write {line.format(**values)} into {file}" if line else ""
