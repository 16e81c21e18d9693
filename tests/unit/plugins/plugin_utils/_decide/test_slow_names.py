# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that resolve slowly: whom the answer names for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

FAST, SLOW, SILENT, REFUSES = (12.0, None), (1500.0, None), (None, None), (None, "ECONNREFUSED")


def causes(*nameservers: tuple[float | None, str | None], addresses: int = 1) -> list[dict[str, Any]]:
    """What a report says where these are configured, in this order, as 10.9.9.1 and so on."""
    plan, found = recorded("name_resolution_slow")
    evidence = found["web1"]["try"]["evidence"]
    evidence["resolutions"][0]["nameservers"] = [
        {"address": f"10.9.9.{number}", "answer_ms": answer, "error": error} for number, (answer, error) in enumerate(nameservers, 1)
    ]
    tried = copy.deepcopy(evidence["probes"])
    evidence["probes"] += [{**probe, "address": f"10.0.2.{22 + more}"} for more in range(addresses - 1) for probe in tried]
    told: list[dict[str, Any]] = [cause for cause in flows(plan, found)[0]["causes"] if cause["code"] == "name_resolution_slow"]
    return told


@pytest.mark.parametrize(
    ("nameservers", "blamed"),
    [
        ((SILENT, FAST), "nameserver 10.9.9.1 does not answer"),
        ((SILENT, SILENT, FAST), "nameserver 10.9.9.1, 10.9.9.2 does not answer"),
        ((REFUSES, SLOW), "nameserver 10.9.9.2 takes 1.5 s"),
        ((SLOW, SILENT), "nameserver 10.9.9.1 takes 1.5 s"),
        ((FAST, SILENT), None),  # the second is not asked: it is the name's other address family, or the search list
        ((REFUSES, FAST), None),
        ((SILENT, SILENT), None),
        ((), None),
    ],
)
def test_only_whom_the_resolver_waits_for_is_named(nameservers: tuple[tuple[float | None, str | None], ...], blamed: str | None) -> None:
    (cause,) = causes(*nameservers)
    assert cause["summary"].endswith(f"before any connection begins: {blamed}" if blamed else "before any connection begins")
    silent = [] if blamed is None or "takes" in blamed else blamed.split()[1:-3]
    assert cause["detail"]["dead"] == [address.rstrip(",") for address in silent]
    assert ("take 10.9.9.1" in cause["fix"]["summary"]) == bool(silent)


def test_it_is_told_once_whatever_the_name_resolves_to() -> None:
    assert len(causes(SILENT, FAST, addresses=3)) == 1
