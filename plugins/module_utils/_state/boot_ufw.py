# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Compare the rules in ufw's chains with those that ufw.service loads at boot from its files (ufw-framework(8))."""

from __future__ import annotations

import re
import typing as t

from .._firewall.managers.files import content, lines
from .._firewall.managers.ufw import DIRECTORY
from .._firewall.xt import save
from . import boot
from .boot_iptables import TOOLS, _printed, parsed, rehearsed

if t.TYPE_CHECKING:
    from .boot import Host, Record

UNIT = "ufw.service"
_KEPT = re.compile(r"ufw6?-(before|after|user)-[\w-]+")  # the chains whose rules stand in files; the others ufw makes itself
_GLUE = re.compile(r"-A ufw6?-before-(\w+) -j ufw6?-user-\1")  # which ufw puts after what the files have
_CHAIN = re.compile(r"ufw6?-[\w-]+")


def changes(host: Host) -> list[Record]:
    unit = host.units.get(UNIT)
    if unit is None:
        return []
    loads = bool(unit.boots) and any(line.strip().lower() == "enabled=yes" for line in lines(f"{DIRECTORY}/ufw.conf") or ())
    found: list[Record] = []
    for family, tool in TOOLS.items():
        printed = _printed(host.run, f"{tool}-save")
        loaded = parsed(family, printed).get("filter")
        now = kept_lines(loaded)
        then = kept_lines(parsed(family, rehearsed(host.run, tool, _texts(family, loaded))).get("filter")) if loads else []
        if now == then:
            continue
        because = f"the files in {DIRECTORY} are what {UNIT} loads" if loads else f"ufw is not enabled: {UNIT} is {unit.enabled}"
        saved = composed(printed, loaded, then) if loads and now and loaded else ""
        known = not loads or bool(now)
        found.append(
            boot.item(
                "ufw",
                f"chains of {tool}",
                boot.difference(now, then),
                because,
                boot.answers(host, saved, lambda place: False) if known else None,
            )
        )
    return found


def kept_lines(table: save.Table | None) -> list[str]:
    """The rules of the chains that are in files, chain by chain."""
    chains = sorted(name for name in (table.chains if table else ()) if _KEPT.fullmatch(name))
    rules = [save.packets_and_rule(line)[1] for name in chains for line in (table.chains[name].lines if table else ())]
    return [rule for rule in rules if not _GLUE.fullmatch(rule)]


def composed(printed: str, table: save.Table, then: t.Sequence[str]) -> str:
    """What the save tool printed, with the chains of ufw's files as they will be."""
    ours = {name for name in table.chains if _KEPT.fullmatch(name)}
    text: list[str] = []
    glue: list[str] = []
    inside = False
    for line in printed.splitlines():
        inside = line.strip() == "*filter" if line.startswith("*") else inside
        if inside and line.startswith("-A ") and line.split()[1] in ours:
            glue += [line] if _GLUE.fullmatch(line.strip()) else []
            continue
        if inside and line.strip() == "COMMIT":
            text += [rule for rule in then if rule.split()[1] in ours] + glue
        text.append(line)
    return "\n".join([*text, ""])


def _texts(family: str, loaded: save.Table | None) -> list[str]:
    """What is given to the restore tool: first the chains that ufw makes itself, then its files."""
    six = "6" if family == "ip6" else ""
    files = [content(f"{DIRECTORY}/{part}{six}.rules") or "" for part in ("before", "after", "user")]
    mentioned = {name for text in files for name in re.findall(r"(?:-[Aj] |^:)(ufw6?-[\w-]+)", text, re.MULTILINE)}
    chains = mentioned | {name for name in (loaded.chains if loaded else ()) if _CHAIN.fullmatch(name)}
    frame = "\n".join(["*filter", *(f":{name} - [0:0]" for name in sorted(chains)), "COMMIT", ""])
    return [frame, *files]
