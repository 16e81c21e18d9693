# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Policy rules that refuse packets by themselves."""

from __future__ import annotations

from .._model.fixes import Fix
from .._model.network_records import Route
from .._model.network_subjects import WithoutMain
from .make import advice, shell

_OF_MAIN = 32766  # the priority of the rule that looks up table main, unless somebody has moved it


def to_main(host: str, lacking: WithoutMain) -> Fix:
    """The kernel makes this rule with the namespace, and nobody makes it again."""
    return advice(
        "route",
        host,
        f"give {host} the policy rule again that leads to table main, and find out who deleted it: what flushes policy rules and restores "
        "its own only",
        [shell("ip", *(("-6",) if lacking.family == 6 else ()), "rule", "add", "lookup", "main", "priority", _OF_MAIN)],
    )


def ahead_of(host: str, route: Route) -> Fix:
    """Such rules stand behind those for a tunnel, so that nothing leaves beside it while it is down: to take them away would undo that."""
    family = ("-6",) if ":" in route.remote else ()
    target = f"{route.remote}/{128 if family else 32}"
    if (route.rule or 0) > _OF_MAIN:
        summary = (
            f"give {host} a route to {route.remote} in table main, which is looked up ahead of policy rule {route.rule} and has none; or "
            f"take that rule away, which is of type {route.type} and refuses what no table has a way for"
        )
        return advice("route", host, summary, [shell("ip", *family, "route", "show", "table", "main")])
    first = shell("ip", *family, "rule", "add", "to", target, "lookup", "main", "priority", (route.rule or 0) - 1)
    return advice(
        "route",
        host,
        f"bring back what the rules ahead of policy rule {route.rule} of {host} lead to, such as a VPN; the rule itself is of type "
        f"{route.type}, as of a kill switch, and refuses what none of them has a way for. If {route.remote} need not go by these, add a "
        "rule for it ahead, now and where the others are configured",
        [first] if route.rule else [],
    )
