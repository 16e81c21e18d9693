# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The neighbour table: entries that are wrong are removed, so that the kernel asks anew; more room where it is full."""

from __future__ import annotations

from .._decide.finding import Fix, Saves, Step
from .._model.host import Host
from .._model.network_records import Neighbour
from . import fit
from .make import advice, mending, shell
from .sysctl import sysctls

_LEAST = 4096  # entries; about 400 bytes each


def forgotten(host: Host, entry: Neighbour, real: str) -> Fix:
    """Remove an entry; ``real`` is the link address that the neighbour has."""
    summary = f"delete the neighbour entry for {entry.address} on {host.name}"
    if not (fit.address(entry.address) and fit.interface(entry.interface) and fit.mac(entry.mac)):
        return advice("neighbour", host.name, summary)
    command = shell("ip", "neigh", "delete", entry.address, "dev", entry.interface)
    permanent = entry.state == "PERMANENT"
    return mending(
        "neighbour",
        host.name,
        f"{summary} ({command})" + ("; it is permanent, look for what sets it at boot" if permanent else ""),
        [
            Step(
                "threeway.handshake.network_entry",
                {"kind": "neighbour", "state": "absent", "address": entry.address, "interface": entry.interface, "mac": entry.mac},
                command,
            )
        ],
        Saves(neighbours=True),
        why=f"{entry.address} has another link address than {host.name} sends to",
        undo=[shell("ip", "neigh", "replace", entry.address, "lladdr", entry.mac, "dev", entry.interface, "nud", "permanent")]
        if permanent
        else [],
        check=f"{shell('ip', 'neigh', 'show', entry.address)} says {real}",
    )


def larger_table(host: Host, family: int) -> Fix:
    """Twice the limit, and the two below it in the kernel's own proportions; they are settings of the whole host."""
    stem = f"net.ipv{family}.neigh.default.gc_thresh"
    limit = host.sysctl(f"{stem}3")
    if limit is None:
        return advice(
            "sysctl", host.name, f"raise {stem}1 to 3 on the host that {host.name} is a part of", why="its neighbour table is full"
        )
    wanted = max(_LEAST, 2 * limit)
    values = {f"{stem}3": wanted, f"{stem}2": wanted // 2, f"{stem}1": wanted // 8}
    return sysctls(
        host,
        {name: value for name, value in values.items() if value > (host.sysctl(name) or 0)},
        f"raise {stem}3 on {host.name} from {limit} to {wanted}, and those below it; or have fewer hosts on one network",
        why=f"the neighbour table has room for {limit} entries",
    )
