# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a unit needs to listen, and systemd forbids it: a drop-in for it."""

from __future__ import annotations

from .._model.fixes import Fix
from .._model.host import Host
from .._model.unit_records import Unit
from . import fit
from .drop_ins import drop_in
from .make import advice, shell

_FAMILIES = ("AF_INET", "AF_INET6")


def allowed(host: Host, unit: Unit, forbidden: str) -> Fix:
    """Allow a unit what it needs, and start it. What a drop-in lists adds to what the unit's own file does (systemd.exec(5))."""
    lines = ["AmbientCapabilities=CAP_NET_BIND_SERVICE"] if forbidden == "port" else _families(unit.confined.families or "")
    name = unit.unit
    commands = (
        drop_in(name, "Service", forbidden, lines),
        shell("systemctl", "daemon-reload"),
        shell("systemctl", "reset-failed", name),
        shell("systemctl", "start", name),
    )
    other = "; or have it listen on a port that is not privileged" if forbidden == "port" else ""
    return advice(
        "service",
        host.name,
        f"set {' and '.join(lines)} in the section [Service] of {name} on {host.name}, and start it{other}",
        commands if fit.unit(name) else (),
        why=f"{unit.log[-1]} ({name})" if unit.log else "",
        check=f"{shell('systemctl', 'is-active', name)} says active, and ss -ltn shows port {unit.port}",
    )


def _families(families: str) -> list[str]:
    """The settings by which a unit may use IPv4 and IPv6: a family that was taken away is not given back by its name alone."""
    if not families.startswith("~"):
        return [f"RestrictAddressFamilies={' '.join(_FAMILIES)}"]
    kept = " ".join(each for each in families.lstrip("~").split() if each not in _FAMILIES)
    return ["RestrictAddressFamilies=", *([f"RestrictAddressFamilies=~{kept}"] if kept else [])]
