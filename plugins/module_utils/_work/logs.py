# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What a host logged about handshakes: for a diagnosis, and the work of the module log_info."""

from __future__ import annotations

import math
import time
import typing as t

from .._errors import ObserveError
from .._logs.collect import Absent, Records, collect
from .._logs.question import Question, address

LONGEST = 600.0  # seconds of a diagnosis whose logs are read

_TYPES = (".service", ".socket", ".scope", ".timer", ".path", ".mount", ".target")

Mapping = t.Mapping[str, t.Any]


def about_handshakes(order: Mapping, snapshot: Mapping, since: float) -> tuple[Records, Absent]:
    """The records about the handshakes of an order's `interest`, and about whose task it was to answer them, as a snapshot has it."""
    ports, interest, now = frozenset(order["ports"]), order["interest"], time.time()
    processes = [
        process for listener in snapshot.get("listeners") or () if listener["port"] in ports for process in listener.get("processes") or ()
    ]
    units = {process["unit"] for process in processes if process["unit"]}
    units |= {unit["unit"] for unit in snapshot.get("units") or ()} | set((order.get("units") or {}).values())
    return collect(
        Question(
            since=max(since, now - LONGEST),
            until=now,
            addresses=frozenset(order["addresses"]) | frozenset(interest["addresses"]),
            ports=ports | frozenset(interest["ports"]),
            pids=frozenset(process["pid"] for process in processes),
            names=frozenset(process["name"] for process in processes),
            units=frozenset(_full_name(unit.rpartition("/")[2]) for unit in units),
            netns=snapshot.get("netns"),
        )
    )


def observe(options: Mapping) -> dict[str, t.Any]:
    """The return values of log_info; ObserveError for what cannot be asked."""
    now = time.time()
    until = now if options["until"] is None else options["until"]
    since = until - options["seconds"] if options["since"] is None else options["since"]
    if not (math.isfinite(since) and math.isfinite(until) and since < until):
        raise ObserveError(f"since is {since}, and until is {until}: give a time that begins before it ends")
    if not 1 <= options["limit"] <= 1000:
        raise ObserveError(f"limit is {options['limit']}: give a number from 1 to 1000")
    for port in options["ports"]:
        if not 1 <= port <= 65535:
            raise ObserveError(f"ports has {port}: give numbers from 1 to 65535")
    addresses = {}
    for text in options["addresses"]:
        addresses[text] = address(text)
        if addresses[text] is None:
            raise ObserveError(f"addresses has {text!r}: give IP addresses, not names")
    question = Question(
        since=since,
        until=until,
        addresses=frozenset(filter(None, addresses.values())),
        ports=frozenset(options["ports"]),
        units=frozenset(map(_full_name, options["units"])),
    )
    records, absent = collect(question, options["limit"])
    return {"records": records, "since": since, "until": until, "absent": absent}


def _full_name(unit: str) -> str:
    """Like systemctl: a name without a type is a service's."""
    return unit if unit.endswith(_TYPES) else f"{unit}.service"
