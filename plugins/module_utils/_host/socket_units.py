# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find the socket units through which systemd listens on ports, and what they say of where, and of how many connections they take."""

from __future__ import annotations

import json
import os
import typing as t

from .._commands import Run
from .._wire.addresses import on_loopback
from .unit_states import count, one, show, streams
from .units import BOOTED, LOG_LINES, LOG_WIDTH

_LINES = 20  # of which some are systemd's own
_SHOWN = (
    "Id,ActiveState,Listen,BindToDevice,FreeBind,BindIPv6Only,Accept,MaxConnections,MaxConnectionsPerSource,NConnections,NRefused,Triggers,"
    "FragmentPath,DropInPaths"
)


def concerned(listeners: t.Iterable[t.Mapping[str, t.Any]]) -> set[int]:
    """The ports on which systemd may listen for a service: it holds them alone, or a service has them where not everybody comes, or lets
    connections wait there.

    Who was given a socket by systemd holds it as one that it has made itself.
    """
    found = set()
    for each in listeners:
        processes = each["processes"] or ()
        narrow = on_loopback(each["address"]) or each["v6only"] or each["device"]
        crowded = each["recv_q"] and each["send_q"] and 10 * each["recv_q"] >= 9 * each["send_q"]
        if [process["pid"] for process in processes] == [1] or ((narrow or crowded) and any(process["unit"] for process in processes)):
            found.add(int(each["port"]))
    return found


def read(ports: t.Collection[int], run: Run) -> list[dict[str, t.Any]]:
    """One for each address of an active socket unit on one of `ports`. Raises ObserveError."""
    if not os.path.isdir(BOOTED):
        return []
    found = []
    for shown in show(["*.socket"], run, _SHOWN):
        each = one(shown, "Accept") == "yes"  # an instance for each connection
        about = {
            "unit": one(shown, "Id"),
            "service": one(shown, "Triggers").split(" ")[0] or None,
            "device": one(shown, "BindToDevice") or None,
            "free_bind": one(shown, "FreeBind") == "yes",
            "only_ipv6": one(shown, "BindIPv6Only") == "ipv6-only",
            "most": count(shown, "MaxConnections") if each else None,
            "per_source": count(shown, "MaxConnectionsPerSource") if each and "MaxConnectionsPerSource" in shown else None,
            "connections": count(shown, "NConnections") if each else None,
            "refused": count(shown, "NRefused") if each else None,
            "files": [*one(shown, "FragmentPath").split(), *one(shown, "DropInPaths").split()],
        }
        here = [stream for stream in streams(shown) if stream["port"] in ports] if one(shown, "ActiveState") == "active" else []
        about["log"] = _of_instances(str(about["unit"]), run) if each and here else []
        found += [{**stream, **about} for stream in here]
    return found


def _of_instances(unit: str, run: Run) -> list[str]:
    """The last lines of the processes that systemd started for the connections; the instances themselves it forgets."""
    pattern = f"--unit={unit.rpartition('.')[0]}@*.service"
    code, output, _error = run(["journalctl", pattern, f"--lines={_LINES}", "--boot", "--no-pager", "--output=json", "--quiet"])
    said = []
    for line in output.splitlines() if code == 0 else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("_PID") != "1" and isinstance(entry.get("MESSAGE"), str):
            said.append(entry["MESSAGE"][:LOG_WIDTH])
    return said[-LOG_LINES:]
