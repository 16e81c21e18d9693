# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Settings of the kernel: at once, and in a file of our own for the next boot."""

from __future__ import annotations

from collections.abc import Mapping

from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from . import fit
from .make import advice, mending, shell

FILE = "/etc/sysctl.d/99-threeway-handshake.conf"
"""Behind 99-sysctl.conf, as which Debian has /etc/sysctl.conf read."""


def sysctls(host: Host, values: Mapping[str, object], summary: str, *, why: str, risk: str = "low") -> Fix:
    """Set sysctls, whose names are ours or come from :func:`of_interface`. Advice where the host's root cannot."""
    if fixed := [name for name in values if _dotted(name) in ((host.snapshot and host.snapshot.read_only_sysctls) or ())]:
        elsewhere = f"{' and '.join(fixed)} cannot be set on {host.name}, even by root: as in a container, the machine that runs it has to"
        return advice("sysctl", host.name, f"{summary}; {elsewhere}")
    return mending(
        "sysctl",
        host.name,
        summary,
        [setting(name, value) for name, value in values.items()],
        saved(*values),
        why=why,
        undo=[line for name in values for line in undone(name, _now(host, name))],
        check="; ".join(f"{shell('sysctl', '-n', name)} says {value}" for name, value in values.items()),
        risk=risk,
    )


def of_interface(family: int, interface: str | None, leaf: str) -> str | None:
    """The name of an interface's sysctl, as sysctl(8) and sysctl.d(5) take it: with slashes where the interface has dots itself."""
    if interface is None or not fit.interface(interface):
        return None
    if "." in interface:
        return f"net/ipv{family}/conf/{interface}/{leaf}"
    return f"net.ipv{family}.conf.{interface}.{leaf}"


def of_vrrp(host: Host, interface: str) -> str:
    """keepalived switches the filter of its virtual interfaces off, and the kernel takes the higher value of the interface and all."""
    link = host.link(interface)
    virtual = link is not None and link.kind == "macvlan" and host.sysctl(f"net.ipv4.conf.{interface}.rp_filter") == 0
    return " (of a virtual interface of VRRP, net.ipv4.conf.all.rp_filter=0, which stands above its own 0)" if virtual else ""


def setting(name: str, value: object) -> Step:
    """One sysctl, now and from now on."""
    arguments: dict[str, object] = {
        "name": name,
        "value": str(value),
        "state": "present",
        "sysctl_set": True,
        "sysctl_file": FILE,
        "reload": False,
    }
    line = f"{name}={value}"
    return Step("ansible.posix.sysctl", arguments, f"{shell('sysctl', '-w', line)} && echo {shell(line)} >> {FILE}")


def saved(*names: str) -> Saves:
    return Saves(sysctls=names, files=(FILE,))


def undone(name: str, before: str | None) -> list[str]:
    """The commands that undo a setting; ``before`` None: the value that it had is not known."""
    pattern = name.replace(".", r"\.")
    undo = [f"sed -i '\\|^{pattern}=|d' {FILE}"]
    return [*([shell("sysctl", "-w", f"{name}={before}")] if before is not None else []), *undo]


def _now(host: Host, name: str) -> str | None:
    values = host.snapshot.sysctls if host.snapshot else None
    return (values or {}).get(_dotted(name))


def _dotted(name: str) -> str:
    """The name as the evidence has it."""
    return name if "/" not in name else name.replace("/", ".")


def not_settable(host: Host, summary: str) -> Fix:
    """The same for people, where a name does not fit."""
    return advice("sysctl", host.name, summary)
