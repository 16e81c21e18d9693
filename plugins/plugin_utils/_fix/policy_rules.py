# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Policy rules that refuse packets by themselves."""

from __future__ import annotations

from .._model.fixes import Fix
from .._model.network_records import Route
from .make import advice, shell


def ahead_of(host: str, route: Route) -> Fix:
    """Such rules stand behind those for a tunnel, so that nothing leaves beside it while it is down: to take them away would undo that."""
    family = ("-6",) if ":" in route.remote else ()
    target = f"{route.remote}/{128 if family else 32}"
    first = shell("ip", *family, "rule", "add", "to", target, "lookup", "main", "priority", (route.rule or 0) - 1)
    return advice(
        "route",
        host,
        f"bring back what the rules ahead of policy rule {route.rule} of {host} lead to, such as a VPN; the rule itself is of type "
        f"{route.type}, as of a kill switch, and refuses what none of them has a way for. If {route.remote} need not go by these, add a "
        "rule for it ahead, now and where the others are configured",
        [first] if route.rule else [],
    )
