# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Compare loaded tables of nftables itself with those that nftables.service loads at boot from its file and its includes."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from .._errors import ObserveError
from .._firewall.managers.files import content
from .._firewall.managers.names import maker
from .._firewall.managers.nftables import ROOTS
from .._firewall.saved import listed
from . import boot

if t.TYPE_CHECKING:
    from .._commands import Run
    from .boot import Host, Record

UNIT = "nftables.service"
DEEPEST_INCLUDE, MOST_FILES, MOST_BYTES = 16, 200, 4 << 20
_INCLUDE = re.compile(r"""^[ \t]*include[ \t]+["']([^"'\n]+)["'][ \t;]*$""", re.MULTILINE)
_TABLE = re.compile(r"table (\w+ \S+) \{")
_OF_IPTABLES = re.compile(r"ip6? (filter|nat|mangle|raw|security)")
_OF_OURS = re.compile(r"\w+ handshake_trace_\S+")


def changes(host: Host) -> list[Record]:
    """One for each table that differs. ObserveError where the file cannot be loaded, which the next boot would find out, too."""
    unit = host.units.get(UNIT)
    root = next((path for path in ROOTS if os.path.isfile(path)), None)
    if unit is not None and unit.boots is None:
        raise ObserveError(f"whether {UNIT} starts at boot is not known: it is {unit.enabled}")
    loads = bool(unit and unit.boots and root)
    text = expanded(str(root)) if loads else ""
    then = tables(listed(host.run, text)) if text.strip() else {}
    now = {name: lines for name, lines in tables(_loaded(host.run)).items() if name in then or _is_made_by_hand(name)}
    differing = {
        name: boot.difference(now.get(name, []), then.get(name, [])) for name in sorted({*now, *then}) if now.get(name) != then.get(name)
    }
    if not differing:
        return []
    because = f"{root} is what {UNIT} loads" if loads else f"nothing loads it: {UNIT} is {unit.enabled if unit else 'not there'}"
    found = boot.answers(host, text, lambda place: place.rpartition(" ")[0] in differing)
    return [boot.item("nftables", f"table {name}", lines, because, found) for name, lines in differing.items()]


def expanded(path: str) -> str:
    """A file of nft with what it includes in the place of its includes, see nft(8). ObserveError where a file cannot be read."""
    return _Expansion().file(path, 0)


class _Expansion:
    def __init__(self) -> None:
        self._files = self._bytes = 0

    def file(self, path: str, depth: int) -> str:
        text = content(path)
        self._files += 1
        self._bytes += len(text or "")
        if text is None or depth > DEEPEST_INCLUDE or self._files > MOST_FILES or self._bytes > MOST_BYTES:
            raise ObserveError(f"{path} cannot be read, or includes more than {MOST_FILES} files or {MOST_BYTES} bytes")
        return _INCLUDE.sub(lambda found: self._included(found[1], path, depth), text)

    def _included(self, pattern: str, path: str, depth: int) -> str:
        if not os.path.isabs(pattern):
            pattern = os.path.join(os.path.dirname(path) if pattern.startswith("./") else "/etc", pattern)
        return "\n".join(self.file(name, depth + 1) for name in sorted(glob.glob(pattern)))


def tables(listing: str) -> dict[str, list[str]]:
    """ "FAMILY NAME" -> the lines between its braces, from what `nft list ruleset` writes."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in listing.splitlines():
        begins = _TABLE.match(line)
        if begins:
            lines = found[begins[1]] = []
        elif line.startswith(("\t", " ")):
            lines.append(line.strip())
    return found


def _loaded(run: Run) -> str:
    code, output, complaint = run(["nft", "--stateless", "--terse", "list", "ruleset"])
    if code == 127:  # without the tool no file is loaded either
        return ""
    if code:
        raise ObserveError(f"nft does not list the ruleset: {' '.join(complaint.split())[:300]}")
    return output


def _is_made_by_hand(name: str) -> bool:
    family, _space, table = name.partition(" ")
    program = maker({"family": family, "table": table, "chain": "", "text": ""})
    return program == "nftables" and not _OF_IPTABLES.fullmatch(name) and not _OF_OURS.fullmatch(name)
