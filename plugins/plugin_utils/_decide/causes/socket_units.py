# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Socket units of systemd: the one by which a socket listens, which says where, and how many connections it takes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from ..._model.host import Host
from ..._model.socket_records import Listener
from ..._model.socket_subjects import FullUnit
from ..._model.unit_records import SocketUnit
from ..._values.words import endpoint
from ..finding import Evidence, Weight


def behind(server: Host, listener: Listener) -> SocketUnit | None:
    """The unit by which systemd has a socket listen, whoever has it by now."""
    known = (server.snapshot.socket_units if server.snapshot else None) or ()
    return next((unit for unit in known if unit.port == listener.port and _same(unit.address, listener.address)), None)


def by_instances(server: Host, listener: Listener) -> SocketUnit | None:
    """The same, where systemd starts an instance of a service for each connection."""
    unit = behind(server, listener)
    return unit if unit and unit.instances else None


def turning_away(server: Host, listener: Listener) -> FullUnit | None:
    """The unit by which a socket listens, where it takes no more connections: it counted some that it refused while the attempts ran.

    It counts alike those that are too many all together, and those that are too many of one client.
    """
    unit, was = behind(server, listener), (server.before.socket_units if server.before else None) or ()
    before = next((each for each in was if unit and each.unit == unit.unit), None)
    if unit is None or unit.most is None or before is None or (unit.refused or 0) <= (before.refused or 0):
        return None
    if unit.per_source == 0 or max(unit.connections or 0, before.connections or 0) >= unit.most:
        return FullUnit(unit, "MaxConnections", unit.most)
    return FullUnit(unit, "MaxConnectionsPerSource", unit.per_source) if unit.per_source else None


def in_words(unit: SocketUnit) -> str:
    """``orders.socket has ListenStream=127.0.0.1:5432 (/etc/systemd/system/orders.socket)``"""
    more = (f"BindToDevice={unit.device}" if unit.device else "", "BindIPv6Only=ipv6-only" if unit.only_ipv6 else "")
    free = "FreeBind=yes" if unit.free_bind else ""
    stream = f"ListenStream={unit.port if ip_address(unit.address).is_unspecified else endpoint(unit.address, unit.port)}"
    settings = ", ".join(filter(None, (stream, *more, free)))
    return f"{unit.unit} has {settings}" + (f" ({', '.join(unit.files[:3])})" if unit.files else "")


def shown(server: Host, unit: SocketUnit) -> Iterator[Evidence]:
    yield Evidence(server.name, "systemd", in_words(unit))
    if unit.most is not None:
        each = f", MaxConnectionsPerSource={unit.per_source}" if unit.per_source else ""
        said = f"MaxConnections={unit.most}{each}: {unit.connections} now, {unit.refused} refused since its start"
        yield Evidence(server.name, "systemd", f"{unit.unit} has Accept=yes, {said}")


def last_words(server: Host, unit: SocketUnit) -> Iterator[Evidence]:
    """Of the instances that it has started."""
    for line in unit.log[-3:]:
        yield Evidence(server.name, f"journal of {unit.instances}", line, Weight.WORDS)


def _same(one: str, other: str) -> bool:
    return one == other or (ip_address(one).is_unspecified and ip_address(other).is_unspecified)
