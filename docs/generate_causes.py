# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/causes.md from the catalogue in the code: ``python docs/generate_causes.py``, with the collections root on PYTHONPATH."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.catalogue import Accounts, Cause
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.outcome import OUTCOMES, SEGMENTS

HEAD = """\
# The catalogue of causes

Generated from the code by `make docs`; do not edit. A cause is `proven` when the evidence under *Proof* was seen for the very flow,
and nothing is left that it does not account for ([anomalies.md](anomalies.md)), `likely` when a part of it was or something is left, and
`possible` when it is one of several that the evidence leaves open.
"""


def render() -> str:
    """The whole page, with the causes as a handshake passes where they act first."""
    ordered = sorted(CATALOGUE, key=lambda cause: (SEGMENTS.index(cause.segments[0]), cause.code))
    parts = [HEAD, "## Causes by segment\n", "| segment | causes |", "|---|---|"]
    for segment in SEGMENTS:
        codes = [f"[{cause.code}](#{cause.code})" for cause in ordered if segment in cause.segments]
        parts.append(f"| `{segment}` | {', '.join(codes) or 'none yet'} |")
    parts += [
        "",
        "## Outcomes",
        "",
        "How far an attempt came, by its packets and its errno alone. A cause explains some outcomes and is not asked about others.",
        "",
    ]
    parts += [f"- `{kind}`: {meaning}." for kind, meaning in OUTCOMES.items()]
    parts += ["", "## Causes", ""]
    parts += [_entry(cause) for cause in ordered]
    return "\n".join(parts)


def _entry(cause: Cause) -> str:
    lines = [
        f"### {cause.code}",
        "",
        f"{cause.title}.",
        "",
        f"- Segments: {', '.join(f'`{segment}`' for segment in cause.segments)}",
        f"- Outcomes: {', '.join(f'`{outcome}`' for outcome in cause.outcomes)}",
        f"- Proof: {cause.proof}",
        f"- Contradicted by: {cause.contradicted_by}",
    ]
    if needed := [f"the {part.party}'s {part.part}" if part.part else f"a managed {part.party}" for part in cause.parts if part.party]:
        lines.append(f"- Needs: {', '.join(dict.fromkeys(needed))}")
    if cause.precedes:
        lines.append(f"- Precedes: {', '.join(f'[{code}](#{code})' for code in cause.precedes)}")
    if cause.accounts_for:
        lines.append(f"- Accounts for: {'; '.join(_accounted(each) for each in cause.accounts_for)}")
    if cause.last_resort:
        also = "" if cause.rule is None else "also "
        lines.append(f"- It is {also}argued by elimination, when nothing else is at least likely.")
    return "\n".join([*lines, ""])


def _accounted(account: Accounts) -> str:
    """``icmp_error``, ``counter (TcpExt.ListenDrops)``, at the cause's host unless it says otherwise."""
    names = f" ({', '.join(account.names)})" if account.names else ""
    return f"`{account.kind}`{names}{' anywhere' if account.anywhere else ''}"


if __name__ == "__main__":
    Path(__file__).with_name("causes.md").write_text(render(), encoding="utf-8")
