# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What the next boot would change: compare what runs with what files and enabled units say. `reboot` of docs/drift.md.

Nothing is guessed from the looks of a file: rules are loaded into a network namespace of their own by the very tools that load them at
boot, and the flows' packets are put to both rulesets.
"""

from __future__ import annotations

import difflib
import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._firewall.verdicts import observe
from .services import FIREWALLS, Unit, stays

Record = t.Dict[str, t.Any]
Absent = t.List[t.Dict[str, str]]

MOST_LINES = 60  # of one difference between rulesets
MOST_SAID = 3  # of these lines in a sentence
_ASKED = ("packet", "direction", "source", "source_port", "destination", "port", "interface", "out_interface", "mark", "uid")
_PACKET = ("packet", "direction", "source", "source_port", "destination", "port")


class Host(t.NamedTuple):
    """What is known of the host by now. `verdicts`: those of its firewall on the flows' packets, as a snapshot has them."""

    units: t.Mapping[str, Unit]
    sysctls: t.Mapping[str, str]
    interfaces: t.Collection[str]
    verdicts: t.Sequence[Record]
    run: Run


def changes(host: Host) -> tuple[list[Record], Absent]:
    """Sorted by kind and name. Each has kind, name, now, then, because; rules `diff` and `answers` as well.

    A sysctl has the `file` and `line` that decide, if any do, and a service how it is `enabled`.
    """
    from . import boot_firewalld, boot_iptables, boot_nftables, boot_sysctls, boot_ufw

    found, absent = _services(host), []
    for what, compare in (
        ("sysctls", boot_sysctls.changes),
        ("nftables", boot_nftables.changes),
        ("iptables", boot_iptables.changes),
        ("ufw", boot_ufw.changes),
        ("firewalld", boot_firewalld.changes),
    ):
        try:
            found += compare(host)
        except (ObserveError, OSError) as error:
            absent.append({"what": f"reboot: {what}", "why": str(error)})
        except Exception as error:  # files unlike all that we know, and a mistake of ours: the rest of the state is worth keeping
            absent.append({"what": f"reboot: {what}", "why": f"{type(error).__name__}: {error}"})
    return sorted(found, key=lambda item: (item["kind"], item["name"])), absent


def _services(host: Host) -> list[Record]:
    """Firewalls that only load rules are left out: what happens to their rules is reported."""
    found = []
    for name, unit in sorted(host.units.items()):
        then = stays(unit)
        if then and (name not in FIREWALLS or name == "firewalld.service"):
            because = f"the unit is {unit.enabled}" + (", and no other unit starts it" if then == "not started" else "")
            change = {"kind": "service", "name": name, "now": unit.active, "then": then, "because": because}
            found.append({**change, "enabled": unit.enabled})
    return found


def difference(now: t.Sequence[str], then: t.Sequence[str]) -> list[str]:
    """What goes (-) and what comes (+), without what stays."""
    lines = [line for line in difflib.unified_diff(now, then, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
    left_out = len(lines) - MOST_LINES
    return [line[:500] for line in lines[:MOST_LINES]] + ([f"... and {left_out} more lines"] if left_out > 0 else [])


def item(kind: str, name: str, difference: list[str], because: str, answers: list[Record] | None) -> Record:
    """`answers` None: what happens to the flows' packets is not known."""
    going, coming = ([line[1:] for line in difference if line.startswith(sign)] for sign in "-+")
    return {
        "kind": kind,
        "name": name,
        "now": _some(going),
        "then": _some(coming),
        "because": because,
        "diff": difference,
        "answers": answers,
    }


def _some(lines: t.Sequence[str]) -> str:
    said = "; ".join(line[:100] for line in lines[:MOST_SAID])
    return said + (f" and {len(lines) - MOST_SAID} more" if len(lines) > MOST_SAID else "") or "nothing instead"


def answers(host: Host, saved: str, concerned: t.Callable[[str], bool]) -> list[Record]:
    """The flows' packets that a saved ruleset stops, and the one that is loaded does not; and those that it no longer translates.

    `concerned`: whether a rule (by its place) is one of those that the saved ruleset replaces. Rules of others are not in there: they
    may stop more packets, but cannot let one through that these stop.
    """
    asked = [verdict for verdict in host.verdicts if verdict["state"] != "invalid"]
    if not asked:
        return []
    then = observe([{name: each[name] for name in _ASKED} for each in asked], host.run, saved)["verdicts"] if saved.strip() else []
    found = []
    for number, before in enumerate(asked):
        after: Record = then[number] if then else {"verdict": "accept", "rewritten": None}
        stopped = after["verdict"] in ("drop", "reject") and before["verdict"] not in ("drop", "reject")
        ways = [step["rule"] for step in before["path"] if step["rule"] and step["matched"] is not False]
        ours = any(concerned(f"{rule['family']} {rule['table']} {rule['chain']}") for rule in ways)
        lost = before["rewritten"] and ours and (after["rewritten"] or {}).get("changes") != before["rewritten"]["changes"]
        if stopped or lost:
            found.append({**packet_of(before), "now": _short(before), "then": _short(after)})
    return found


def packet_of(verdict: Record) -> Record:
    """Which packet it is."""
    return {name: verdict[name] for name in _PACKET if verdict[name] is not None}


def _short(verdict: Record) -> str:
    changed = (verdict.get("rewritten") or {}).get("changes") or []
    rule = verdict.get("rule")
    decided = f" by {rule['family']} {rule['table']} {rule['chain']}: {rule['text']}" if rule and verdict["verdict"] != "accept" else ""
    return f"{', '.join([verdict['verdict'], *changed])}{decided}"[:500]
