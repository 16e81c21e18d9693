# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The way back to the baseline: a typed fix for a difference, with steps where a module can take them, else what people need to know."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._host.sysctl_meanings import MEANINGS
from ansible_collections.threeway.handshake.plugins.module_utils._host.sysctls import pattern
from ansible_collections.threeway.handshake.plugins.module_utils._state.services import RUNNING

from .._fix import fit, sysctl
from .._fix.make import advice, mending, shell
from .._model.fixes import Fix, Saves, Step
from .compare import Difference
from .state import State

_VALUE = re.compile(r"[0-9]{1,20}([ ,-][0-9]{1,20}){0,50}|")
_INTERFACE = re.compile(r"net\.ipv([46])\.conf\.(.+)\.(\w+)")
_SERVICE = "ansible.builtin.systemd_service"


def back(host: str, difference: Difference, kept: State) -> Fix | None:
    """None where there is nothing to do, or nothing that would not be a guess. Values of the baseline and of the host are data: fit."""
    was, is_, name = difference.before, difference.after, difference.name
    if difference.kind == "sysctl" and was is not None and is_ is not None:
        return _set(host, name, str(was), is_, f"{name} is {is_}, and {was} in the baseline")
    if difference.kind == "service" and was is not None:
        return (
            _unit(host, name, was, is_)
            if is_
            else advice("service", host, f"have the unit {name} on {host} again, which is not there any more")
        )
    if difference.kind == "neighbour":
        return _neighbour(host, was or {}, is_ or {})
    if difference.kind == "route" and was is not None and is_ is not None:
        summary = f"bring back the way {name} on {host}: {_said(was)}"
        return advice("route", host, summary, why="whatever manages this host's network should know it, and not this run alone")
    if difference.kind == "firewall":
        rules = "; ".join((was or {}).get("rules") or ())
        summary = f"bring back what {name} met on {host}: {rules}" if rules else f"let {name} on {host} meet no rule, as in the baseline"
        return advice("firewall", host, summary[:700], why="see the differences of its rules")
    if difference.kind == "listener" and was is not None and is_ is None:
        return advice("listener", host, f"have {was.get('unit') or was.get('process') or 'a program'} listen on {name} of {host} again")
    if difference.kind == "reboot" and is_ is not None:
        return _lasting(host, is_, kept)
    return None


def _lasting(host: str, change: Any, kept: State) -> Fix | None:
    """What the baseline has, or what runs where it has nothing, is made to last."""
    name, now = change["name"], change["now"]
    why = f"a reboot makes it {change['then']}: {change['because']}"
    if change["kind"] == "sysctl":
        file = change.get("file")
        if file and posixpath.basename(file) > posixpath.basename(sysctl.FILE):
            return advice("sysctl", host, f"have {file} on {host} set {name} to {now}: it is read after all that we could write", why=why)
        return _set(host, name, (kept.sysctls or {}).get(name, now), now, why)
    masked = change.get("enabled") in ("masked", "masked-runtime")
    if change["kind"] == "service" and change["then"] == "not started" and fit.unit(name) and not masked:
        command = shell("systemctl", "enable", name)
        return mending(
            "service",
            host,
            f"enable {name} on {host} ({command})",
            [Step(_SERVICE, {"name": name, "enabled": True}, command)],
            Saves(units=(name,)),
            why=why,
            undo=[shell("systemctl", "disable", name)],
            check=f"{shell('systemctl', 'is-enabled', name)} says enabled",
        )
    keep = {"firewalld": ("firewall-cmd --runtime-to-permanent",)}.get(change["kind"], ())
    summary = f"make what {change['kind']} has now on {host} permanent, or load what is permanent: {change['name']} differs"
    return advice("firewall" if change.get("diff") is not None else change["kind"], host, summary, keep, why=why)


def _set(host: str, name: str, value: str, now: Any, why: str) -> Fix:
    summary = f"set {name} to {value or 'nothing'} on {host}, now and for the next boot"
    found = _INTERFACE.fullmatch(name)
    argument = name
    if found and found[2] != "all":
        argument = sysctl.of_interface(int(found[1]), found[2], found[3]) or ""
    if pattern(name) not in MEANINGS or not _VALUE.fullmatch(value) or not argument:
        return advice("sysctl", host, summary, why=why)
    undo = sysctl.undone(argument, str(now) if now is not None and _VALUE.fullmatch(str(now)) else None)
    check = f"{shell('sysctl', '-n', argument)} says {value}"
    return mending("sysctl", host, summary, [sysctl.setting(argument, value)], sysctl.saved(argument), why=why, undo=undo, check=check)


def _unit(host: str, name: str, was: Any, is_: Any) -> Fix | None:
    if not fit.unit(name):
        return None
    arguments: dict[str, object] = {}
    undo = []
    if was["active"] in RUNNING and is_.get("active") not in RUNNING:
        arguments["state"] = "started"
        undo.append(shell("systemctl", "stop", name))
    elif was["active"] not in RUNNING and is_.get("active") in RUNNING:
        summary = f"{name} runs on {host}, and did not when the baseline was written: stop it if that is not meant"
        return advice("service", host, summary, (shell("systemctl", "stop", name),))
    if was["enabled"] == "enabled" and is_.get("enabled") == "disabled":
        arguments["enabled"] = True
        undo.append(shell("systemctl", "disable", name))
    if is_.get("enabled") in ("masked", "masked-runtime") and was["enabled"] != is_.get("enabled"):
        return advice("service", host, f"{name} is masked on {host}: unmask it if that is not meant", (shell("systemctl", "unmask", name),))
    if not arguments:
        return None
    verbs = [verb for key, verb in (("enabled", "enable"), ("state", "start")) if key in arguments]
    commands = [shell("systemctl", verb, name) for verb in verbs]
    return mending(
        "service",
        host,
        f"{' and '.join(verbs)} {name} on {host} ({' && '.join(commands)})",
        [Step(_SERVICE, {"name": name, **arguments}, " && ".join(commands))],
        Saves(units=(name,)),
        why=f"it is {is_.get('active')} and {is_.get('enabled')}, and was {was['active']} and {was['enabled']} in the baseline",
        undo=undo,
        check=f"{shell('systemctl', 'is-active', name)} says active",
    )


def _neighbour(host: str, was: Any, is_: Any) -> Fix | None:
    known = is_ or was
    address, interface, mac, pinned = known["address"], known["interface"], is_.get("permanent_mac"), was.get("permanent_mac")
    if not fit.address(address) or not fit.interface(interface):
        return None
    if pinned:
        summary = f"{address} was pinned to the link address {pinned} on {host}: have what pinned it do so again"
        return advice("neighbour", host, summary)
    command = shell("ip", "neigh", "delete", address, "dev", interface)
    return mending(
        "neighbour",
        host,
        f"delete the permanent neighbour entry for {address} on {host} ({command})",
        [
            Step(
                "threeway.handshake.network_entry",
                {"kind": "neighbour", "state": "absent", "address": address, "interface": interface},
                command,
            )
        ],
        Saves(neighbours=True),
        why="the baseline has no permanent entry for it",
        undo=[shell("ip", "neigh", "replace", address, "lladdr", mac, "dev", interface, "nud", "permanent")],
        check=f"{shell('ip', 'neigh', 'show', address)} says nothing of PERMANENT",
    )


def _said(route: Any) -> str:
    return ", ".join(
        f"{name} {value}" for name, value in route.items() if name in ("prefix", "gateway", "interface", "source", "hops", "table")
    )
