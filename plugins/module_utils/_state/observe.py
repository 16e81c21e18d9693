# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""One host's part in the flows as it should stay: `state` of docs/drift.md. The work of the phase `state` of a work order."""

from __future__ import annotations

import typing as t

from .._commands import Run
from .._connect import resolve
from .._errors import ObserveError
from .._host import snapshot as _snapshot
from .._host import sysctls
from .._wire.addresses import canonical
from .._work.dials import dials_of
from . import boot, distil, services
from .boot_firewalld import NETWORK_MANAGER

Order = t.Mapping[str, t.Any]
Record = t.Dict[str, t.Any]

# Parts of a snapshot that a state has nothing of.
NOT_STATE = ("conntrack", "counters", "ephemeral", "links", "netns", "other_namespaces", "socket_counts", "sockets", "units")


def observe(order: Order, run: Run) -> Record:
    """{"state", "absent"}; never raises for what cannot be observed: a part that is missing in the state is named in `absent`."""
    refused: list[dict[str, str]] = []
    resolved = resolve.resolve(dials_of(order, refused))
    snapshot, absent = _snapshot.take({**order, "lasting": True}, owners=True, run=run, destinations=_snapshot.destinations_of(resolved))
    absent += refused
    state: Record = {"names": _names(resolved, absent)}
    serves = "open" in order["phases"]
    if serves and "listeners" in snapshot:
        state["listeners"] = distil.listeners(snapshot["listeners"], set(order["ports"]))
    verdicts = (snapshot.get("firewall") or {}).get("verdicts")
    if verdicts is not None:
        state["firewall"] = distil.verdicts(verdicts, {each.dial.identity.uid for each in resolved if each.dial.identity})
    routes = snapshot.get("routes", [])
    if "routes" in snapshot:
        state["routes"] = distil.routes(routes)
    if "neighbours" in snapshot:
        state["neighbours"] = distil.neighbours(routes, snapshot["neighbours"])
    interfaces = distil.used_interfaces(routes) | set(order.get("interfaces") or ())
    state["sysctls"] = sysctls.read(sorted(interfaces))[0]
    try:
        ports = _ports_of(order, snapshot, state.get("listeners", ()))
        units = services.read({*ports, *(order.get("services") or ()), *services.FIREWALLS, NETWORK_MANAGER}, run)
    except ObserveError as error:
        absent.append({"what": "services and what a reboot would change", "why": str(error)})
    else:
        state["services"] = {
            name: {"active": unit.active, "enabled": unit.enabled, **({"ports": sorted(ports[name])} if name in ports else {})}
            for name, unit in sorted(units.items())
            if name != NETWORK_MANAGER
        }
        state["reboot"], lacking = boot.changes(boot.Host(units, state.get("sysctls", {}), interfaces, verdicts or (), run))
        absent += lacking
    return {"state": state, "absent": [each for each in absent if each["what"] not in NOT_STATE]}


def _names(resolved: t.Sequence[resolve.Resolved], absent: list[dict[str, str]]) -> dict[str, list[str]]:
    """What the names that are dialled mean here."""
    found: dict[str, list[str]] = {}
    for each in resolved:
        addresses = sorted({canonical(address[0]) for _family, address in each.targets})
        if each.error:
            absent.append({"what": f"name {each.dial.address}", "why": f"{each.error}: {each.message}"})
        elif addresses != [each.dial.address]:
            found[each.dial.address] = sorted({*found.get(each.dial.address, ()), *addresses})
    return dict(sorted(found.items()))


def _ports_of(order: Order, snapshot: t.Mapping[str, t.Any], listeners: t.Iterable[Record]) -> dict[str, set[int]]:
    """System units -> the ports of flows that they serve: those that listen, are declared, or should listen where nobody does."""
    found: dict[str, set[int]] = {}
    ties = [(unit, int(port)) for port, unit in (order.get("units") or {}).items()]
    ties += [(each["unit"], each["port"]) for each in listeners if each.get("unit")]
    ties += [(each["unit"], each["port"]) for each in snapshot.get("units", ()) if each["how"] in ("declared", "text", "socket")]
    for unit, port in ties:
        if "/" not in unit and "*" not in unit:
            found.setdefault(unit, set()).add(port)
    return found
