# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Socket units that systemd could not bind to an address, which the host has by now."""

from __future__ import annotations

from .._model.fixes import Fix
from .._model.host import Host
from .._model.unit_records import Unit
from . import fit
from .make import advice, shell


def bound_early(host: Host, unit: Unit) -> Fix | None:
    """systemd makes sockets before networks are up, and does not try again."""
    address = _not_bound(host, unit)
    if address is None:
        return None
    name = unit.unit
    directory = f"/etc/systemd/system/{name}.d"
    return advice(
        "service",
        host.name,
        f"start {name} on {host.name}, which has {address} now, and let it listen there before the address is configured (FreeBind=yes)",
        (
            f"mkdir -p {shell(directory)} && printf '[Socket]\\nFreeBind=yes\\n' > {shell(f'{directory}/free-bind.conf')}",
            shell("systemctl", "daemon-reload"),
            shell("systemctl", "reset-failed", name),
            shell("systemctl", "start", name),
        ),
        why=f"{name} could not be bound to {address}, which {host.name} has now",
        check=f"{shell('systemctl', 'is-active', name)} says active, and so it does after the next boot",
    )


def _not_bound(host: Host, unit: Unit) -> str | None:
    """The one address on which a socket unit is to listen that the host got only after the unit had failed to.

    Its result alone does not say why: that another program has one of its ports gives the same one.
    """
    if unit.result != "resources" or not unit.unit.endswith(".socket") or not fit.unit(unit.unit):
        return None
    late = (each.address for each in unit.listens if each.address and fit.address(each.address) and _came_later(host, unit, each.address))
    return next(late, None)


def _came_later(host: Host, unit: Unit, address: str) -> bool:
    entry = host.interface_of(address)
    return entry is not None and entry.since_s is not None and unit.ended_s is not None and entry.since_s > unit.ended_s
