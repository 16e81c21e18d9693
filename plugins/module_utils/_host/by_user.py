# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which users of this host its firewall would treat otherwise than the one as whom a diagnosis connects: `users` of a verdict."""

from __future__ import annotations

import pwd
import typing as t

MOST_USERS, MOST_NAMES = 200, 10

Record = t.Dict[str, t.Any]


def unowned(questions: t.Sequence[Record]) -> dict[int, Record]:
    """By their numbers, the questions about SYNs of the host's own, each as one of which it is not known who sends it."""
    own = {number: each for number, each in enumerate(questions) if each["packet"] == "syn" and each.get("uid") is not None}
    return {number: {**each, "uid": None, "gid": None} for number, each in own.items()}


def depends(verdict: Record, unknown: Record) -> bool:
    """Whether a verdict depends on who sends the packet."""
    decided = verdict["verdict"] in ("accept", "drop", "reject")
    return decided and unknown["verdict"] == "undecided" and (unknown["undecided"] or {}).get("kind") == "unknown"


def others(question: Record) -> list[tuple[str, Record]]:
    """The question as each user of the host would ask it, with the user's name."""
    accounts = {account.pw_uid: account for account in pwd.getpwall() if account.pw_uid != question["uid"]}
    return [(account.pw_name, {**question, "uid": uid, "gid": account.pw_gid}) for uid, account in sorted(accounts.items())[:MOST_USERS]]


def differing(verdict: Record, users: t.Sequence[tuple[str, Record]]) -> Record | None:
    """{verdict, rule, names, more}: what happens to the packets of most of those users that fare otherwise; None where none does."""
    groups: dict[tuple[t.Any, ...], list[tuple[str, Record]]] = {}
    for name, answer in users:
        if answer["verdict"] in ("accept", "drop", "reject") and answer["verdict"] != verdict["verdict"]:
            rule = answer["rule"] or {}
            groups.setdefault((answer["verdict"], rule.get("chain"), rule.get("number"), rule.get("text")), []).append((name, answer))
    if not groups:
        return None
    most = max(groups.values(), key=len)
    names, answer = [name for name, _answer in most], most[0][1]
    return {"verdict": answer["verdict"], "rule": answer["rule"], "names": names[:MOST_NAMES], "more": max(0, len(names) - MOST_NAMES)}
