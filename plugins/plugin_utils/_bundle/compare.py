# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Whether a bundle is decided as the evidence that it was made from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._plan.plan import ON_THE_WAY
from .pseudonyms import Pseudonyms


def differing(report: Mapping[str, Any], bundled: Mapping[str, Any], pseudonyms: Pseudonyms) -> list[str]:
    """The identities of the flows, in the report, that are decided otherwise in the bundle."""

    def renamed(host: str) -> str:
        return host if host == ON_THE_WAY else pseudonyms.name("host", host)

    pairs = zip(report["flows"], bundled["flows"], strict=True)
    return [flow["id"] for flow, other in pairs if _verdict(flow, renamed) != _verdict(other, str)]


def _verdict(flow: Mapping[str, Any], host: Any) -> tuple[Any, ...]:
    causes, blocked = ([_cause(cause, host) for cause in flow[name]] for name in ("causes", "blocked_by"))
    said = [len(flow[name]) for name in ("unexplained", "not_observed", "remarks")]
    return flow["status"], flow["leg"], flow["segment"], host(flow["client"]), causes, blocked, said


def _cause(cause: Mapping[str, Any], host: Any) -> tuple[Any, ...]:
    """With how much speaks for it and what sort of fix it has: their words have other names in them."""
    fix = cause["fix"]
    advised = (fix["kind"], host(fix["host"]), fix["risk"], len(fix["steps"]), (fix["rehearsed"] or {}).get("result")) if fix else None
    return cause["code"], host(cause["host"]), cause["certainty"], len(cause["evidence"]), advised
