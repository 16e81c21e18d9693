# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find sysctls that the next boot sets differently: by a file of sysctl.d(5), or to the kernel's own value if no file names them."""

from __future__ import annotations

import re
import typing as t

from .._host import sysctls
from .._host.apart import in_namespace
from . import sysctl_files

if t.TYPE_CHECKING:
    from .boot import Host, Record

# net.ipv4.ip_forward and this are one value of the kernel, which a file may call either.
_FORWARDING = "net.ipv4.conf.all.forwarding"
# What a new network namespace takes over from the host's instead of beginning with it (devinet_init_net in net/ipv4/devinet.c).
_COMPILED = {"net.ipv4.ip_forward": "0"}
_COMPILED.update({f"net.ipv4.conf.all.{leaf}": "0" for leaf in sysctls.PER_INTERFACE["net.ipv4.conf"].split()})
_OF_AN_INTERFACE = re.compile(r"net\.ipv[46]\.conf\.(?!all\.).*")


def changes(host: Host) -> list[Record]:
    """Of an interface's sysctls only those that a file names: the others depend on how and when the interface is set up."""
    settings = sysctl_files.read()
    kernel: t.Mapping[str, str] | None = None
    found = []
    for name, now in sorted(host.sysctls.items()):
        if name == _FORWARDING:
            continue
        setting = settings.of(sysctl_files.path_of(name, host.interfaces))
        if setting is None and name == "net.ipv4.ip_forward":
            setting = settings.of(sysctl_files.path_of(_FORWARDING))
        if setting is not None and setting.value is not None:
            then, because = setting.value, f"{setting.file} says so in line {setting.line}"
            decided: dict[str, t.Any] = {"file": setting.file, "line": setting.line}
        elif _OF_AN_INTERFACE.fullmatch(name):
            continue
        else:
            if kernel is None:
                kernel = {**_kernels_own(), **_COMPILED}
            if name not in kernel:
                continue
            decided = {}
            then, because = kernel[name], "no file of sysctl.d sets it, and this is the kernel's own value: only a program could set it"
        if not _same(now, then):
            found.append({"kind": "sysctl", "name": name, "now": now, "then": then, "because": because, **decided})
    return found


def _kernels_own() -> dict[str, str]:
    """As a network namespace has them that nobody has touched; sysctls of the whole host are not there."""
    values: dict[str, str] = in_namespace("see the kernel's own sysctls", lambda: {"values": sysctls.read(())[0]})["values"]
    return {name: value for name, value in values.items() if name.startswith("net.")}


def _same(now: str, then: str) -> bool:
    try:
        return [int(part, 0) for part in now.split()] == [int(part, 0) for part in then.split()]
    except ValueError:  # lists of ports, or a number with leading zeros
        return now.split() == then.split()
