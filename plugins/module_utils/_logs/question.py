# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which lines are asked for: when, and about whom."""

from __future__ import annotations

import typing as t

from .._wire.addresses import canonical_or_none

_ANY = ("0.0.0.0", "::")


class Question(t.NamedTuple):
    """An empty set asks for all of its kind. `ports`: of both ends. `names`: of the processes that `pids` are."""

    since: float
    until: float
    addresses: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    pids: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    netns: int | None = None

    def about(self, record: t.Mapping[str, t.Any]) -> bool:
        """Whether a record is about the handshakes, the processes, or the whole host."""
        if record.get("netns") is not None and self.netns is not None and record["netns"] != self.netns:
            return False
        return self._about_ends(record) and self._about_process(record)

    def _about_ends(self, record: t.Mapping[str, t.Any]) -> bool:
        ports = {record[name] for name in ("sender_port", "receiver_port") if record.get(name) is not None}
        addresses = {record[name] for name in ("sender", "receiver") if record.get(name) is not None} - set(_ANY)
        if record["kind"] == "firewall_log" and self.ports and not ports <= self.ports:
            return False  # both are known of a handshake; those of others to the same service are left out
        if ports and self.ports and not ports & self.ports:
            return False
        return not addresses or not self.addresses or bool(addresses & self.addresses)

    def _about_process(self, record: t.Mapping[str, t.Any]) -> bool:
        if record["kind"] not in ("accept_error", "unit_failed", "unit_error", "access_denied"):
            return True
        if record["kind"] == "access_denied" and record.get("receiver_port") in self.ports:
            return True
        if not (self.pids or self.units or self.names):
            return not (self.addresses or self.ports)
        return record.get("unit") in self.units or record.get("pid") in self.pids or record.get("process") in self.names


def address(text: str) -> str | None:
    """An address as a program logs it, perhaps in brackets, in canonical spelling; None for what is none."""
    return canonical_or_none(text.strip("[]"))
