# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Clients whom TCP wrappers refuse: the first rule that fits decides, hosts.allow ahead of hosts.deny (hosts_access(5))."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from ..._model.host import Host
from ..._model.program_records import WrapperRule
from ..case import Case
from .xinetd import service_of

_DENY = "/etc/hosts.deny"
_ALL, _EXCEPT = "ALL", "EXCEPT"
_WILDCARDS = frozenset("*?/")


def refused_by(case: Case, server: Host) -> WrapperRule | None:
    """The rule that refuses the client, where that is sure of the rules."""
    pids = {process.pid for each in case.listeners_on_port() or () for process in each.processes or ()}
    program = next((each for each in (server.snapshot.wrapped if server.snapshot else None) or () if each.pid in pids), None)
    client = case.client_address
    if program is None or client is None:
        return None
    service = service_of(case)
    names = {program.program, *([service.service] if service else ())}
    for rule in program.rules:
        fits = None if rule.partial else _both(_among(rule.daemons, names), _covers(rule.clients, client))
        if fits is None or (fits and rule.options):  # its options may say otherwise
            return None
        if fits:
            return rule if rule.file == _DENY else None
    return None


def _both(one: bool | None, other: bool | None) -> bool | None:
    return False if one is False or other is False else None if one is None or other is None else True


def _among(daemons: Sequence[str], names: set[str]) -> bool | None:
    """Whether patterns cover a daemon; None where that depends on the address at which it is dialled, or takes more than names."""
    if _EXCEPT in map(str.upper, daemons):
        return None
    known = {name.lower() for name in names}
    found = [_is_one(each.lower(), known) for each in daemons]
    return True if True in found else None if None in found else False


def _is_one(daemon: str, names: set[str]) -> bool | None:
    name, at, _address = daemon.partition("@")
    if name == _ALL.lower() or name in names:
        return None if at else True
    pattern = not name or name.startswith(".") or name.endswith(".") or _WILDCARDS.intersection(name)  # of more than one name
    return None if pattern else False


def _covers(patterns: Sequence[str], client: str) -> bool | None:
    """Whether patterns cover an address; None where that depends on names."""
    if _EXCEPT in map(str.upper, patterns):
        return None
    found = [_covered(each, client) for each in patterns]
    return True if True in found else None if None in found else False


def _covered(pattern: str, client: str) -> bool | None:
    if pattern.upper() == _ALL:
        return True
    if pattern.endswith(".") and pattern[:1].isdigit():
        return client.startswith(pattern)
    try:
        address = ipaddress.ip_address(client)
        network = ipaddress.ip_network(pattern.replace("[", "").replace("]", ""))  # one with bits of a host fits nobody, or all
    except ValueError:
        return None
    mask = pattern.rpartition("/")[2]
    if "." in mask and "/" in pattern and mask != str(network.netmask):
        return None  # bits of a host as well: as a mask of the network, it fits hardly anybody
    return address.version == network.version and address in network
