# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a history answers, as JSON: of the types that JSON has, times of day in ISO 8601, what does not apply null (docs/history.md)."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from .._values import times as _times
from .._values.text import clean
from .errors import HistoryError
from .histories import History, Named, PastChange
from .outages import DecisiveCause, Outage, availability, flaps, since

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class Window:
    """What is counted: from ``since`` on, and for flapping at least ``flap_changes`` changes from ``flap_since`` on."""

    since: float
    flap_since: float
    flap_changes: int


def flow_document(history: History, window: Window) -> dict[str, Any]:
    """A flow, its state, and what happened to it in the window."""
    outages = [outage for outage in history.outages if outage.mended is None or outage.mended >= window.since]
    mended = [outage.seconds for outage in outages if outage.seconds is not None]
    last = outages[-1] if outages else None
    share = availability(history.spans, window.since)
    return {
        **name_document(history.flow),
        "status": history.status,
        "since": iso(since(history.spans)),
        "last_run": iso(history.spans[-1].last),
        "runs": history.runs,
        "last_good": iso(last.last_good) if last else None,
        "first_bad": iso(last.first_bad) if last else None,
        "mended": iso(last.mended) if last else None,
        "time_to_mend_seconds": mended[-1] if mended else None,
        "mean_time_to_mend_seconds": round(sum(mended) / len(mended)) if mended else None,
        "outages": [_outage(outage) for outage in outages],
        "flaps": flaps(history.spans, window.since),
        "flapping": flaps(history.spans, window.flap_since) >= window.flap_changes,
        "availability": None if share is None else round(share, 6),
        "last_cause": cause_document(history.cause),
    }


def name_document(flow: Named) -> dict[str, Any]:
    """What names a flow, as report.json has it."""
    return {"name": flow.name, "client": flow.client, "server": flow.server or None, "address": flow.address, "port": flow.port}


def cause_document(cause: DecisiveCause | None) -> dict[str, Any] | None:
    return asdict(cause) if cause else None


def change_document(change: PastChange) -> dict[str, Any]:
    flows = [name_document(flow) for flow in change.flows]
    return {**asdict(change), "finished": iso(change.finished), "flows": flows}


def iso(moment: int | None) -> str | None:
    """Seconds since 1970 as report.json writes times."""
    return None if moment is None else _times.iso(moment)


def ago(text: str, now: float, option: str) -> float:
    """``90m``, ``24h``, ``7d``, ``4w`` before now, or a time in ISO 8601 (UTC if it does not say), in seconds since 1970. HistoryError."""
    text = text.strip()
    if found := re.fullmatch(r"([0-9]{1,9})([smhdw])", text):
        return max(now - int(found[1]) * _UNITS[found[2]], 0.0)
    moment = _times.moment(text) or _times.moment(f"{text}T00:00:00Z") or _times.moment(f"{text}Z")
    if moment is None:
        raise HistoryError(
            f"{option} is {clean(text, 60)!r}, which is neither a time nor how long ago that was: write 24h, 7d, or 2026-11-21T04:00:00Z."
        )
    return moment.timestamp()


def _outage(outage: Outage) -> dict[str, Any]:
    times = {"last_good": iso(outage.last_good), "first_bad": iso(outage.first_bad), "mended": iso(outage.mended)}
    return {**times, "seconds": outage.seconds, "cause": cause_document(outage.cause)}
