# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Socket units of systemd: a drop-in says where else they listen, or how many connections they take."""

from __future__ import annotations

from .._model.fixes import Fix
from .._model.socket_subjects import FullUnit
from .._model.unit_records import SocketUnit
from .._values.words import endpoint
from . import fit
from .drop_ins import drop_in
from .make import advice, shell


def listening_at(host: str, unit: SocketUnit, address: str) -> Fix:
    """Have systemd listen where clients dial. The service's own configuration does not count, and a socket does not start while it runs."""
    if unit.device:
        what, lines = "device", ["BindToDevice="]
    else:
        what = f"listen-{address}-{unit.port}"
        lines = [f"ListenStream={endpoint(address, unit.port)}", *(["BindIPv6Only=ipv6-only"] if ":" in address else [])]
    summary = (
        f"it is systemd that listens: set {' and '.join(lines)} in a drop-in for {unit.unit} on {host}, stop "
        f"{unit.service or 'its service'} and {unit.unit}, and start {unit.unit}"
    )
    check = f"{shell('systemctl', 'show', '--property=Listen,BindToDevice', unit.unit)} has it"
    return advice("service", host, summary, _dropped_in(unit, what, lines), check=check)


def taking_more(host: str, limit: FullUnit) -> Fix:
    """Have systemd take more connections at once, all together or of one client."""
    unit, lines = limit.unit, [f"{limit.setting}={4 * (limit.most or 1)}"]
    summary = (
        f"raise {limit.setting}= of {unit.unit} on {host}, which is {limit.most}, if so many are to be expected; or see why the "
        f"connections that there are do not end"
    )
    commands = (shell("systemctl", "list-units", f"{unit.unit.rpartition('.')[0]}@*"), *_dropped_in(unit, limit.setting, lines))
    return advice("service", host, summary, commands if fit.unit(unit.unit) else ())


def _dropped_in(unit: SocketUnit, what: str, lines: list[str]) -> tuple[str, ...]:
    service = unit.service if fit.unit(unit.service) and "@" not in (unit.service or "") else None
    if not fit.unit(unit.unit):
        return ()
    return (
        drop_in(unit.unit, "Socket", what, lines),
        shell("systemctl", "daemon-reload"),
        f"{shell('systemctl', 'stop', *filter(None, (service, unit.unit)))} && {shell('systemctl', 'start', unit.unit)}",
    )
