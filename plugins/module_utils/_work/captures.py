# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The handshakes in a capture file: the work of the module capture_info."""

from __future__ import annotations

import datetime
import ipaddress
import math
import typing as t

from .._capture.handshakes import MOST_LISTED
from .._capture.handshakes import observe as observe_file
from .._capture.wanted import Wanted
from .._errors import ObserveError


def observe(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The return values of capture_info. ObserveError for options that cannot be, and for a file that cannot be read."""
    port, limit = options["port"], options["limit"]
    if port is not None and not 1 <= port <= 65535:
        raise ObserveError(f"port is {port}: give a port from 1 to 65535")
    if not 0 <= limit <= MOST_LISTED:
        raise ObserveError(f"limit is {limit}: give a number from 0 to {MOST_LISTED}")
    wanted = Wanted(
        client=_network("client", options["client"]),
        server=_network("server", options["server"]),
        port=port,
        since=_time("since", options["since"]),
        until=_time("until", options["until"]),
        failed=options["failed"],
        limit=limit,
    )
    if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
        raise ObserveError(f"since is {options['since']}, and until is {options['until']}: give a time that begins before it ends")
    return observe_file(options["path"], wanted)


def _network(name: str, text: str | None) -> t.Any:
    if text is None:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ObserveError(f"{name} is {text!r}: give an IP address or a network such as 192.0.2.0/24") from error


def _time(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(seconds):
            return seconds
    try:  # Python 3.7 does not know the Z of ISO 8601
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise ObserveError(f"{name} is {text!r}: give seconds since the epoch, or a time such as 2026-11-28T18:18:38Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()
