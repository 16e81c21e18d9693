# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Services: started and enabled, or restarted, after the check of their configuration where they have one."""

from __future__ import annotations

from .._decide.case import Fix, Saves, Step
from .._model.evidence import Host, Unit
from . import fit
from .make import advice, mending, shell

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


def started(host: Host, unit: Unit) -> Fix:
    """Start a unit, and enable it, so that a reboot keeps it. One that somebody has masked is theirs to unmask."""
    name = unit.unit
    if unit.load == "masked":
        commands = (shell("systemctl", "unmask", name), shell("systemctl", "enable", "--now", name)) if fit.unit(name) else ()
        return advice("service", host.name, f"{name} is masked on {host.name}: unmask and start it if that is no longer meant", commands)
    if not fit.unit(name):
        return advice("service", host.name, f"start {name} on {host.name}")
    if unit.result in _GIVEN_UP:
        log = shell("journalctl", "-u", f"{name.partition('.')[0]}*")
        summary = (
            f"find out why what {name} starts on {host.name} ends again ({log}): systemd gave up after too many starts ({unit.result}), "
            "and would again; then start it"
        )
        commands = (shell("systemctl", "reset-failed", name), shell("systemctl", "start", name))
        return advice("service", host.name, summary, commands, why=f"{name} is {unit.active}, result {unit.result}")
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
