# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Starting units, and enabling them, after the check of their configuration where they have one; or what keeps a start from helping."""

from __future__ import annotations

from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.prose import NOTHING, Wording
from .._model.records import whole
from .._model.socket_records import PortHolder
from .._model.unit_records import Unit
from . import fit
from .make import advice, mending, shell
from .ports import reserved

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
GIVEN_UP = ("start-limit-hit", "trigger-limit-hit", "service-start-limit-hit")
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


def started(host: Host, unit: Unit, ended: Wording = NOTHING, held: Wording = NOTHING, holder: PortHolder | None = None) -> Fix:
    """Start a unit, and enable it, so that a reboot keeps it; advice where that cannot help, or is not ours to decide.

    ``ended``: how its processes ended; ``held``, ``holder``: whose connection has the port. One that somebody has masked is theirs to
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
    if unit.result in GIVEN_UP:
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


def in_time(host: Host, unit: Unit, address: str) -> Fix:
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
    trigger = next((each for each in unit.relatives if each.tie == "triggered_by" and each.active == "active"), None)
    if unit.prepared:
        return f"mend what {unit.prepared.command}, which runs ahead of {unit.unit}, complains about"
    if unit.load in _NOT_LOADED:
        return f"see why systemd cannot load {unit.unit} ({unit.load})"
    if unit.held_up:
        return _held_up(unit)
    if unit.result == "exit-code" and unit.status in _NOT_RUN:
        return _NOT_RUN[unit.status].format(unit.unit)
    if unit.result == "oom-kill":
        return f"find out what took the memory in which {unit.unit} ran, or give it more"
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


def _held_up(unit: Unit) -> str:
    if unit.held_up == "queued":
        return (
            f"see why {unit.waits_for} is not done (systemctl list-jobs), for which the start of {unit.unit} waits: it is queued already, "
            "and another one waits as well"
        )
    if unit.held_up == "unmet" or unit.missing is None:
        return f"see which condition of {unit.unit} is not met, and bring it about if it should run here"
    return f"start {unit.missing.unit}, which {unit.unit} requires, and see why it does not run"


def _is_ephemeral(host: Host, port: int) -> bool:
    """Whether a kernel with this host's setting may have chosen the port for a connection that it opened."""
    known = (host.snapshot.sysctls if host.snapshot else None) or {}
    ends = [whole(word) for word in known.get("net.ipv4.ip_local_port_range", "").split()]
    low, high = ends if len(ends) == 2 else (None, None)
    return low is not None and high is not None and low <= port <= high


def waited_for(host: Host, unit: Unit) -> Fix:
    """What is left of connections goes after a minute (TCP_TIMEWAIT_LEN), and comes again with each restart."""
    over = f"while ss -Htan state time-wait {shell(f'sport = :{unit.port}')} | grep -q .; do sleep 1; done"
    return advice(
        "service",
        host.name,
        f"if {unit.unit} says that the address is in use, start it on {host.name} once no connection to port {unit.port} is in TIME_WAIT "
        "any more, which takes a minute; have the application set SO_REUSEADDR on its socket, or let systemd try again for longer "
        "(Restart=on-failure, RestartSec=15)",
        [over, *_again(unit.unit)],
        check=f"{shell('ss', '-Htln', f'sport = :{unit.port}')} shows a listener",
    )


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
