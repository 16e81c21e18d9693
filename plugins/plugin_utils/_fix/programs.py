# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Well-known programs: which lines of their configuration decide about handshakes. To add one, add an entry to PROGRAMS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .._model.socket_records import Process


class Directive(NamedTuple):
    """A line of a configuration, with {address}, {socket} (address and port) and {port} to be filled in, and where it belongs."""

    text: str
    file: str

    def instruction(self, **values: object) -> str:
        return f": write {self.text.format(**values)} into {self.file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a program; None or empty for what is not."""

    listen: Directive | None = None
    """On which address it listens."""
    backlog: Directive | None = None
    """How long its accept queue is, where it is longer than by default."""
    connections: Directive | None = None
    """How many connections it takes, where these are more than by default."""
    speaks_and_closes: str = ""
    """Options that can make it send something and close, for the end of a sentence."""
    closes: str = ""
    """Options that can make it close without a byte, likewise."""
    proxy_protocol: str = ""
    """The option that makes it wait for the header of a balancer (PROXY protocol) before anything else."""
    leaves: str = ""
    """What has it leave its port to others."""
    no_lookups: str = ""
    """What keeps it from looking up the names of its clients."""


_MEMCACHED = "its command line (ExecStart= of its unit; on Debian, memcached.conf)"
_APACHE = Known(
    listen=Directive("Listen {socket}", "httpd.conf"),
    backlog=Directive("ListenBacklog 4096", "httpd.conf"),
    connections=Directive("MaxRequestWorkers 400", "the MPM's configuration"),
)
_MYSQL = Known(
    listen=Directive("bind-address = {address}", "my.cnf, section mysqld"),
    backlog=Directive("back_log = 4096", "my.cnf, section mysqld"),
    connections=Directive("max_connections = 1000", "my.cnf, section mysqld"),
    speaks_and_closes="max_connections, and hosts that it has blocked (mysqladmin flush-hosts)",
    no_lookups="skip-name-resolve in my.cnf, section mysqld",
)
_PUBLISHED = Known(
    listen=Directive(
        "{port}:PORT in place of 127.0.0.1:{port}:PORT",
        "ports: of the compose file, or -p of the command that runs the container, and make the container again",
    )
)
PROGRAMS: Mapping[str, Known] = {
    "apache2": Known(
        listen=Directive("Listen {socket}", "ports.conf"),
        backlog=Directive("ListenBacklog 4096", "apache2.conf"),
        connections=_APACHE.connections,
    ),
    "dnsmasq": Known(
        closes="local-service, with which it serves clients of its own networks only, as Debian's does by default: interface= or "
        "listen-address= in dnsmasq.conf in place of it; interface= and except-interface=, where they name other interfaces",
    ),
    "docker-proxy": _PUBLISHED,
    "exim4": Known(no_lookups="no host_lookup in its configuration"),
    "haproxy": Known(
        listen=Directive("bind {socket}", "the frontend"),
        backlog=Directive("backlog 4096", "the frontend"),
        connections=Directive("maxconn 20000", "the sections global and frontend"),
        closes="tcp-request connection reject, and the servers behind it",
        proxy_protocol="bind ... accept-proxy",
    ),
    "httpd": _APACHE,
    "mariadbd": _MYSQL,
    "memcached": Known(
        listen=Directive("-l {address}", _MEMCACHED),
        backlog=Directive("-b 4096", _MEMCACHED),
        connections=Directive("-c 4096", _MEMCACHED),
    ),
    "mongod": Known(listen=Directive("net.bindIp: {address}", "mongod.conf")),
    "mosquitto": Known(
        listen=Directive("listener {port} {address}", "mosquitto.conf (with allow_anonymous or a password_file, as its version 2 demands)"),
    ),
    "mysqld": _MYSQL,
    "nginx": Known(
        listen=Directive("listen {socket};", "the server block"),
        backlog=Directive("listen {port} backlog=4096;", "the server block"),
        connections=Directive("worker_connections 8192; and worker_rlimit_nofile 16384;", "nginx.conf"),
        closes="allow and deny of the server block, limit_conn, and the servers behind it",
        proxy_protocol="listen ... proxy_protocol",
    ),
    "pihole-FTL": Known(closes="dns.listeningMode, which is LOCAL by default: clients of other networks are served with ALL, or SINGLE"),
    "postgres": Known(listen=Directive("listen_addresses = '{address}'", "postgresql.conf")),
    "proftpd": Known(no_lookups="UseReverseDNS off in proftpd.conf"),
    "redis-server": Known(
        listen=Directive("bind {address}", "redis.conf"),
        backlog=Directive("tcp-backlog 4096", "redis.conf"),
        connections=Directive("maxclients 20000", "redis.conf"),
        speaks_and_closes="protected-mode (without a password it takes connections of other hosts only with bind ADDRESS), maxclients",
    ),
    "rootlessport": _PUBLISHED,
    "socat": Known(closes="range= and tcpwrap= of its address, and what it connects to"),
    "ssh": Known(closes="what the forwarded port (-L) leads to, as its other end sees it"),
    "sshd": Known(
        listen=Directive("ListenAddress {socket}", "sshd_config"),
        speaks_and_closes="MaxStartups (of connections that are not authenticated), PerSourceMaxStartups and LoginGraceTime of "
        "sshd_config, TCP wrappers",
        closes="what a forwarded port leads to (ssh -L, -R), TCP wrappers, MaxStartups",
        no_lookups="no names in /etc/hosts.allow and hosts.deny, UseDNS no in sshd_config",
    ),
    "stunnel4": Known(closes="the service's connect= in stunnel.conf, and TCP wrappers"),
    "systemd-resolve": Known(leaves="DNSStubListener=no in resolved.conf"),
    "unbound": Known(
        connections=Directive("incoming-num-tcp: 100", "unbound.conf, section server"),
        closes="tcp-connection-limit in unbound.conf",
    ),
    "vsftpd": Known(no_lookups="reverse_lookup_enable=NO in vsftpd.conf"),
    "xinetd": Known(no_lookups="no names in /etc/hosts.allow and hosts.deny"),
}
"""By the name of the process."""
_UNKNOWN = Known()


def by_name(name: str) -> Known:
    """What is known of a program, which may be nothing."""
    return PROGRAMS.get(name, _UNKNOWN)


def known(process: Process | None) -> Known:
    """What is known of a process by its name; nothing, where it is another one's or unknown."""
    return by_name(process.name if process else "")


def other_address(process: Process | None, address: str, socket: str, port: int) -> str:
    """The line that has it listen there, as the end of a sentence; empty for a program that is not known."""
    line = known(process).listen
    return line.instruction(address=address, socket=socket, port=port) if line else ""


def longer_backlog(process: Process | None, port: int) -> str:
    """The line that asks for more room in the accept queue, likewise."""
    line = known(process).backlog
    return line.instruction(port=port) if line else ""


def more_connections(process: Process | None) -> str:
    """The line that raises a program's limit of connections, likewise."""
    line = known(process).connections
    return line.instruction() if line else ""
