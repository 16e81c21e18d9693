# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The part of a snapshot about ports: who listens, who should, whose connections there are."""

from __future__ import annotations

import functools
import os
import typing as t

from .._commands import Run
from .._wire.addresses import on_loopback
from . import port_programs
from . import sockets as _sockets
from .inet_diag import MANY_HALF_OPEN, WITHOUT_INET_DIAG
from .snapshot_parts import Absent, End, Order, Parts

MOST_LISTENERS = 200
MOST_BESIDE = 20  # listeners in other network namespaces, on other ports than ours


def add_ports(snapshot: Parts, order: Order, owners: bool, run: Run, rewritten: set[End], closing: bool) -> None:
    """Listeners and sockets of the order's ports, and of those to which the firewall sends SYNs on (`rewritten`).

    With `owners` also whose they are, and who should listen where nobody does, see `snapshot.take`.
    """
    ports = set(order.get("ports") or ())
    wanted = ports | {port for _address, port in rewritten}
    listeners = snapshot.add("listeners", lambda: _sockets.listeners(wanted))
    silent = wanted - {listener["port"] for listener in listeners or ()}
    if listeners is not None and silent:  # what listens instead may explain it
        listeners = snapshot.add("listeners", lambda: _first(_sockets.listeners(), wanted, snapshot))
    if any(listener["send_q"] is None for listener in listeners or ()):
        snapshot.lacks("inet_diag", WITHOUT_INET_DIAG)
    if owners and listeners:
        from . import listener_options
        from . import owners as _owners

        snapshot.absent += _owners.attach(listeners)
        # Options that cannot be read stay null, which says so where a rule asks for them; most diagnoses never do.
        listener_options.attach([listener for listener in listeners if listener["port"] in ports])
        for listener in listeners:
            listener.update(pollers=None, names=[])
        _name([listener for listener in listeners if listener["port"] in ports])
        _crowded(snapshot, [listener for listener in listeners if listener["port"] in ports and _nearly_full(listener)])
    if owners and listeners:
        _of_systemd(snapshot, [listener for listener in listeners if listener["port"] in ports], run)
    if owners and listeners is not None:
        _of_xinetd(snapshot, ports, listeners)
        _of_balancers(snapshot, [listener for listener in listeners if listener["port"] in ports], closing)
        port_programs.add_calls(snapshot, [listener for listener in listeners if listener["port"] in ports])
        port_programs.add_lookups(snapshot, [listener for listener in listeners if listener["port"] in ports])
        if closing:
            _kept(snapshot, [listener for listener in listeners if listener["port"] in ports])
            port_programs.add_tunnels(snapshot, [listener for listener in listeners if listener["port"] in ports])
            port_programs.add_wrapped(snapshot, [listener for listener in listeners if listener["port"] in ports])
        rewritten = rewritten | _of_relays(snapshot, [listener for listener in listeners if listener["port"] in ports])
    if not ports:
        snapshot.parts.update(sockets=[], socket_counts={})
        return
    addresses = set(order.get("addresses") or ())
    if addresses:  # those of clients are often known only after the handshakes
        addresses.update((order.get("interest") or {}).get("addresses") or ())

    def sockets() -> list[dict[str, t.Any]]:
        found, complete = _sockets.sockets(ports, addresses or None)
        if not complete:
            snapshot.lacks("sockets", f"only the first {len(found)} are returned; socket_counts counts all")
        return found

    snapshot.add("sockets", sockets)
    counts = snapshot.add("socket_counts", lambda: _sockets.socket_counts(ports))
    if owners and listeners:
        port_programs.add_used(snapshot, [listener for listener in listeners if listener["port"] in ports], counts or {}, closing)
    if any(states.get("SYN_RECV", 0) >= MANY_HALF_OPEN for states in (counts or {}).values()):
        snapshot.add("half_open", lambda: _sockets.half_open(ports))
    if owners and "open" in order.get("phases", ()):
        own = {each["address"] for each in snapshot.parts.get("addresses") or ()}
        away: set[End] = {(address, port) for address, port in rewritten if address and address not in own}
        silent = ports if listeners is None else silent & ports
        away |= {(address, port) for address in _behind(snapshot) for port in silent}
        _elsewhere(snapshot, silent, away)
        unserved = _unserved(snapshot) | _asleep(listeners or []) | _beside_us(listeners or [], ports, addresses)
        _meant(snapshot, silent, unserved, order.get("units") or {}, run)


def _name(listeners: list[dict[str, t.Any]]) -> None:
    """The names by which programs may have come to listen on a loopback address that nobody else uses, such as 127.0.1.1."""
    unusual = {one["address"] for one in listeners if on_loopback(one["address"])} - {"127.0.0.1", "::1"}
    if not unusual:
        return
    from . import hosts_file

    names = hosts_file.names_of(unusual)
    for one in listeners:
        one["names"] = names.get(one["address"], [])


def _of_systemd(snapshot: Parts, listeners: list[dict[str, t.Any]], run: Run) -> None:
    """The socket units through which systemd listens on our ports, where it may matter."""
    if not any(process["unit"] or process["pid"] == 1 for listener in listeners for process in listener["processes"] or ()):
        return
    from . import socket_units

    ports = socket_units.concerned(listeners)
    if ports:
        snapshot.add("socket_units", lambda: socket_units.read(ports, run))


def _of_xinetd(snapshot: Parts, ports: set[int], listeners: list[dict[str, t.Any]]) -> None:
    """What is said of our ports where xinetd may listen on them."""
    from . import xinetd

    if os.path.exists(xinetd.CONFIGURATION):
        snapshot.add("xinetd", lambda: xinetd.read(ports, listeners))


def _of_balancers(snapshot: Parts, listeners: list[dict[str, t.Any]], closing: bool) -> None:
    """What a balancer that takes handshakes on our ports says of the servers behind it."""
    names = {process["name"] for listener in listeners for process in listener["processes"] or ()}
    if "haproxy" in names:
        from . import haproxy

        snapshot.add_partial("balancers", lambda: haproxy.read(listeners))
        snapshot.add("denials", lambda: haproxy.denials(listeners))
    if "nginx" in names and closing:
        from . import nginx

        snapshot.add("turned_away", lambda: nginx.turned_away(listeners))
        failed = snapshot.add_partial("balancers", lambda: nginx.read(listeners)) or []
        own = {each["address"] for each in snapshot.parts.get("addresses") or ()}
        _beside(snapshot, {each["port"] for each in failed if each["address"] in own or on_loopback(each["address"])})


def _of_relays(snapshot: Parts, listeners: list[dict[str, t.Any]]) -> set[End]:
    """Where programs on our ports pass connections on to, and who listens there; returns those that are not on our loopback."""
    from . import relays

    found = snapshot.add("relays", lambda: relays.read(listeners)) or []
    _beside(snapshot, {each["to"] for each in found})
    return {(each["address"], each["to"]) for each in found if not on_loopback(each["address"])}


def _beside(snapshot: Parts, ports: set[int]) -> None:
    """Add who listens on further ports."""
    missing = ports - {listener["port"] for listener in snapshot.parts["listeners"]}
    if missing:
        snapshot.add("listeners", lambda: snapshot.parts["listeners"] + [{**each, "pollers": None} for each in _sockets.listeners(missing)])


def _unserved(snapshot: Parts) -> set[int]:
    """The ports of ours to which programs pass connections on, and on which nobody listens."""
    own = {each["address"] for each in snapshot.parts.get("addresses") or ()}
    listening = {listener["port"] for listener in snapshot.parts.get("listeners") or ()}
    relayed = snapshot.parts.get("relays") or ()
    return {each["to"] for each in relayed if each["address"] in own or on_loopback(each["address"])} - listening


def _asleep(listeners: t.Sequence[t.Mapping[str, t.Any]]) -> set[int]:
    """The ports on which connections wait for a service that systemd is to start for them."""
    return {one["port"] for one in listeners if one["recv_q"] and [process["pid"] for process in one["processes"] or ()] == [1]}


def _beside_us(listeners: t.Sequence[t.Mapping[str, t.Any]], ports: set[int], addresses: set[str]) -> set[int]:
    """Our ports on which others listen at addresses that nobody dials: a service may have failed to listen there at all addresses."""
    from . import units

    if not os.path.isdir(units.BOOTED):
        return set()
    at = {port: {one["address"] for one in listeners if one["port"] == port} for port in ports}
    return {port for port, taken in at.items() if taken and taken.isdisjoint({"0.0.0.0", "::", *addresses})}


KEEPERS = frozenset(("conmon", "podman", "netavark"))
"""Programs of podman that bind the port of a container on the host, so that nobody else gets it, and accept nothing there."""


def _kept(snapshot: Parts, listeners: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    """Who listens in containers, where connections wait on a socket that is there to keep others from a container's port."""
    waiting = [(one["port"], {process["name"] for process in one["processes"] or ()}) for one in listeners if one["recv_q"]]
    kept = {port for port, holders in waiting if holders and holders <= KEEPERS}
    if kept:
        _elsewhere(snapshot, kept, set())


def _nearly_full(listener: t.Mapping[str, t.Any]) -> bool:
    return bool(listener["recv_q"]) and listener["send_q"] is not None and listener["recv_q"] >= 0.9 * listener["send_q"]


def _crowded(snapshot: Parts, listeners: list[dict[str, t.Any]]) -> None:
    """Of listeners with a full accept queue: who waits on them, and whose connections they have."""
    if not listeners:
        return
    from . import pollers

    pollers.attach(listeners)
    snapshot.add("peers", lambda: _sockets.peers({listener["port"] for listener in listeners}))


def _behind(snapshot: Parts) -> set[str]:
    """What clients dial and our routes have next door on a link of our own making, unmet so far: a container or guest may have it."""
    made = {link["name"] for link in snapshot.parts.get("links") or () if link["kind"] is not None}
    met = {(each["address"], each["interface"]) for each in snapshot.parts.get("neighbours") or () if each["mac"]}
    onward = [route for route in snapshot.parts.get("routes") or () if route["local"] is None and route["iif"] is None]
    return {
        route["remote"]
        for route in onward
        if route["type"] == "unicast" and route["gateway"] is None and route["interface"] in made
        if (route["remote"], route["interface"]) not in met
    }


def _elsewhere(snapshot: Parts, silent: set[int], away: set[End]) -> None:
    """Who listens in other network namespaces on ports where nobody does here, and where the firewall sends SYNs to an address that is
    not ours."""
    ports = silent | {port for _address, port in away}
    if not ports:
        return
    from . import namespaces, ways_inside

    def look() -> tuple[list[dict[str, t.Any]], Absent]:
        having = {address for address, _port in away if address}
        peers = ways_inside.peers((snapshot.parts.get("firewall") or {}).get("verdicts") or (), having)
        found = namespaces.other_namespaces(ports, having, more=MOST_BESIDE if silent else 0, peers=peers)
        snapshot.parts["namespaces"] = found.namespaces
        return found.listeners, found.absent

    snapshot.add_partial("other_namespaces", look)


def _meant(snapshot: Parts, silent: set[int], unserved: set[int], declared: t.Mapping[str, str], run: Run) -> None:
    """Who should listen on a port, or serve one: units, and whose connections keep them from binding it."""
    wanted = silent | unserved | {int(port) for port in declared}
    if wanted:
        from . import units

        restless = functools.lru_cache(maxsize=None)(lambda: units.restless_units(run))

        def of(port: int) -> list[dict[str, t.Any]]:
            known = units.units_for_port(port, declared.get(str(port)), run, port in silent | unserved)
            return known or ([{"port": port, **unit} for unit in restless()] if port in silent else [])

        snapshot.add("units", lambda: [one for port in sorted(wanted) for one in of(port)])
    if silent:
        from . import port_holders, udp_sockets, unix_sockets

        snapshot.add("port_holders", lambda: port_holders.read(silent))
        snapshot.add("udp_sockets", lambda: udp_sockets.read(silent))
        snapshot.add("unix_sockets", lambda: unix_sockets.read(silent))


def _first(listeners: list[dict[str, t.Any]], ports: set[int], snapshot: Parts) -> list[dict[str, t.Any]]:
    """Those on wanted ports and, as far as there is room, the others."""
    if len(listeners) > MOST_LISTENERS:
        snapshot.lacks("listeners", f"only {MOST_LISTENERS} of {len(listeners)} are returned, those on our ports among them")
    return sorted(listeners, key=lambda one: one["port"] not in ports)[:MOST_LISTENERS]
