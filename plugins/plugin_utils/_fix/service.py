# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Services: started and enabled, or restarted, after the check of their configuration where they have one."""

from __future__ import annotations

from dataclasses import replace

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.firewall_subjects import MissedTranslation
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.prose import NOTHING, Wording
from .._model.records import whole
from .._model.socket_records import PortHolder, UdpSocket
from .._model.socket_subjects import RunningUnit, SocketOwner, StoppedUnit
from .._model.unit_records import Unit, XinetdService
from . import fit
from .allowed import allowed
from .make import advice, mending, shell
from .ports import reserved
from .translation import covered

# Commands that only read the configuration, by unit. Debian's ssh.service asks sshd itself, and makes a directory for that first.
_CHECKS = {
    "apache2.service": ("apache2ctl", "configtest"),
    "haproxy.service": ("haproxy", "-c", "-q", "-f", "/etc/haproxy/haproxy.cfg"),
    "httpd.service": ("httpd", "-t"),
    "named.service": ("named-checkconf",),
    "bind9.service": ("named-checkconf",),
    "nginx.service": ("nginx", "-t", "-q"),
    "sshd.service": ("sshd", "-t"),
}

# systemd's reasons for a unit that was started again and again: what it starts fails, and so it would once more.
_GIVEN_UP = ("start-limit-hit", "trigger-limit-hit", "service-start-limit-hit")
# What systemd itself could not do for a unit before its program ran, by the exit status; systemd.exec(5).
_NOT_RUN = {
    200: "make the working directory of {}",
    202: "see which file descriptors {} cannot be given",
    203: "see why the program of {} cannot be executed: it is missing, or not executable",
    206: "see which resource limit of {} cannot be set",
    209: "see which standard output of {} cannot be opened",
    216: "make the group that {} is to run as",
    217: "make the user that {} is to run as",
    226: "see which path or namespace {} cannot be given",
    237: "see which key of {} cannot be read",
    238: "see why the state directory of {} cannot be made",
    239: "see why the cache directory of {} cannot be made",
    240: "see why the log directory of {} cannot be made",
    241: "see why the configuration directory of {} cannot be made",
    243: "see which credential of {} cannot be read",
}
_NOT_LOADED = ("not-found", "bad-setting", "error")
_SOON = 10.0  # seconds: what ended so soon has not served, and would end so again


def service_stopped(case: Case, finding: Finding) -> Fix | None:
    stopped, other = finding.about(StoppedUnit), finding.about(SocketOwner)
    if case.server and other and other.displaced and other.process:
        return _handed_back(case.server, other.displaced, other.process.unit or other.name, case.server_port)
    return of_stopped(case.server, stopped) if stopped and case.server else None


def of_stopped(host: Host, stopped: StoppedUnit) -> Fix:
    """Have a unit run that does not, as far as that can be told from why."""
    early = stopped.too_early_for
    if stopped.forbidden and stopped.holder is None:
        return allowed(host, stopped.unit, stopped.forbidden)
    if early and stopped.holder is None and stopped.unit.result not in _GIVEN_UP:
        return _in_time(host, stopped.unit, early)
    return started(host, stopped.unit, stopped.ended, stopped.held, stopped.holder)


def no_listener(case: Case, finding: Finding) -> Fix:
    """Have the unit that should listen on the port do so, where it is known for sure; of a server that was not asked, look at it."""
    running, server, port = finding.about(RunningUnit), case.server, case.server_port
    if server is None or finding.host != server.name:
        look = f"look at {case.address}: does the service run, and does a firewall reject tcp/{case.port}?"
        return advice("advice", finding.host, look)
    if running and running.unit.how in ("declared", "socket"):
        return listening_on(server, running.unit, running.socket, running.ports, port)
    if off := finding.about(XinetdService):
        on = f"set disable = no for {off.service} in {off.file}, and have xinetd read it again (systemctl reload xinetd)"
        return advice("service", server.name, f"{on}, or start another service that should listen on port {port} of {server.name}")
    start = f"start the service that should listen on port {port} of {server.name}, or correct the port"
    if missed := finding.about(MissedTranslation):
        return covered(server.name, port, missed)
    if taker := finding.about(UdpSocket):
        return _by_tcp(server, port, taker)
    stopped, meant = finding.about(StoppedUnit), finding.about(Unit)
    if stopped and stopped.too_early_for and fit.unit(stopped.unit.unit):
        fix = _in_time(server, stopped.unit, stopped.too_early_for)
        return replace(fix, summary=f"if {stopped.unit.unit} should listen there, {fix.summary}; else {start}")
    if meant and fit.unit(meant.unit):
        start = f"if {meant.unit} should listen there, find out why it ends ({shell('journalctl', '-u', meant.unit)}); else {start}"
    return advice("service", server.name, start)


def _by_tcp(host: Host, port: int, taker: UdpSocket) -> Fix:
    """The program speaks the other protocol; what says so is its own setting (OpenVPN: proto, rsyslog: imtcp and imudp)."""
    process = taker.process
    name = process.unit if process and process.unit and process.unit.endswith(".service") else process.name if process else "it"
    summary = (
        f"if {name} of {host.name} is meant, have it listen on TCP port {port} by its configuration (protocol), or have the client use UDP"
    )
    return advice("service", host.name, f"{summary}; else start the service that should listen there, or correct the port")


def displaced(host: Host, unit: str, owner: str, port: int) -> Fix:
    """Give a unit its port back."""
    return advice("service", host.name, f"if port {port} is {unit}'s, have {owner} leave it, then start {unit}")


def _handed_back(host: Host, unit: str, other: str, port: int) -> Fix:
    """Two services for one port: whose it is to be is for people to say."""
    apart = "have one of them listen on another port or address"
    summary = (
        f"if port {port} of {host.name} is to be {unit}'s, stop and disable {other}, then start {unit}; or {apart}, or declare {other}"
    )
    return advice("service", host.name, summary)


def started(host: Host, unit: Unit, ended: Wording = NOTHING, held: Wording = NOTHING, holder: PortHolder | None = None) -> Fix:
    """Start a unit, and enable it, so that a reboot keeps it; advice where that cannot help, or is not ours to decide.

    ``ended``: what became of its processes; ``held``, ``holder``: whose connection has the port. One that somebody has masked is theirs to
    unmask.
    """
    name = unit.unit
    if unit.load == "masked":
        commands = (shell("systemctl", "unmask", name), shell("systemctl", "enable", "--now", name)) if fit.unit(name) else ()
        return advice("service", host.name, f"{name} is masked on {host.name}: unmask and start it if that is no longer meant", commands)
    if not fit.unit(name):
        return advice("service", host.name, f"start {name} on {host.name}")
    why = f"{name} is {unit.active}" + (f", result {unit.result}" if unit.result else "") + (f": {ended}" if ended else "")
    why = f"{unit.log[-1]} ({why})" if unit.log else why  # what it says itself comes first
    if holder is not None:
        return _freed(host, unit, held, holder)
    if unit.result == "trigger-limit-hit" and not any(each.tie == "triggers" and each.active == "failed" for each in unit.relatives):
        summary = (
            f"start {name} on {host.name} again: systemd gave up after too many connections in a short time: raise TriggerLimitBurst= "
            "if so many are to be expected, or have the service listen itself"
        )
        return advice("service", host.name, summary, _again(name), why=why)
    if unit.result in _GIVEN_UP:
        log = shell("journalctl", "-u", f"{name.partition('.')[0]}*")
        summary = (
            f"find out why what {name} starts on {host.name} ends again ({log}): systemd gave up after too many starts ({unit.result}), "
            "and would again; then start it"
        )
        return advice("service", host.name, summary, _again(name), why=why)
    if cannot := _cannot_start(unit):
        log = shell("journalctl", "-u", name)
        return advice("service", host.name, f"{cannot} ({log}); then start {name} on {host.name}", why=why)
    command = shell("systemctl", "enable", "--now", name)
    return mending(
        "service",
        host.name,
        f"start {name} on {host.name} (systemctl start {name})",
        [*_checked(name), Step("ansible.builtin.systemd_service", {"name": name, "state": "started", "enabled": True}, command)],
        Saves(units=(name,)),
        why=f"{name}, which should listen on port {unit.port}, is {unit.active}",
        undo=[shell("systemctl", "stop", name)],
        check=f"{shell('systemctl', 'is-active', name)} says active, and ss -ltn shows port {unit.port}",
    )


def _in_time(host: Host, unit: Unit, address: str) -> Fix:
    """A unit that failed before the host had the address: a start helps now, and not at the next boot."""
    order, early = (
        "[Unit]\\nWants=network-online.target\\nAfter=network-online.target\\n",
        f"net.ipv{6 if ':' in address else 4}.ip_nonlocal_bind=1",
    )
    directory = f"/etc/systemd/system/{unit.unit}.d"
    commands = (
        f"mkdir -p {shell(directory)} && printf '{order}' > {shell(f'{directory}/after-network.conf')}",
        shell("systemctl", "daemon-reload"),
        *_again(unit.unit),
    )
    return advice(
        "service",
        host.name,
        f"start {unit.unit} on {host.name}, and have it start once the addresses are there (Wants= and After=network-online.target), or "
        f"let it bind {address} before ({early}), if that is what it complains about",
        commands if fit.unit(unit.unit) else (),
        why=f"{host.name} got {address} after {unit.unit} had ended",
        check=f"{shell('systemctl', 'is-active', unit.unit)} says active, and so it does after the next boot",
    )


def _again(name: str) -> tuple[str, str]:
    return shell("systemctl", "reset-failed", name), shell("systemctl", "start", name)


def _cannot_start(unit: Unit) -> str:
    """What must be done first where a start alone would end as the last one did; empty where it may help."""
    missing = next((each.unit for each in unit.relatives if each.tie == "requires"), None)
    trigger = next((each for each in unit.relatives if each.tie == "triggered_by" and each.active == "active"), None)
    if unit.prepared:
        return f"mend what {unit.prepared.command}, which runs ahead of {unit.unit}, complains about"
    if unit.load in _NOT_LOADED:
        return f"see why systemd cannot load {unit.unit} ({unit.load})"
    if unit.result == "exit-code" and unit.status in _NOT_RUN:
        return _NOT_RUN[unit.status].format(unit.unit)
    if unit.result == "oom-kill":
        return f"find out what took the memory in which {unit.unit} ran, or give it more"
    if unit.unmet:
        return f"see which condition of {unit.unit} is not met, and bring it about if it should run here"
    if missing:
        return f"start {missing}, which {unit.unit} requires, and see why it does not run"
    if unit.active == "activating" and unit.sub != "auto-restart":
        return f"see for what {unit.unit} waits while it starts ({unit.sub})"
    if unit.active in ("activating", "active"):
        return f"find out why {unit.unit} ends after each start: it is started again and again already"
    if unit.left_at_once:
        return f"see why {unit.unit} is done at once: one that goes into the background needs Type=forking, or is to stay in front"
    if unit.active == "deactivating":
        return f"see why {unit.unit} does not end ({unit.sub})"
    if unit.active == "failed" and (unit.result in ("resources", "protocol") or (unit.ran_s is not None and unit.ran_s < _SOON)):
        return f"find out why {unit.unit} fails to start"
    if unit.once:
        return f"see why {unit.unit}, which is to do its work and end, should listen at all"
    if trigger and not trigger.listens:
        return f"see whether {trigger.unit}, which starts {unit.unit}, is to run it now"
    return ""


def _is_ephemeral(host: Host, port: int) -> bool:
    """Whether a kernel with this host's setting may have chosen the port for a connection that it opened."""
    known = (host.snapshot.sysctls if host.snapshot else None) or {}
    ends = [whole(word) for word in known.get("net.ipv4.ip_local_port_range", "").split()]
    low, high = ends if len(ends) == 2 else (None, None)
    return low is not None and high is not None and low <= port <= high


def _freed(host: Host, unit: Unit, held: Wording, holder: PortHolder) -> Fix:
    """The port is somebody else's: to start the unit would fail until they leave it."""
    process, keep = holder.process, reserved(host, unit.port)
    whose, end = "find out whose it is", ""
    gone = f"while ss -Htan {shell(f'sport = :{unit.port}')} | grep -q .; do sleep 1; done"
    if not _is_ephemeral(host, unit.port) and _is_ephemeral(host, holder.remote_port):
        pass  # it may be a session that the service accepted, even the one of who reads this
    elif process and fit.unit(process.unit):
        whose, end = f"restart {process.unit}", shell("systemctl", "restart", process.unit)
    elif process:
        whose, end = "end that process if it may be ended", shell("kill", process.pid)
    return advice(
        "service",
        host.name,
        f"end the connection that has port {unit.port} of {host.name} ({whose}), then start {unit.unit} once it is gone (TIME_WAIT "
        "takes a minute); "
        f"{keep} keeps the kernel from giving the port to connections",
        [shell("sysctl", "-w", keep), end, gone, *_again(unit.unit)] if end else (),
        why=f"{held}: {unit.unit} cannot bind the port meanwhile, unless both set SO_REUSEADDR",
        check=f"{shell('ss', '-Htan', f'sport = :{unit.port}')} shows the listener only",
    )


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
    if unit.outdated:
        summary = f"have systemd read the changed files of {name} on {host.name} and restart it; or correct the port"
        first = [shell("systemctl", "daemon-reload")]
    elif unit.reload not in (None, "success"):
        summary = f"see why the last reload of {name} on {host.name} failed ({unit.reload}): it runs with what it had read before"
        first = []
    else:
        summary = f"have {name} on {host.name} listen on port {port} by its configuration, and restart it; or correct the port"
        first = []
    return advice("service", host.name, summary, [*first, shell("systemctl", "restart", name)] if fit.unit(name) else ())


def restarted(host: Host, unit: str, summary: str, *, why: str, first: tuple[Step, ...] = (), saves: Saves | None = None) -> Fix:
    """Restart a unit, behind other steps if need be: its connections break."""
    if not fit.unit(unit):
        return advice("service", host.name, summary, why=why)
    step = Step("ansible.builtin.systemd_service", {"name": unit, "state": "restarted"}, shell("systemctl", "restart", unit))
    before = saves or Saves()
    return mending(
        "service",
        host.name,
        summary,
        [*first, *_checked(unit), step],
        Saves(sysctls=before.sysctls, files=before.files, units=(unit,)),
        why=why,
        undo=[shell("systemctl", "restart", unit)],
        check=f"{shell('systemctl', 'is-active', unit)} says active, and the accept queue drains (ss -ltn: Recv-Q)",
        risk="disruptive",
    )


def _checked(unit: str) -> list[Step]:
    command = _CHECKS.get(unit)
    return [Step("ansible.builtin.command", {"argv": list(command)}, shell(*command))] if command else []
