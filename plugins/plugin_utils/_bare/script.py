# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The one script that a POSIX shell runs in the place of a snapshot. Every part of its output is bounded, and begins with a marker."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._host.sysctls import HOST_WIDE, PER_INTERFACE
from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

MARKER = "@@handshake "
MOST_ROUTES = 64
MOST_LINES = 500
_MOST_PORTS = 64

_BEGINNING = r"""
LC_ALL=C PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin; export LC_ALL PATH
at() { echo; echo "@@handshake $1"; }
at time; date +%s
at kernel; uname -r
at machine; uname -m
at uid; id -u
at netns; readlink /proc/self/ns/net
at boot; cat /proc/sys/kernel/random/boot_id
at netstat; cat /proc/net/netstat
at snmp; cat /proc/net/snmp
at snmp6; cat /proc/net/snmp6
at softnet; cat /proc/net/softnet_stat
at links; ip -o link show | head -n 200
at addresses; ip -o addr show | head -n 500
at neighbours; ip neigh show | head -n 500
at ss; ss -H -l -t -n -e | head -n 500
at listeners; grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6 | head -n 500
"""


def snapshot_script(order: Mapping[str, Any], names: Iterable[str] = ()) -> str:
    """What is asked of a host for its work order. ``names``: those to resolve."""
    lines = [_BEGINNING.strip()]
    ports = [port for port in order.get("ports") or () if isinstance(port, int)][:_MOST_PORTS]
    if ports:
        wanted = "|".join(f"{port:04X}" for port in ports)
        lines += ["at sockets", f"grep -h -E ':({wanted}) ' /proc/net/tcp /proc/net/tcp6 | grep -v ' 0A ' | head -n 500"]
    lines += [
        "at sysctls",
        f"cd /proc/sys && grep -H . {' '.join(_sysctl_paths())} | head -n 1000",
    ]
    for local, remote in questions(order):
        asked = f"ip route get {shlex.quote(remote)}" + (f" from {shlex.quote(local)}" if local else "")
        lines += [f"at {shlex.quote(route_title(local, remote))}", f"{asked} 2>&1 | head -n 3"]
    for name in names:
        lines += [f"at {shlex.quote(f'name {name}')}", f"getent ahosts {shlex.quote(name)} 2>/dev/null | head -n 32"]
    return "\n".join([*lines, "at end"])


def route_title(local: str | None, remote: str) -> str:
    return f"route {local or '-'} {remote}"


def questions(order: Mapping[str, Any]) -> list[tuple[str | None, str]]:
    """The ways that the order asks for, and those to what a client dials by address."""
    pairs = [(pair["local"], pair["remote"]) for pair in order.get("pairs") or () if not pair.get("mark")]
    dials = [(None, found) for dial in order.get("dials") or () if (found := canonical_or_none(dial["address"]))]
    return list(dict.fromkeys((*pairs, *dials)))[:MOST_ROUTES]


def _sysctl_paths() -> list[str]:
    """Relative to /proc/sys; the shell knows the interfaces. An interface's name may contain dots, and no slash."""
    wide = [name.replace(".", "/") for name in HOST_WIDE.split()]
    return [*wide, *(f"{stem.replace('.', '/')}/*/{name}" for stem, names in PER_INTERFACE.items() for name in names.split())]
