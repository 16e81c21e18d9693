# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Add or remove a rule that lets a flow through, before another rule: in the running ruleset and in the file, or in neither."""

from __future__ import annotations

import os
import typing as t

from ..._commands import Run
from ..._errors import ObserveError
from ..managers import Managers
from ..managers.files import content
from .loaded import Loaded, Place, Reference
from .words import VARIANTS, Accepted, tool
from .written import has_rule, with_rule, without_rule

Try = t.Callable[[str, str], str]  # (file, text) -> a draft beside the file, with that text


class Change(t.NamedTuple):
    """What is to be done, and what it looks like: rules and file as text, before and after."""

    missing: bool  # the running ruleset lacks our rule in front of `before`
    surplus: list[Reference]  # our rules that are to go
    before: Reference | None
    text: str | None  # what the file is to be; None: as it is
    diff: list[dict[str, str]]


def plan(run: Run, place: Place, accepted: Accepted, known: str | None, file: str | None, present: bool) -> Change:
    """Read and decide, and change nothing. Raises ObserveError.

    `known`: the digest of the rule that stops the flow; None: the policy does.
    """
    loaded = Loaded(run, place, accepted)
    rules = loaded.rules()
    ours = loaded.ours(rules)
    stopping = loaded.stopping(rules, known) if present and known is not None else None
    ahead = [rule for rule in ours if stopping is None or rule["number"] < stopping["number"]]
    missing, surplus = present and not ahead, [] if present else ours
    text = _text(run, place, accepted, stopping, file, present)
    listed = [rule["text"] for rule in rules]
    after = [rule["text"] for rule in rules if rule not in surplus]
    if missing:
        after.insert(stopping["number"] - 1 if stopping else len(after), accepted.line(place.variant, place.chain))
    diff = [_diff(str(place), "\n".join([*listed, ""]), "\n".join([*after, ""]))] if missing or surplus else []
    if text is not None:
        diff.append(_diff(str(file), content(str(file)) or "", text))
    return Change(missing, surplus, stopping, text, diff)


def carry_out(run: Run, place: Place, accepted: Accepted, change: Change) -> None:
    """Change the running ruleset. Raises ObserveError."""
    loaded = Loaded(run, place, accepted)
    if change.missing:
        loaded.insert(change.before)
    loaded.remove(change.surplus)


def check_draft(run: Run, place: Place, accepted: Accepted, file: str, draft: str) -> None:
    """Raise ObserveError if the tool that loads the file takes it as it is, and would not take the draft."""
    command = ["nft", "-c", "-f"] if place.variant == VARIANTS[0] else [f"{tool(place.variant, accepted.source)}-restore", "--test"]
    code, _output, error = run([*command, draft])
    if code != 0 and run([*command, file])[0] == 0:
        raise ObserveError(f"{file} would not be loaded any more with the rule: {error.strip()[:500]}")


def _text(run: Run, place: Place, accepted: Accepted, stopping: Reference | None, file: str | None, present: bool) -> str | None:
    if file is None:
        return None
    text = content(file)
    if text is None:
        raise ObserveError(f"{file} cannot be read as a text of moderate size")
    if has_rule(text, accepted) is present:
        return None
    if not present:
        return without_rule(text, accepted)
    return with_rule(text, place, accepted, _line(run, place, stopping, file), stopping)


def _line(run: Run, place: Place, stopping: Reference | None, file: str) -> int:
    """The line of the rule, or of the policy, in the file that it was seen in."""
    policy = {"family": place.family, "table": place.table, "chain": place.chain, "handle": None, "number": None, "text": "policy drop"}
    reference = {**(stopping or policy), "packets": None}
    origin = Managers(run).owner(reference)["origin"] or {}
    if not origin.get("line") or os.path.realpath(str(origin["file"])) != os.path.realpath(file):
        raise ObserveError(f"{file} no longer has the rule that stops the flow: diagnose again")
    return int(origin["line"])


def _diff(name: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": name, "after_header": name, "before": before, "after": after}
