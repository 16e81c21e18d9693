# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The systemd units that belong to a port, and what xinetd and balancers say of it, as typed records (docs/evidence.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ansible_collections.threeway.handshake.plugins.module_utils._host.unit_states import YOUNG_S

from .prose import Prose
from .records import Count, IpAddress, Port, whole

_AT_ONCE_S = 2.0


@dataclass(frozen=True)
class Stream:
    """Where a socket unit listens."""

    port: Port
    address: str | None = None


@dataclass(frozen=True)
class Preparation:
    """A command that systemd runs ahead of a unit's main process, and that failed."""

    command: str
    status: Count


@dataclass(frozen=True, kw_only=True)
class Relative:
    """A unit with which another one is tied; ``tie``: triggered_by, triggers, requires, waits_for."""

    unit: str
    tie: str
    active: str | None = None
    result: str | None = None
    status: Count | None = None
    listens: tuple[Stream, ...] = ()
    log: tuple[Prose, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Confined:
    """What systemd forbids a unit's processes that those need which listen. ``user``: None for root; ``capable``: they have
    CAP_NET_BIND_SERVICE all the same; ``families``: address families as in RestrictAddressFamilies=."""

    user: str | None = None
    capable: bool = False
    families: str | None = None

    def lacks_family(self, family: str) -> bool:
        """Whether its processes can have no socket of this family, such as AF_INET6."""
        if self.families is None:
            return False
        return (family in self.families.lstrip("~").split()) == self.families.startswith("~")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit that belongs to a port. ``prepared``: what failed ahead of its main process; ``unmet``: a condition of it; ``queued``: its
    start waits for other jobs; ``once``: it is to end; ``ended_s``: when its main process did, or a socket unit failed to listen, in
    seconds of the host's uptime; ``runs_s``: for how long it has run so far; ``outdated``: its files have changed since systemd read them;
    ``reload``: the result of its last reload."""

    port: Port
    unit: str
    how: str
    load: str | None = None
    active: str | None = None
    sub: str | None = None
    result: str | None = None
    log: tuple[Prose, ...] = ()
    status: Count | None = None
    code: str | None = None
    ran_s: float | None = None
    ended_s: float | None = None
    runs_s: float | None = None
    restarts: Count | None = None
    once: bool = False
    unmet: bool = False
    queued: bool = False
    outdated: bool = False
    reload: str | None = None
    prepared: Preparation | None = None
    confined: Confined = Confined()
    listens: tuple[Stream, ...] = ()
    relatives: tuple[Relative, ...] = ()

    @property
    def held_up(self) -> Literal["queued", "unmet", "requires"] | None:
        """What keeps it from being started: other jobs, a condition, or a unit that it requires.

        Conditions are looked at only once the others are done: where its start is queued, one that was not met is of the start before.
        """
        if self.queued:
            return "queued"
        return "unmet" if self.unmet else "requires" if self.active != "active" and self.missing else None

    @property
    def missing(self) -> Relative | None:
        """The unit that it requires, and that does not run."""
        return next((each for each in self.relatives if each.tie == "requires"), None)

    @property
    def waits_for(self) -> str:
        """What comes ahead of it where its start is queued, and is not done."""
        ahead = [f"{each.unit} ({each.active})" for each in self.relatives if each.tie == "waits_for"]
        return " and ".join(ahead) or "other jobs of systemd"

    @property
    def ran_out(self) -> bool:
        """Whether systemd has it for active although all its processes have ended, as it does with init scripts and RemainAfterExit=."""
        return self.active == "active" and self.sub == "exited" and not self.listens

    @property
    def young(self) -> bool:
        """Whether its process has run for so short a time that it may only come to listen."""
        return self.runs_s is not None and self.runs_s < YOUNG_S

    @property
    def left_at_once(self) -> bool:
        """Whether its main process was done as soon as it ran: what it had put into the background systemd ended with it."""
        done = self.active == "inactive" and self.code == "exited" and self.status == 0 and not self.once
        return done and self.ran_s is not None and self.ran_s < _AT_ONCE_S


@dataclass(frozen=True, kw_only=True)
class SocketUnit:
    """Where a socket unit of systemd has it listen on one of our ports. ``most``, ``per_source``, ``connections``, ``refused``: of one
    that starts an instance for each connection, ``per_source`` 0: it has no such limit; ``log``: the last lines of these instances;
    ``files``: where it is written."""

    port: Port
    address: IpAddress
    unit: str
    service: str | None = None
    device: str | None = None
    free_bind: bool = False
    only_ipv6: bool = False
    most: Count | None = None
    per_source: Count | None = None
    connections: Count | None = None
    refused: Count | None = None
    files: tuple[str, ...] = ()
    log: tuple[Prose, ...] = ()

    @property
    def instances(self) -> str | None:
        """What it starts for each connection."""
        return None if self.most is None else f"{self.unit.rpartition('.')[0]}@.service"


@dataclass(frozen=True, kw_only=True)
class BalancedServer:
    """A server behind a balancer on one of our ports, as the balancer itself has it.

    HAProxy: ``status`` of its "show stat"; ``check`` and ``told`` are of its last check; ``connects``: how often it has called connect() to
    serve a client (since HAProxy 1.9), checks left out, and ``failed``: how many of these failed. nginx, which names none: ``status`` is
    the number
    of the error of the last connect(), which was for ``client``. ``pids``: of the processes that have the balancer's listeners, as several
    balancers may run there; none in evidence of older versions. ``times``: the seconds in which nginx logged it. ``call`` and ``error``:
    ``bind`` or ``connect``, and the number of the error with which it failed, in the last check or the logged attempt.
    """

    program: str
    proxy: str | None
    server: str | None
    address: IpAddress | None
    port: Port | None
    up: bool
    status: str
    check: str | None = None
    told: Prose | None = None
    client: IpAddress | None = None
    connects: Count | None = None
    failed: Count | None = None
    pids: tuple[Count, ...] = ()
    times: tuple[Count, ...] = ()
    call: str | None = None
    error: Count | None = None

    @property
    def errno(self) -> int | None:
        """What its host's kernel said to the last attempt, as far as it is known."""
        return whole(self.status) if self.program == "nginx" else self.error

    @property
    def set_aside(self) -> bool:
        """Whether an administrator has HAProxy send it no new connections ("MAINT (via other/one)": with another one)."""
        return self.program == "haproxy" and self.status.partition(" (")[0] in ("MAINT", "DRAIN") and not self.unresolved

    @property
    def unresolved(self) -> bool:
        """Whether HAProxy has no address for its name."""
        return self.program == "haproxy" and self.status == "MAINT (resolution)"


@dataclass(frozen=True)
class Denials:
    """How many connections the rules of a ``section`` of HAProxy's configuration have turned away since it began, of all ``connections``
    that came to it."""

    pids: tuple[Count, ...]
    section: str
    count: Count
    connections: Count | None = None


@dataclass(frozen=True, kw_only=True)
class XinetdService:
    """A service on one of our ports, as xinetd's files have it; ``only_from`` None: everybody may use it; ``bind``: the address that
    it is to listen on alone, or a name of it; ``cps``: connections a second, for more of which it is switched off for so many seconds;
    ``runs``: whether any xinetd does, of one that is switched on and has no listener."""

    port: Port
    service: str
    file: str
    disabled: bool
    only_from: tuple[str, ...] | None = None
    no_access: tuple[str, ...] | None = None
    bind: str | None = None
    cps: tuple[Count, ...] = ()
    runs: bool | None = None
