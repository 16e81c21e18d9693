# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Rules that decide by the user who connects: what a diagnosis found holds for its own user alone."""

from __future__ import annotations

from ..._model.firewall_records import Users
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .rules import details, kept_by
from .traversals import Place, judged


def of_others(case: Case, wanted: str) -> Finding | None:
    """A remark: the handshake works for the user who tried it, and a rule drops or rejects (`wanted`) that of others."""
    client = case.client
    verdict = judged(case, Place(client, "syn", "out", "client.firewall"))
    users = verdict.users if verdict is not None else None
    if verdict is None or users is None or users.verdict != wanted or users.rule is None:
        return None
    does = "rejects" if wanted == "reject" else "drops"
    return Finding(
        "likely",
        client.name,
        "client.firewall",
        f"this holds for uid {verdict.uid}, as whom {client.name} connected: {users.rule.name} {does} the SYN of {named(users)}",
        (case.saw(client, "firewall", f"evaluated for each user of {client.name}"), *kept_by(client, users.rule)),
        leg="syn",
        detail=details(verdict, None, users.rule),
        remark=True,
    )


def named(users: Users) -> str:
    """Some of the users, and how many there are besides."""
    shown = ", ".join(users.names[:5])
    more = len(users.names[5:]) + users.more
    return f"users such as {shown} and {plural(more, 'other')}" if more else f"users such as {shown}"
