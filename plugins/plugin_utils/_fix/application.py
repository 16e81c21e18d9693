# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What an application is told in its own configuration: advice, with the very line where the program is a known one."""

from __future__ import annotations

from .._decide.case import Fix
from .._model.evidence import Host, Process
from .make import advice

_MEMCACHED = "its command line (ExecStart= of its unit; on Debian, memcached.conf)"
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
    "mongod": ("net.bindIp: {address}", "mongod.conf"),
    "memcached": ("-l {address}", _MEMCACHED),
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
    "apache2": ("MaxRequestWorkers 400", "the MPM's configuration"),
    "httpd": ("MaxRequestWorkers 400", "the MPM's configuration"),
    "haproxy": ("maxconn 20000", "the sections global and frontend"),
    "memcached": ("-c 4096", _MEMCACHED),
}


def listening(server: Host, owner: str, process: Process | None, address: str, port: int) -> Fix:
    """Listen on the address that clients dial."""
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    line = _line(_LISTEN, process, address=address, socket=where, port=port)
    summary = f"make {owner} listen on {address} (or on all addresses), port {port}{line}"
    return advice("application", server.name, summary, check=f"ss -ltn shows {where}, or the port on all addresses")


def longer_backlog(process: Process | None, port: int) -> str:
    """The line that asks for more room in the accept queue, in words that go on a sentence; empty for a program that is not known."""
    return _line(_BACKLOG, process, address="", socket="", port=port)


def more_connections(process: Process | None) -> str:
    """The line that raises a program's limit of connections, likewise."""
    return _line(_CONNECTIONS, process, address="", socket="", port="")


def _line(lines: dict[str, tuple[str, str]], process: Process | None, **values: object) -> str:
    line, file = lines.get(process.name if process else "", ("", ""))
    return f": write {line.format(**values)} into {file}" if line else ""
