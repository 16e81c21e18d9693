# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The captures that a user brings to a diagnosis, as the option `diagnose_captures` has them. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import dataclass

from .._values.words import quoted
from .flows import PlanError

PHASE = "capture"
"""Of the evidence that captures are."""
_KEYS = ("path", "host", "offset")


@dataclass(frozen=True)
class CaptureFile:
    """One file: where it was captured (None: somewhere on the path), and what is to be added to its times, in seconds."""

    path: str
    host: str | None = None
    offset: float = 0.0

    @property
    def point(self) -> str:
        """The name of the point on the path where it was captured."""
        return f"capture {self.path.rpartition('/')[2]}"


def read(raw: object, hosts: Collection[str]) -> list[CaptureFile]:
    """The captures; `hosts`: those that have a part in the flows. PlanError."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw) if raw.strip() else []
        except ValueError as error:
            raise PlanError(f"diagnose_captures is {quoted(raw)}: give a list of mappings with a path.") from error
    if not isinstance(raw, list):
        raise PlanError(f"diagnose_captures is {quoted(raw)}: give a list of mappings with a path.")
    found = [_capture(number, each, hosts) for number, each in enumerate(raw, 1)]
    names = [each.point for each in found if each.host is None]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise PlanError(f"diagnose_captures has two files for {quoted(twice)}: give one of them another name, or say its host.")
    return found


def _capture(number: int, raw: object, hosts: Collection[str]) -> CaptureFile:
    where = f"diagnose_captures, entry {number}:"
    raw = {"path": raw} if isinstance(raw, str) else raw
    if not isinstance(raw, dict) or not isinstance(raw.get("path"), str) or not raw["path"]:
        raise PlanError(f"{where} {quoted(raw)} has no path: give the path of a capture file on the controller.")
    unknown = [key for key in raw if key not in _KEYS]
    if unknown:
        raise PlanError(f"{where} {quoted(unknown[0])} is not a key: give some of {', '.join(_KEYS)}.")
    host, offset = raw.get("host"), raw.get("offset") or 0.0
    if host is not None and (not isinstance(host, str) or host not in hosts):
        raise PlanError(f"{where} the host {quoted(host)} has no part in any flow: correct it, or leave it out for a point on the path.")
    try:
        offset = float(offset)
    except (TypeError, ValueError):
        offset = math.nan
    if not abs(offset) < 1e9:
        raise PlanError(f"{where} the offset {quoted(raw['offset'])} is not a number of seconds.")
    return CaptureFile(raw["path"], host, offset)
