# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What the module firewall_rule is asked for, read in one way by the module and by the rehearsal of it."""

from __future__ import annotations

import ipaddress
import typing as t

from ..._errors import ObserveError
from .loaded import FAMILIES, Place, checked, checked_interface
from .words import VARIANTS, Accepted

Arguments = t.Mapping[str, t.Any]
VARIANT, FAMILY, TABLE = VARIANTS[0], FAMILIES[2], "filter"
"""What holds where an argument is not given."""


def read(arguments: Arguments) -> tuple[Place, Accepted]:
    """The chain, and the rule that belongs into it. Raises ObserveError."""
    variant, family = _one_of("variant", arguments, VARIANTS, VARIANT), _one_of("family", arguments, FAMILIES, FAMILY)
    place = Place(variant, family, checked(arguments.get("table") or TABLE), checked(arguments.get("chain")))
    source, destination = _address("source", arguments), _address("destination", arguments)
    port, source_port = _port("port", arguments), _port("source_port", arguments)
    if (port is None) == (source_port is None):
        raise ObserveError("give one of port and source_port")
    if variant != VARIANT and family != ("ip6" if ":" in source else "ip"):
        raise ObserveError(f"family is {family}, and {source} is not of it: {variant} keeps ip and ip6 apart")
    ways = [checked_interface(arguments.get(option)) for option in ("in_interface", "out_interface")]
    return place, Accepted(source, destination, port, source_port, bool(arguments.get("established")), *ways)


def _one_of(option: str, arguments: Arguments, known: t.Sequence[str], otherwise: str) -> str:
    given = arguments.get(option) or otherwise
    if given not in known:
        raise ObserveError(f"{option} is {given!r}: give one of {', '.join(known)}")
    return str(given)


def _address(option: str, arguments: Arguments) -> str:
    try:
        return str(ipaddress.ip_address(arguments.get(option) or ""))
    except ValueError as error:
        raise ObserveError(f"{option} is {arguments.get(option)!r}, which is no IP address") from error


def _port(option: str, arguments: Arguments) -> int | None:
    given = arguments.get(option)
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 0 < given < 65536:
        raise ObserveError(f"{option} is {given!r}: give a number from 1 to 65535")
    return given
