# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What findings about names and their addresses are about: what their fixes cannot work out from the case."""

from __future__ import annotations

from dataclasses import dataclass

from .probe_records import OverlookedLine, Unconfigured
from .socket_records import Process


@dataclass(frozen=True, kw_only=True)
class Unresolved:
    """A name without an address; ``waiting``: the resolver had not answered when we stopped waiting.

    ``unasked``: what nsswitch.conf has for hosts, where nameservers have the name and the resolver does not use it. ``cut``: nameservers
    whose answers do not fit into UDP and that take no TCP. ``unconfigured``: resolv.conf names no nameserver. ``passed_over``: its
    line for one that would do, which the C library does not heed. ``own``: the client's own
    program that is to answer at a loopback address, and does not. ``known``: nameservers know the name, and no address of it.
    ``forbidden``: nameservers to which the client's own kernel lets no query go (EPERM), and ``prohibited``: those for which it has no
    way that is allowed (EACCES). ``user``: as whom it was asked, and ``unreadable``: the
    resolver's files that this user may not read.
    """

    waiting: bool
    unasked: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    unconfigured: Unconfigured | None = None
    passed_over: OverlookedLine | None = None
    own: Process | None = None
    known: bool = False
    forbidden: tuple[str, ...] = ()
    prohibited: tuple[str, ...] = ()
    user: str | None = None
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resolved:
    """A name that resolves to another machine's address, by the client's hosts file, by its search list, or neither."""

    by_hosts_file: bool
    domain: str | None = None  # of the search list, which was appended to the name
    joined: str | None = None  # an address with which its line of the hosts file should begin, and which stands behind another word


@dataclass(frozen=True)
class SlowNames:
    """A resolver that takes long, and the addresses of the nameservers that do not answer it."""

    dead: tuple[str, ...]
