# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A host's part in a diagnosis where it has no usable Python: its shell shows its state, and its sshd makes the handshakes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .._bare.answer import WITHOUT, NoShell, addresses_of, sections, snapshot
from .._bare.channel import CONNECT_FAILED, PROHIBITED, NoChannel, probe
from .._bare.script import snapshot_script
from .._values.text import clean
from .ssh_channels import Answer, Ask, asker

PHASES = ("open", "try", "close")
SSH_ALONE = "observed by SSH alone: its shell and its sshd, without Python"

_SHELLS = ("sh", "csh", "fish")
_MOST_ATTEMPTS = 200
_BY_SSHD = (
    "sshd makes these connections as {user}: no packet of them is recorded there, an ICMP error cannot be distinguished from a refusal, "
    "and their durations include the round trip to sshd"
)

Json = dict[str, Any]


def no_python(connection: Any) -> str | None:
    """Why modules in Python cannot run over a connection, whatever the host has; None where they may."""
    if connection.transport in ("network_cli", "netconf", "httpapi", "grpc"):
        return f"its connection is {connection.transport}, which runs no Python on the host"
    if not _has_posix_shell(connection):
        return f"its shell is {connection._shell.SHELL_FAMILY}, not a POSIX shell, and modules in Python are not run there"
    return None


def answer(action: ActionBase, order: Json, phase: str) -> Json:
    """What the module vantage returns for the phase, with fewer parts. Never raises for what the host does not do."""
    part = _Part(action, order)
    if phase == "open":
        return {"snapshot": part.look(), "recorder": None, "absent": part.absent}
    if phase == "close":
        return {"recording": None, "after": part.look(), "absent": part.absent}
    before = part.look()
    probes = part.attempts(before)
    return {
        "before": before,
        "resolutions": part.resolutions,
        "probes": probes,
        "hops": [],
        "recording": None,
        "after": part.look(),
        "absent": part.absent,
    }


def _has_posix_shell(connection: Any) -> bool:
    shell = getattr(connection, "_shell", None)
    return shell is None or getattr(shell, "SHELL_FAMILY", "sh") in _SHELLS


class _Part:
    def __init__(self, action: ActionBase, order: Json) -> None:
        self.connection: Any = action._connection
        self.execute: Callable[..., Json] = action._low_level_execute_command
        self.order = order
        self.absent: list[dict[str, str]] = []
        self.resolutions: list[Json] = []
        self.parts: dict[str, str] = {}

    def lacks(self, what: str, why: object) -> None:
        entry = {"what": what, "why": clean(why)}
        if entry not in self.absent:
            self.absent.append(entry)

    def look(self) -> Json | None:
        """A snapshot by the host's shell."""
        if no_python(self.connection):
            self.lacks("recording", WITHOUT)
            self.lacks("snapshot", f"{no_python(self.connection)}: nothing can be observed on the host")
            return None
        names = {dial["address"] for dial in self.order["dials"] if canonical_or_none(dial["address"]) is None}
        try:
            said = self.execute(snapshot_script(self.order, sorted(names)))
            self.parts = sections("\n" + str(said.get("stdout") or ""))
        except (AnsibleError, OSError, NoShell) as error:
            self.lacks("recording", WITHOUT)
            self.lacks("snapshot", error)
            return None
        parts, absent = snapshot(self.parts, self.order)
        self.absent += [each for each in absent if each not in self.absent]
        return parts

    def attempts(self, before: Json | None) -> list[Json]:
        """The handshakes that sshd makes, in rounds: one attempt of each dial at a time."""
        try:
            ask = asker(self.connection)
        except (NoChannel, AnsibleError, OSError) as error:
            self.lacks("probes", error)
            return []
        user = self.connection.get_option("remote_user")
        self.lacks("attempts", _BY_SSHD.format(user=f"user {user}" if user else "the user of the login"))
        targets = [(dial, address) for dial in self.order["dials"] if self._can(dial) for address in self._addresses(dial, ask)]
        sources = {route["remote"]: route["source"] for route in (before or {}).get("routes") or ()}
        rounds = range(max((dial["attempts"] for dial, _address in targets), default=0))
        wanted = [(number, *target) for number in rounds for target in targets if number < target[0]["attempts"]]
        if len(wanted) > _MOST_ATTEMPTS:
            self.lacks("attempts", f"only {_MOST_ATTEMPTS} of {len(wanted)} were made")
        probes: list[Json] = []
        refused: set[tuple[str, int]] = set()
        for number in rounds:
            asked = [(dial, address) for each, dial, address in wanted[:_MOST_ATTEMPTS] if each == number]
            asked = [(dial, address) for dial, address in asked if (address, dial["port"]) not in refused]
            answers = ask([(address, dial["port"], dial["timeout"] + self.order["patience"]) for dial, address in asked])
            for (dial, address), (channel, started, elapsed) in zip(asked, answers, strict=True):
                why = _not_tried(channel)
                if why:
                    refused.add((address, dial["port"]))
                    self.lacks("probes", f"{address} port {dial['port']}: {why}")
                else:
                    probes.append({**probe(dial, number, address, channel, started, elapsed), "local_address": sources.get(address)})
        return probes

    def _can(self, dial: Json) -> bool:
        """Whether sshd can make these handshakes as they are wanted."""
        if dial.get("user"):
            self.lacks(f"probes as user {dial['user']}", "sshd connects as the user of the login")
        if dial["source"]:
            self.lacks("probes", f"sshd chooses no source address, and the flow wants {dial['source']}")
        return not (dial.get("user") or dial["source"])

    def _addresses(self, dial: Json, ask: Callable[[list[Ask]], list[Answer]]) -> list[str]:
        """Those of a name: the host's own, or, where no shell can be asked, the controller's."""
        name = str(dial["address"])
        if canonical_or_none(name):
            return [str(canonical_or_none(name))]
        found = addresses_of(self.parts, name)
        if not found:
            channel, _started, _elapsed = ask([(name, dial["port"], dial["timeout"] + self.order["patience"])])[0]
            if error := channel.resolver_error:
                self._resolved(dial, [], error, channel.answer)
                return []
            with suppress(OSError):
                answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
                found = list(dict.fromkeys(str(canonical_or_none(str(sockaddr[0]))) for *_kinds, sockaddr in answers))
            why = (
                "its addresses are those that the controller has, as the host has no getent"
                if found
                else "neither the host nor the controller can resolve it"
            )
            self.lacks("resolutions", f"{name}: {why}")
        if found:
            self._resolved(dial, found)
        return found

    def _resolved(self, dial: Json, found: list[str], error: str | None = None, said: str | None = None) -> None:
        resolution = {"dial": dial["id"], "name": dial["address"], "addresses": found, "error": error, "message": said, "elapsed_ms": None}
        self.resolutions.append(resolution)


def _not_tried(channel: Any) -> str | None:
    """Why the answer is none about the handshake."""
    if channel.refusal == PROHIBITED:
        return f"sshd does not connect for us ({PROHIBITED}): AllowTcpForwarding, PermitOpen or the key's options there"
    if channel.refusal not in (None, CONNECT_FAILED):
        return f"sshd does not connect for us ({channel.refusal}{': ' + channel.answer if channel.answer else ''})"
    if not channel.asked and not channel.answered:
        return f"ssh ended before it asked sshd: {channel.last or 'it gave no reason'}"
    return None
