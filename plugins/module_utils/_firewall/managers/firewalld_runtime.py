# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What firewalld has at runtime and not permanently, or the other way round: what `firewall-cmd --reload` and a boot change.

firewalld alone knows what it has at runtime, so that firewall-cmd has to be asked, which takes a third of a second each time.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..._commands import Run
from ..._errors import ObserveError

NETWORK_MANAGER = "/run/NetworkManager"  # which binds interfaces to zones by itself, after a reload as well
_HEAD = re.compile(r"(\S+)(?: \([\w, ]+\))?")  # public (default, active)
_ITEM = re.compile(r"  (?P<name>[\w-]+(?: [\w-]+)*): ?(?P<values>.*)")
_LISTS = (("zone", "--list-all-zones"), ("policy", "--list-all-policies"))
_WORDS = (("ipset", ("--get-ipsets",)),)
_LINES = (("direct rule", ("--direct", "--get-all-rules")), ("direct chain", ("--direct", "--get-all-chains")))


class Difference(t.NamedTuple):
    """Of one zone, policy, ipset or the direct interface: what goes and what comes with a reload."""

    kind: str
    name: str
    goes: list[str]
    comes: list[str]

    def words(self) -> str:
        changes = [f"{verb} {'; '.join(lines)}" for verb, lines in (("loses", self.goes), ("gets", self.comes)) if lines]
        return f"{self.kind} {self.name} {' and '.join(changes)}".replace("  ", " ")


def reloading(run: Run, interfaces: bool | None = None) -> list[Difference]:
    """What a reload changes. Raises ObserveError where firewall-cmd does not say.

    `interfaces`: whether the zones of interfaces count; by default where no NetworkManager binds them.
    """
    bound = not os.path.isdir(NETWORK_MANAGER) if interfaces is None else interfaces
    found = []
    for kind, option in _LISTS:
        now, then = (holders(asked(run, *permanent, option)) for permanent in ((), ("--permanent",)))
        for name in sorted({*now, *then}):
            mine, theirs = (_counted(each.get(name, set()), bound) for each in (now, then))
            if mine != theirs:
                found.append(Difference(kind, name, sorted(mine - theirs), sorted(theirs - mine)))
    for kind, words, split in [(*each, str.split) for each in _WORDS] + [(*each, str.splitlines) for each in _LINES]:
        was, will = (set(split(asked(run, *permanent, *words))) for permanent in ((), ("--permanent",)))
        if was != will:
            found.append(Difference(kind, "", sorted(was - will), sorted(will - was)))
    return found


def _counted(lines: set[str], interfaces: bool) -> set[str]:
    return lines if interfaces else {line for line in lines if not line.startswith("interfaces: ")}


def asked(run: Run, *arguments: str) -> str:
    """What firewall-cmd prints. Raises ObserveError."""
    code, output, complaint = run(["firewall-cmd", *arguments])
    if code:
        raise ObserveError(f"firewall-cmd {' '.join(arguments)} failed: {' '.join(complaint.split())[:300]}")
    return output


def holders(listing: str) -> dict[str, set[str]]:
    """Zone or policy -> what it has, each thing a line of its own: "ports: 5432/tcp"."""
    found: dict[str, set[str]] = {}
    lines: set[str] = set()
    item = ""
    for line in listing.splitlines():
        head = _HEAD.fullmatch(line)
        match = _ITEM.fullmatch(line)
        if head:
            lines = found[head[1]] = set()
        elif match:
            item = match["name"]
            # Rich rules follow on lines of their own; what is `yes` or `no`, and targets, is one value.
            lines.update(f"{item}: {value}" for value in match["values"].split())
        elif line.strip():
            lines.add(f"{item}: {line.strip()}")
    return found
