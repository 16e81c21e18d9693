# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What systemd says of the unit that should listen on a port: why it does not run, or where it listens instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Literal

from ..._model.host import Host
from ..._model.records import whole
from ..._model.socket_records import PortHolder, Process, UdpSocket, UnixSocket
from ..._model.socket_subjects import StoppedUnit
from ..._model.unit_records import Relative, Unit
from ..._values.words import endpoint
from ..finding import Evidence, Weight

_PRIVILEGED = "net.ipv4.ip_unprivileged_port_start"
_SUREST = ("declared", "socket", "text", "wellknown")
_AT_START_S = 10.0  # what ended so soon has not served
_RESTLESS, _AGAIN = "restless", "auto-restart"
STARTERS = (
    "atd", "circusd", "containerd", "corosync", "cron", "crond", "crio", "docker", "inetd", "k3s",
    "kubelet", "monit", "nomad", "openbsd-inetd", "pacemaker", "patroni", "podman", "runit", "s6", "snap",
    "ssh", "sshd", "supervisor", "supervisord", "systemd-nspawn", "user", "xinetd",
)  # fmt: skip  # services whose processes are programs that others know by other names
_MISSING = ("inactive", "failed", "activating", "deactivating", "maintenance")


def of_port(server: Host, port: int) -> list[Unit]:
    """The units that belong to a port, the surest first."""
    units = [unit for unit in _for_port(server, port) if unit.how != _RESTLESS]
    return sorted(units, key=lambda unit: (_SUREST.index(unit.how) if unit.how in _SUREST else 9, unit.active != "failed"))


def _for_port(server: Host, port: int) -> list[Unit]:
    return [unit for unit in (server.snapshot.units if server.snapshot else None) or () if unit.port == port]


def restless(server: Host, port: int) -> list[Unit]:
    """Where no unit is known for a port, those of the host that do not stay, or have failed: one of them may be meant."""
    units = [unit for unit in _for_port(server, port) if unit.how == _RESTLESS]
    ended = [unit if unit.active in _MISSING else _between_ends(server, unit) for unit in units]
    return sorted((unit for unit in ended if unit), key=lambda unit: unit.sub != _AGAIN)


def stopped_unit(server: Host, port: int) -> Unit | None:
    """The unit that should listen on a port and does not run, or does not stay; a declared one before one that was found."""
    units = [unit if unit.active in _MISSING else _between_ends(server, unit) for unit in of_port(server, port)]
    return next((unit for unit in units if unit and not listening_sockets(unit)), None)


def serve_instead(unit: Unit, processes: Sequence[Process]) -> bool:
    """Whether processes of other services have the port of a declared one that should run and cannot. One that is stopped is so on purpose.

    Services that start programs by themselves, such as those of containers, stand for others; so does a unit that starts its instances,
    and has no process of its own.
    """
    wanted = unit.active in ("failed", "activating") and unit.how == "declared" and unit.load == "loaded" and not unit.once
    if not wanted or not processes or not unit.unit.endswith(".service"):
        return False
    stem = _stem(unit.unit)
    others = {(process.unit or "", _stem(process.unit or "")) for process in processes}
    return all(name.endswith(".service") and other not in (stem, *STARTERS) for name, other in others) and all(
        not process.name.startswith(stem) for process in processes
    )


def _stem(unit: str) -> str:
    return unit.partition(".")[0].partition("@")[0]


def _between_ends(server: Host, unit: Unit) -> Unit | None:
    """A unit that runs now, as it was between two starts, if systemd started it again while we looked."""
    before = (server.before.units if server.before else None) or ()
    was = next((each for each in before if (each.unit, each.port) == (unit.unit, unit.port)), None)
    if was is None or was.restarts is None or unit.restarts is None or unit.restarts <= was.restarts:
        return None
    return replace(unit if was.active == "active" else was, active="activating", sub=_AGAIN, restarts=unit.restarts)


def listening_sockets(unit: Unit) -> list[Relative]:
    """The socket units that listen for a service, which need not run for it."""
    return [each for each in unit.relatives if each.tie == "triggered_by" and each.listens and each.active == "active"]


def state_of(unit: Unit) -> str:
    """``orders.service is failed, result exit-code: exited with status 3``."""
    result = f", result {unit.result}" if unit.result and unit.result != "success" else ""
    restarts = f", started again {unit.restarts} times" if unit.restarts else ""
    again = " again and again (activating/auto-restart)" if unit.sub == _AGAIN else ""
    state = f"is started{again}" if again else f"is {unit.active}" + ("" if unit.active != "activating" else f" ({unit.sub})")
    why = ended(unit)
    return f"{unit.unit} {state}{result}{restarts}" + (f": {why}" if why else "")


def ended(unit: Unit) -> str:
    """What its processes came to, or why none was started; empty where that is not known."""
    if unit.load == "masked":
        return "it is masked"
    if unit.prepared:
        return f"{unit.prepared.command}, which runs ahead of it, exits with status {unit.prepared.status}"
    if unit.held_up:
        return _held_up(unit)
    if unit.result == "oom-kill":
        return "it was killed for lack of memory"
    if unit.code == "exited" and (unit.status or unit.sub == _AGAIN):
        return f"its process exits with status {unit.status}{_soon(unit)}"
    if unit.left_at_once:
        return f"its process ended with success{_soon(unit)}"
    if unit.code in ("killed", "dumped") and unit.result != "success":
        return f"its process was ended by signal {unit.status}{_soon(unit)}"
    instance = next((each for each in unit.relatives if each.tie == "triggers" and each.active == "failed"), None)
    if instance:
        return f"{instance.unit}, which it starts, is failed{_status(instance)}"
    trigger = trigger_of(unit)
    return f"{trigger.unit} starts it, and is {trigger.active}" if trigger else ""


def _held_up(unit: Unit) -> str:
    if unit.held_up == "queued":
        return f"its start is queued already, and waits for {unit.waits_for}"
    if unit.held_up == "unmet" or unit.missing is None:
        return "a condition in its section [Unit] is not met"
    return f"{unit.missing.unit}, which it requires, is {unit.missing.active}{_status(unit.missing)}"


def _status(unit: Relative) -> str:
    return f" (exit status {unit.status})" if unit.status else f" ({unit.result})" if unit.result not in (None, "success") else ""


def _soon(unit: Unit) -> str:
    return f" after {unit.ran_s:.1f} s" if unit.ran_s is not None and unit.ran_s < 60 else ""


def trigger_of(unit: Unit) -> Relative | None:
    """The timer, path or socket that starts a unit."""
    return next((each for each in unit.relatives if each.tie == "triggered_by"), None)


def last_words(server: Host, unit: Unit) -> Iterator[Evidence]:
    """The last lines of a unit's processes, and of those that keep it from running."""
    for line in unit.log[-3:]:
        yield Evidence(server.name, "journal", line, Weight.WORDS)
    for other in unit.relatives:
        for line in other.log[-2:]:
            yield Evidence(server.name, f"journal of {other.unit}", line, Weight.WORDS)


def holders_of(server: Host, unit: Unit | None, port: int) -> list[PortHolder]:
    """Connections of others from the port, which keep a service from binding it."""
    held = [each for each in (server.snapshot.port_holders if server.snapshot else None) or () if each.port == port]
    return [each for each in held if unit is None or each.process is None or each.process.unit != unit.unit]


def described(holder: PortHolder) -> str:
    """Whose connection it is, and with whom."""
    process = f"{holder.process.name} (pid {holder.process.pid})" if holder.process else "a process"
    local = endpoint(holder.local, holder.port)
    if not holder.remote_port:
        return f"{process} has bound {local}"
    return f"{process} has a connection from {local} to {endpoint(holder.remote, holder.remote_port)} ({holder.state})"


def has_by_udp(server: Host, port: int) -> UdpSocket | None:
    """Who has a port by UDP, on which nobody listens by TCP."""
    there = [each for each in (server.snapshot.udp_sockets if server.snapshot else None) or () if each.port == port]
    return min(there, key=lambda each: ip_address(each.address).is_loopback, default=None)


def taking_datagrams(taker: UdpSocket) -> str:
    process = f"{taker.process.name} (pid {taker.process.pid})" if taker.process else "a process"
    return f"{process} has UDP port {taker.port} ({endpoint(taker.address, taker.port)}), and not TCP port {taker.port}"


def has_by_path(server: Host, port: int) -> UnixSocket | None:
    """The program that would listen on a port, and listens on a socket in the file system and on no TCP port at all."""
    there = next((each for each in (server.snapshot.unix_sockets if server.snapshot else None) or () if each.port == port), None)
    listeners = server.snapshot.listeners if server.snapshot else None
    if there is None or listeners is None or any(each.processes is None for each in listeners):
        return None
    pids = {process.pid for each in listeners for process in each.processes or ()}
    return None if there.process.pid in pids else there


def taking_by_path(taker: UnixSocket) -> str:
    """``redis-server (pid 12) listens on /run/redis.sock and on no TCP port, by 'port 0' of /etc/redis/redis.conf line 98``"""
    setting = taker.setting
    at = f" of {setting.file} line {setting.line}" if setting and setting.file else " among its arguments"
    by = f", by '{setting.text}'{at}" if setting else ""
    return f"{taker.process.name} (pid {taker.process.pid}) listens on {taker.path} and on no TCP port{by}"


def stopped_for(server: Host, port: int) -> Unit | None:
    """As `stopped_unit`; one that nobody started, and that is only found by its name, is not meant where its program runs without TCP."""
    unit = stopped_unit(server, port)
    unmeant = unit is not None and (unit.how, unit.active) == ("wellknown", "inactive") and has_by_path(server, port)
    return None if unmeant else unit


def not_running(server: Host, unit: Unit, port: int, address: str = "") -> StoppedUnit:
    """A unit that does not run, with what is known of why."""
    held = next(iter(holders_of(server, unit, port)), None)
    early = address if came_later(server, unit, address) is not None else None
    return StoppedUnit(
        unit=unit,
        ended=ended(unit),
        held=described(held) if held else "",
        holder=held,
        too_early_for=early,
        forbidden=forbidden(server, unit)[0],
        lingering=lingering(server, unit, port),
    )


def lingering(server: Host, unit: Unit, port: int) -> int:
    """How many connections of before are in TIME_WAIT on the port of a unit that fails at once: for a minute, they keep one that does not
    set SO_REUSEADDR from binding it."""
    counts = (server.before.socket_counts if server.before else None) or {}
    held = holders_of(server, unit, port) or forbidden(server, unit)[0]
    return counts.get(str(port), {}).get("TIME_WAIT", 0) if _fails_at_once(unit) and not held else 0


def forbidden(server: Host, unit: Unit) -> tuple[Literal["port", "families"] | None, str]:
    """What systemd forbids a unit that fails at once and that it may need to listen, and that in words."""
    if not _fails_at_once(unit):
        return None, ""
    lacking = [family for family in ("AF_INET", "AF_INET6") if unit.confined.lacks_family(family)]
    if lacking:
        return "families", f"RestrictAddressFamilies={unit.confined.families} lets it have no socket of {' or '.join(lacking)}"
    first = whole(((server.snapshot.sysctls if server.snapshot else None) or {}).get(_PRIVILEGED, "")) or 0
    if unit.port < first and unit.confined.user and not unit.confined.capable:
        return "port", f"it runs as {unit.confined.user}, who may not bind ports below {first} without CAP_NET_BIND_SERVICE"
    return None, ""


def _fails_at_once(unit: Unit) -> bool:
    failing = unit.active == "failed" or unit.sub == _AGAIN
    return failing and unit.code == "exited" and bool(unit.status) and unit.ran_s is not None and unit.ran_s < _AT_START_S


def fails_as_listener(unit: Unit) -> bool:
    """Whether a unit that fails at once may be one that is to listen on the port, which others have at other addresses. Jobs are none."""
    return _fails_at_once(unit) and not unit.once and unit.load == "loaded"


def came_later(server: Host, unit: Unit, address: str) -> float | None:
    """By how many seconds the host got an address too late for a unit that failed at its start; None where it had it in time."""
    mine = server.interface_of(address) if address else None
    failed = unit.active == "failed" and unit.code == "exited" and unit.ran_s is not None and unit.ran_s < _AT_START_S
    if not failed or mine is None or mine.since_s is None or unit.ended_s is None or mine.since_s <= unit.ended_s:
        return None
    return mine.since_s - unit.ended_s
