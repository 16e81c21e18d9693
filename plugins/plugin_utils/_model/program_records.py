# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What programs on the handshakes' ports do with connections, as typed records (docs/evidence.md)."""

from __future__ import annotations

from dataclasses import dataclass

from .prose import Prose
from .records import Count, IpAddress, Port


@dataclass(frozen=True)
class OwnSetting:
    """What has a program not listen on TCP: an argument of it, or a line of a file."""

    text: Prose
    file: str | None = None
    line: Count | None = None


@dataclass(frozen=True)
class Relay:
    """A program that takes connections on a port of ours, and passes each on to ``address``, port ``to``, by its command line."""

    port: Port
    program: str
    pid: Count
    address: IpAddress
    to: Port


@dataclass(frozen=True, kw_only=True)
class SshSession:
    """A connection of an ssh or sshd that takes connections on a port of ours; ``unanswered``: how often its oldest data was repeated in
    vain."""

    program: str
    pid: Count
    address: IpAddress
    port: Port
    local_port: Port
    unanswered: Count


@dataclass(frozen=True)
class WrapperRule:
    """A rule of TCP wrappers; ``options``: it has more than lists of daemons and clients; ``partial``: not all of it, or of those that
    follow in its file, is known."""

    file: str
    line: Count
    daemons: tuple[str, ...]
    clients: tuple[str, ...]
    options: bool
    partial: bool = False


@dataclass(frozen=True)
class WrappedProgram:
    """A program on our ports that has TCP wrappers decide, and their rules in order."""

    pid: Count
    program: str
    rules: tuple[WrapperRule, ...]


@dataclass(frozen=True, kw_only=True)
class Call:
    """Connections that a program on our ports has begun from ``source``, and that nobody has answered so far.

    ``local_ports``: theirs, if not too many; none in evidence of older versions.
    """

    program: str
    pid: Count
    source: IpAddress
    address: IpAddress
    port: Port
    count: Count
    local_ports: tuple[Port, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """How many sockets processes of a program on our ports have connected to port 53 of a nameserver."""

    program: str
    pid: Count
    nameserver: IpAddress
    count: Count


@dataclass(frozen=True, kw_only=True)
class TurnedAway:
    """A client whose connections to a port a program has ended by its own rules, as it logs.

    ``module``: of the program, which has the rules; ``address``: at which it listens, if for all of them that of none, None: not known;
    ``zone``: of a limit of connections.
    """

    program: str
    pids: tuple[Count, ...]
    module: str
    client: IpAddress
    port: Port
    address: IpAddress | None = None
    zone: str | None = None
    times: tuple[Count, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit of connections that a program on our ports has reached: by its count of them, or by lines that it logged (``times``).

    ``port``: the only one that it is about; ``section``: of the program's configuration.
    """

    program: str
    pids: tuple[Count, ...]
    setting: str
    most: Count
    port: Port | None = None
    section: str | None = None
    used: Count | None = None
    file: str | None = None
    line: Count | None = None
    times: tuple[Count, ...] = ()
