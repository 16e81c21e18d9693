# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where the controller keeps a run: the plan, every host's work order and its answers, as files that only their owner can read."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan import PHASES, TRACE_PHASES, Plan

MAX_ANSWER = 64 << 20  # bytes of JSON that one host's answer may take
KINDS = ("unreachable", "python", "become", "module", "malformed")
_PLAN = "plan.json"


class EvidenceError(Exception):
    """A file of the run that is not there or not what it should be; the message is a sentence."""


class EvidenceFiles:
    """The directory C(evidence) in a report directory."""

    def __init__(self, report_dir: str) -> None:
        self.report_dir = Path(report_dir)
        self.directory = self.report_dir / "evidence"

    def begin(self, plan: Plan, started: str) -> None:
        """Make the directory ready for a run: nothing of an earlier one stays, the plan and the orders are written. OSError."""
        self.report_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o700, exist_ok=True)
        if not stat.S_ISDIR(os.lstat(self.directory).st_mode):
            raise NotADirectoryError(f"{self.directory} is a link: remove it")
        self.directory.chmod(0o700)
        for path in self.directory.iterdir():
            if path.suffix == ".json":
                path.unlink()
        for host, order in plan.orders.items():
            self._write(_name(host, "order"), order)
        self._write(_PLAN, {"started": started, "phases": plan.phases(), **plan.to_json()})

    def plan(self) -> tuple[Plan, str]:
        """The plan, without its orders, and when the run started. EvidenceError."""
        raw = self._read(_PLAN)
        return Plan.from_json(raw), raw["started"]

    def order(self, host: str, phase: str = "open") -> dict[str, Any] | None:
        """A host's work order for a phase; None when it takes no part. EvidenceError."""
        try:
            return self._read(_name(host, "trace_order" if phase in TRACE_PHASES else "order"))
        except FileNotFoundError:
            return None

    def keep_trace_orders(self, orders: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the work orders for the phases that trace what broke."""
        for host, order in orders.items():
            self._write(_name(host, "trace_order"), order)

    def keep(self, host: str, phase: str, evidence: Mapping[str, Any]) -> None:
        """Write what a host returned. EvidenceError when that is no JSON, or too much of it."""
        try:
            text = json.dumps({"host": host, "phase": phase, "failure": None, "evidence": evidence}, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise EvidenceError(f"the answer is not JSON: {error}") from error
        if len(text) > MAX_ANSWER:
            raise EvidenceError(f"the answer has {len(text)} bytes, and {MAX_ANSWER} are the limit")
        self._replace(_name(host, phase), text)

    def keep_failure(self, host: str, phase: str, kind: str, message: str) -> None:
        """Write why a host returned nothing; `kind` is one of KINDS."""
        self._write(_name(host, phase), {"host": host, "phase": phase, "failure": {"kind": kind, "message": message}, "evidence": None})

    def answer(self, host: str, phase: str) -> dict[str, Any] | None:
        """What was kept for a host and a phase; None when it took no part. EvidenceError."""
        try:
            return self._read(_name(host, phase))
        except FileNotFoundError:
            return None

    def answers(self, plan: Plan) -> dict[str, dict[str, dict[str, Any]]]:
        """Everything that was kept for the plan's hosts, by host and phase."""
        hosts = {host for entry in plan.entries for host in (entry.client, entry.server, *entry.via) if host}
        found = {host: {phase: self.answer(host, phase) for phase in (*PHASES, *TRACE_PHASES)} for host in sorted(hosts)}
        return {host: {phase: answer for phase, answer in phases.items() if answer is not None} for host, phases in found.items()}

    def keep_dialled(self, host: str, dialled: list[dict[str, Any]]) -> None:
        """Write the tried handshakes of a client in short, for the hosts that fetch their recordings next."""
        self._write(_name(host, "dialled"), {"dialled": dialled})

    def dialled(self, host: str) -> list[dict[str, Any]]:
        """What `keep_dialled` wrote; [] when the client returned nothing."""
        try:
            found: list[dict[str, Any]] = self._read(_name(host, "dialled"))["dialled"]
        except FileNotFoundError:
            return []
        return found

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.directory / name).read_text(encoding="utf-8"))
        except ValueError as error:
            raise EvidenceError(f"{self.directory / name} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise EvidenceError(f"{self.directory / name} is not what this collection writes")
        return found

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        self._replace(name, json.dumps(content))

    def _replace(self, name: str, text: str) -> None:
        handle, draft = tempfile.mkstemp(prefix=".", dir=self.directory)  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, self.directory / name)
        except BaseException:
            os.unlink(draft)
            raise


def _name(host: str, what: str) -> str:
    """A file name for any inventory name: percent-encoded, with a digest where it would be too long."""
    safe = quote(host, safe="", errors="surrogatepass")
    if len(safe) > 180:
        safe = f"{safe[:150]}~{hashlib.sha256(safe.encode()).hexdigest()[:24]}"
    return f"{safe}.{what}.json"
