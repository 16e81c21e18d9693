# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is to listen: the unit that is stopped, the one that listens elsewhere, or whoever is there instead."""

from __future__ import annotations

from dataclasses import replace

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.address_subjects import KeptAddress
from .._model.firewall_subjects import MissedTranslation, TakenAhead
from .._model.fixes import Fix
from .._model.host import Host
from .._model.prose import Wording
from .._model.socket_records import Process, UdpSocket, UnixSocket
from .._model.socket_subjects import Gone, RunningUnit, SocketOwner, StoppedUnit, Unpublished
from .._model.unit_records import Unit, XinetdService
from .._plan.plan import ON_THE_WAY
from . import fit
from .allowed import allowed
from .bound import bound_early
from .make import advice, shell
from .moving import moving
from .programs import known
from .start import GIVEN_UP, in_time, started, waited_for
from .translation import covered, let_through


def service_stopped(case: Case, finding: Finding) -> Fix | None:
    stopped, other = finding.about(StoppedUnit), finding.about(SocketOwner)
    if case.server and other and other.displaced and other.process:
        return _handed_back(case.server, other.displaced, other.process.unit or other.name, case.listening_port)
    return of_stopped(case.server, stopped) if stopped and case.server else None


def of_stopped(host: Host, stopped: StoppedUnit) -> Fix:
    """Have a unit run that does not, as far as the reason shows how."""
    early = stopped.too_early_for
    if stopped.forbidden and stopped.holder is None:
        return allowed(host, stopped.unit, stopped.forbidden)
    if early and stopped.holder is None and stopped.unit.result not in GIVEN_UP:
        return in_time(host, stopped.unit, early)
    if stopped.holder is None and (fix := bound_early(host, stopped.unit)):
        return fix
    if stopped.lingering and stopped.holder is None:
        return waited_for(host, stopped.unit)
    return started(host, stopped.unit, stopped.ended, stopped.held, stopped.holder)


def no_listener(case: Case, finding: Finding) -> Fix:
    """Have the unit that should listen on the port do so, where it is known for sure; of a server that was not asked, look at it."""
    running, server, port = finding.about(RunningUnit), case.server, case.listening_port
    if finding.host not in (ON_THE_WAY, server and server.name):
        return advice("service", finding.host, _start(finding.host, port))
    if server is None or finding.host != server.name:
        look = f"look at {case.address}: does the service run, and does a firewall reject tcp/{case.port}?"
        return advice("advice", finding.host, look)
    if running and (fix := _of_running(server, running, port)):
        return fix
    off = finding.about(XinetdService)
    if off and not off.disabled:
        return _bound_again(server, off, port) if off.bind else _listening_again(server, off, port)
    if off:
        on = f"set disable = no for {off.service} in {off.file}, and have xinetd read it again (systemctl reload xinetd)"
        return advice("service", server.name, f"{on}, or start another service that should listen on port {port} of {server.name}")
    start = _start(server.name, port)
    if gone := finding.about(Gone):
        return advice("service", server.name, _again(server, gone))
    if taken := finding.about(TakenAhead):
        return let_through(server.name, taken)
    if missed := finding.about(MissedTranslation):
        return covered(server.name, port, missed)
    if inner := finding.about(Unpublished):
        return advice("service", server.name, f"{_published(inner, port)}; else {start}")
    if local := finding.about(UnixSocket):
        return _by_port(server, port, local)
    if taker := finding.about(UdpSocket):
        return _by_tcp(server, port, taker)
    if kept := finding.about(KeptAddress):
        return advice("service", server.name, f"{start}; {moving(kept)}")
    stopped, meant = finding.about(StoppedUnit), finding.about(Unit)
    if stopped and stopped.too_early_for and fit.unit(stopped.unit.unit):
        fix = in_time(server, stopped.unit, stopped.too_early_for)
        return replace(fix, summary=f"if {stopped.unit.unit} should listen there, {fix.summary}; else {start}")
    if meant and fit.unit(meant.unit):
        start = f"if {meant.unit} should listen there, find out why it ends ({shell('journalctl', '-u', meant.unit)}); else {start}"
    return advice("service", server.name, start)


def _of_running(host: Host, running: RunningUnit, port: int) -> Fix | None:
    if running.unit.young and not running.ports:
        return _awaited(host, running.unit, port)
    sure = running.unit.how in ("declared", "socket")
    return listening_on(host, running.unit, running.socket, running.ports, port) if sure else None


def _start(host: str, port: int) -> str:
    return f"start the service that should listen on port {port} of {host}, or correct the port"


def _again(server: Host, gone: Gone) -> str:
    """A program that ends with its connection can be started once more; one that takes several does not have to be."""
    process = (gone.listener.processes or (None,))[0]
    who = f"{process.name} (pid {process.pid})" if process else "what listened there"
    if not gone.taken:
        since = f"has stopped listening on port {gone.listener.port} of {server.name} since the run began"
        return f"find out why {who} {since}, and start it again"
    return (
        f"if {who} on {server.name} takes one connection and closes its socket, which whoever connects first uses up, as these attempts "
        "did, or a health check, start it so that it takes several (nc -k, socat with fork), or as a service; else find out why it ended"
    )


def _bound_again(host: Host, service: XinetdService, port: int) -> Fix:
    """As xinetd leaves out a service whose address the host does not have yet."""
    restart = "restart xinetd (systemctl restart xinetd) once the host has the address, and order its unit after network-online.target"
    summary = f"{restart}; or take 'bind = {service.bind}' out of service {service.service} in {service.file}"
    return advice("service", host.name, f"{summary}; or start another service that should listen on port {port} of {host.name}")


def _listening_again(host: Host, service: XinetdService, port: int) -> Fix:
    other = f"or start another service that should listen on port {port}"
    if service.runs is False:
        summary = f"start xinetd on {host.name}, which has service {service.service} in {service.file}"
        return advice("service", host.name, f"{summary}; {other}", ["systemctl start xinetd"])
    wait = f"wait {service.cps[1]} s" if len(service.cps) == 2 else "wait until it opens the port again"
    return advice(
        "service",
        host.name,
        f"see in xinetd's log on {host.name} whether it has deactivated {service.service} for too many connections: if so, {wait}, "
        f"find out who connects so often, or raise cps in {service.file}; else have it read its files (systemctl reload xinetd); {other}",
    )


def _published(inner: Unpublished, port: int) -> str:
    """Programs make such rules themselves; they take a container that is there already no more ports."""
    listener, container = inner.listener, inner.listener.container
    what = f"container {container}" if container else f"network namespace {listener.netns}"
    own = f", or recreate the container with --publish {port}:{listener.port}" if container else ""
    return f"if {inner.owner} is meant, publish port {listener.port} of its {what} as port {port} of the host{own}"


def _by_tcp(host: Host, port: int, taker: UdpSocket) -> Fix:
    """The program speaks the other protocol; what says so is its own setting (OpenVPN: proto, rsyslog: imtcp and imudp)."""
    process = taker.process
    name = process.unit if process and process.unit and process.unit.endswith(".service") else process.name if process else "it"
    summary = (
        f"if {name} of {host.name} is meant, have it listen on TCP port {port} by its configuration (protocol), or have the client use UDP"
    )
    return advice("service", host.name, f"{summary}; else start the service that should listen there, or correct the port")


def _by_port(host: Host, port: int, taker: UnixSocket) -> Fix:
    """The program runs as it should: what has it listen for this host alone is its own setting. The port may be meant for another one."""
    setting, process = taker.setting, taker.process
    if setting is None:
        change = f"by its configuration, have {process.name} of {host.name} listen on TCP port {port}"
    elif setting.file is None:
        change = f"start {process.name} of {host.name} without '{setting.text}', with an address on which clients reach TCP port {port}"
    else:
        where = f"line {setting.line} of {setting.file} on {host.name}"
        change = f"replace '{setting.text}' in {where} by what has {process.name} listen on TCP port {port}"
    service = process.unit if process.unit and process.unit.endswith(".service") else process.name
    return advice(
        "service",
        host.name,
        f"if {process.name} is meant, and others than {host.name} itself are to reach it: see who may connect then, {change}, and restart "
        f"{service}; those on {host.name} can use {taker.path}; else start the service that should listen there, or correct the port",
        why=f"{process.name} runs, and listens on {taker.path} alone",
        check=f"ss -ltn shows port {port}",
    )


def displaced(host: Host, unit: str, owner: str, process: Process | None, address: str, port: int, instead: Wording) -> Fix:
    """Give a unit its port back. Who has it at another address keeps others from having it at all addresses, and not at this one."""
    leaves = known(process).leaves
    summary = (
        f"if port {port} is {unit}'s, have {owner} leave it{f' ({leaves})' if leaves else ''}, or have {unit} listen on {address} alone "
        f"and not on all addresses, then start {unit}"
    )
    return advice("service", host.name, f"{summary}; else {instead}" if instead else summary)


def _handed_back(host: Host, unit: str, other: str, port: int) -> Fix:
    """Two services for one port: whose it is to be is for people to say."""
    apart = "have one of them listen on another port or address"
    summary = (
        f"if port {port} of {host.name} is to be {unit}'s, stop and disable {other}, then start {unit}; or {apart}, or declare {other}"
    )
    return advice("service", host.name, summary)


def _socket_on(socket: str, service: str, port: int) -> tuple[str, ...]:
    if not fit.unit(socket) or not (fit.unit(service) or not service):
        return ()
    directory = f"/etc/systemd/system/{socket}.d"
    return (
        f"mkdir -p {shell(directory)} && printf '[Socket]\\nListenStream={port}\\n' > {shell(f'{directory}/port-{port}.conf')}",
        shell("systemctl", "daemon-reload"),
        f"{shell('systemctl', 'stop', *filter(None, (service, socket)))} && {shell('systemctl', 'start', socket)}",
    )


def listening_on(host: Host, unit: Unit, socket: str | None, ports: tuple[int, ...], port: int) -> Fix:
    """Have a unit that runs listen on the port; by its socket unit where that listens for it, on the old ports as well.

    systemd does not start a socket whose service runs: both are stopped, or the restart fails and nobody listens at all.
    """
    name, now = unit.unit, ", ".join(map(str, ports[:5]))
    if socket is None and name.endswith(".socket"):
        socket = name
    if socket:
        service = "" if socket == name else name
        units = f"{service} and {socket}" if service else socket
        summary = (
            f"add ListenStream={port} to {socket} on {host.name}, have systemd read it, stop {units}, and start {socket}: it is systemd "
            f"that listens (on {now}), so that the service's own setting of the port does not count; or correct the port"
        )
        check = f"{shell('systemctl', 'show', '--property=Listen', socket)} has the port"
        return advice("service", host.name, summary, _socket_on(socket, service, port), check=check)
    if unit.ran_out:
        return _ended(host, name, port)
    if unit.outdated:
        summary = f"have systemd read the changed files of {name} on {host.name} and restart it; or correct the port"
        first = [shell("systemctl", "daemon-reload")]
    elif unit.reload not in (None, "success"):
        summary = f"see why the last reload of {name} on {host.name} failed ({unit.reload}): it runs with what it had read before"
        first = []
    else:
        log = "" if ports else f"see in its log why {name} listens nowhere ({shell('journalctl', '-u', name)}), "
        summary = f"{log}have {name} on {host.name} listen on port {port} by its configuration, and restart it; or correct the port"
        first = []
    return advice("service", host.name, summary, [*first, shell("systemctl", "restart", name)] if fit.unit(name) else ())


def _awaited(host: Host, unit: Unit, port: int) -> Fix:
    """A program that has much to read before it listens would begin again if it were restarted."""
    name = unit.unit
    meant = "" if unit.how == "declared" else f"if {name} is what should listen there, "
    log = shell("journalctl", "-u", name, "-f") if fit.unit(name) else "its log"
    return advice(
        "service",
        host.name,
        f"{meant}give {name} on {host.name} time to start, which a restart would begin again, and see in its log how far it is "
        f"({log}); if it does not come to listen on port {port}, correct its configuration, or the port; Type=notify, or a check of the "
        "port in ExecStartPost=, lets others wait until it is ready",
        check=f"ss -ltn shows port {port}",
    )


def _ended(host: Host, name: str, port: int) -> Fix:
    """As with init scripts: systemd starts nothing that it has for active."""
    summary = f"restart {name} on {host.name} (starting it does nothing, as it counts as active), and see in its log why its process ended"
    commands = [shell("systemctl", "restart", name), shell("ss", "-Hltn", f"sport = :{port}")] if fit.unit(name) else ()
    return advice("service", host.name, f"{summary}: a unit of Type=simple or Type=notify would say that it failed", commands)
