# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of symptoms leads to every cause, and from each error to the causes that recordings show behind it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from tests.unit.plugins.plugin_utils.recordings import RECORDED, kept

PAGE = (Path(__file__).parents[3] / "docs/symptoms.md").read_text(encoding="utf-8")
CODES = {cause.code for cause in CATALOGUE}


def sections() -> dict[str, set[str]]:
    """By heading, the causes that it leads to."""
    parts = re.split(r"^## (.*)$", PAGE, flags=re.MULTILINE)[1:]
    return {heading: set(re.findall(r"causes\.md#(\w+)", text)) for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def test_every_cause_is_behind_some_symptom() -> None:
    assert set().union(*sections().values()) == CODES


@pytest.mark.parametrize("errno", ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "EACCES", "EADDRNOTAVAIL"])
def test_an_error_leads_to_the_causes_that_were_recorded_behind_it(errno: str) -> None:
    (listed,) = [codes for heading, codes in sections().items() if errno in heading]
    recorded = set()
    for path in RECORDED.glob("*.json.gz"):
        told = kept(path.name.removesuffix(".json.gz"))
        tried = [attempt for answer in told["evidence"] for attempt in (answer.get("evidence") or {}).get("probes", ())]
        errors = {attempt.get("errno") or ("ETIMEDOUT" if attempt["outcome"] == "timeout" else None) for attempt in tried}
        if errors == {errno} and told["expected"]["status"] == "broken" and told["plan"]["entries"][0].get("expect", "open") == "open":
            recorded.add(told["expected"]["code"])
    assert recorded and recorded <= listed, recorded - listed


@pytest.mark.parametrize(
    "symptom",
    ["Connection refused", "No route to host", "Connection timed out", "one client only", "once in three times", "first connect is slow"],
)
def test_what_people_say_is_a_heading(symptom: str) -> None:
    assert [heading for heading in sections() if symptom in heading]
