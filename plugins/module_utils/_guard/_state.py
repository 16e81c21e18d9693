# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""All that a transaction saves of a host, in one record; comparing it with the present, and putting it back."""

from __future__ import annotations

import os
import socket
import time
import typing as t

from ._base import Blobs, GuardError, Json, Run, Saver
from ._disk import RememberedBlobs
from ._files import Files
from ._firewall import Firewall
from ._routes import Neighbours, Routes
from ._sysctls import Sysctls
from ._units import Units

_SO_NETNS_COOKIE = 71
_SAME_BOOT = 2.0  # seconds by which the time of the boot may seem to differ; no machine boots again within them


def savers(booting: bool = False, rereading: bool = False) -> dict[str, Saver]:
    """By the option's name, in the order in which things are put back: first what lets packets reach the host again."""
    return {
        "sysctls": Sysctls(),
        "firewall": Firewall(),
        "routes": Routes(),
        "neighbours": Neighbours(),
        "files": Files(),
        "units": Units(booting, rereading),
    }


def save(wanted: t.Mapping[str, Json], blobs: Blobs, run: Run) -> Json:
    """A record of what is wanted, by the savers' names. Raises GuardError, OSError."""
    records = {kind: saver.save(wanted[kind], blobs, run) for kind, saver in savers().items() if wanted.get(kind)}
    refusal = records.get("files", {}).get("refusal")
    if refusal:
        raise GuardError(refusal)
    return {"wanted": {kind: wanted[kind] for kind in records}, "records": records, "kernel": kernel()}


def restore(saved: Json, blobs: Blobs, run: Run, booting: bool, rereading: bool) -> None:
    """Put everything back; `rereading` when units are to read their files again (see Units).

    What fails does not keep the rest from being tried; then GuardError says all that failed.
    What a reboot forgets is not put back behind a reboot: another kernel, or another network, has its own.
    """
    parts, records = savers(booting, rereading), saved["records"]
    passing = [kind for kind in records if not parts[kind].survives_reboot and _is_same(saved["kernel"], kernel())]
    failures: dict[str, str] = {}

    def put_back(kind: str) -> None:
        try:
            parts[kind].restore(records[kind], blobs, run)
            failures.pop(kind, None)
        except Exception as error:  # whatever it is must not keep the rest from being put back
            failures[kind] = str(error) if isinstance(error, (GuardError, OSError)) else repr(error)

    for kind in (*passing, *(kind for kind in ("files", "units") if kind in records)):
        put_back(kind)
    if "units" in records:
        for kind in passing:  # services that start may bring sysctls, rules and routes of their own
            put_back(kind)
    if failures:
        raise GuardError("; ".join(f"{kind}: {why}" for kind, why in failures.items()))


def differences(saved: Json, run: Run) -> dict[str, list[str]]:
    """The present state of what is not as it was saved, as lines for people, by the savers' names. Raises GuardError, OSError."""
    found = {}
    for kind, record in saved["records"].items():
        saver, blobs = savers()[kind], RememberedBlobs()
        now = saver.save(saved["wanted"][kind], blobs, run)
        if saver.essence(now) != saver.essence(record):
            found[kind] = saver.lines(now, blobs)
    return found


def not_saved(saved: Json) -> list[str]:
    """Sentences about what is there and cannot be saved."""
    return list(saved["records"].get("firewall", {}).get("not_saved", []))


def saved_lines(saved: Json, blobs: Blobs) -> dict[str, list[str]]:
    """What was saved, as lines for people, by the savers' names."""
    return {kind: savers()[kind].lines(record, blobs) for kind, record in saved["records"].items()}


def kernel() -> dict[str, t.Any]:
    """Names the running kernel and the network namespace in it, which may outlive the reboot of a container."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = stream.read().strip()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
            network = any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8).hex()
    except OSError:  # before Linux 5.14
        network = os.readlink("/proc/self/ns/net")
    return {"boot": boot, "booted": time.time() - time.clock_gettime(time.CLOCK_BOOTTIME), "network": network}


def _is_same(one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> bool:
    """Whether nothing was forgotten between the two. systemd-nspawn gives a container another boot id at each of its boots."""
    same_kernel = one["boot"] == other["boot"] or abs(one["booted"] - other["booted"]) < _SAME_BOOT
    return bool(same_kernel and one["network"] == other["network"])
