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
    causes = [(cause["code"], host(cause["host"]), cause["certainty"]) for cause in flow["causes"]]
    blocked = [(cause["code"], host(cause["host"]), cause["certainty"]) for cause in flow["blocked_by"]]
    return flow["status"], flow["leg"], flow["segment"], host(flow["client"]), causes, blocked, len(flow["unexplained"])
