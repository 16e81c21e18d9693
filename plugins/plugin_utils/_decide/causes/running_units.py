# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Units that run, and listen elsewhere than they should, or nowhere so far."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.socket_subjects import RunningUnit
from ..._model.unit_records import Unit
from ..._values.words import plural
from .units import listening_sockets, of_port


def where(running: RunningUnit, port: int | None = None) -> str:
    """Where a unit that runs listens, which is not on the flow's ``port``."""
    if running.unit.ran_out:
        return f"{running.unit.unit} is active, but has no process any more (exited)"
    young = f" yet, {running.unit.runs_s:.0f} s after its start" if running.unit.young else ""
    files = ", whose files have the port," if young and running.unit.how == "text" else ""
    ports = f"listens on {_listed(running.ports)}" if running.ports else f"listens on no TCP port{young}"
    through = f" through {running.socket}" if running.socket else ""
    return f"{running.unit.unit}{files} {ports}{through}" + (f", not on {port}" if port and running.ports else "")


def listening_elsewhere(server: Host, port: int) -> RunningUnit | None:
    """The unit that runs and should listen on the port, and does so on others. One that is only known to use the port must have others."""
    for unit in of_port(server, port):
        sockets = listening_sockets(unit)
        by_socket = sorted({stream.port for each in sockets for stream in each.listens})
        own = _ports_of(server, unit) if unit.active == "active" else ()
        if port in by_socket:
            continue
        if by_socket:
            return RunningUnit(unit, tuple(by_socket), sockets[0].unit)
        if unit.active == "active" and unit.listens:
            return RunningUnit(unit, tuple(sorted({stream.port for stream in unit.listens})), None)
        if _may_be_a_client(unit):
            continue
        if own or (own is not None and unit.active == "active" and unit.how == "declared"):
            return RunningUnit(unit, own, None)
    return None


def _may_be_a_client(unit: Unit) -> bool:
    """A unit that runs as it should, and is only known for the port in its files: that may be the one to which it connects."""
    return unit.how == "text" and unit.active == "active" and not unit.restarts


def not_yet(server: Host, port: int) -> RunningUnit | None:
    """The unit that has been started only just, has the port in its files, or is one that uses it, and listens nowhere so far."""
    young = (unit for unit in of_port(server, port) if unit.young and unit.how != "declared" and not listening_sockets(unit))
    return next((RunningUnit(unit, (), None) for unit in young if _ports_of(server, unit) == ()), None)


def _ports_of(server: Host, unit: Unit) -> tuple[int, ...] | None:
    """Where a unit's processes listen; None where the owners of some listeners are unknown and none of the others is its."""
    listeners = (server.snapshot.listeners if server.snapshot else None) or ()
    ports = {each.port for each in listeners for process in each.processes or () if process.unit == unit.unit}
    all_known = all(each.processes is not None for each in listeners) and all(each.what != "listeners" for each in server.absent)
    if not ports and not all_known:
        return None
    return tuple(sorted(ports))


def _listed(ports: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, ports[:5]))
    return shown + (f" and {plural(len(ports) - 5, 'other')}" if len(ports) > 5 else "")
