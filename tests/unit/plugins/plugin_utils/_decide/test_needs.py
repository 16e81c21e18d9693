# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules declare to need: they do not run without it, and the report says what of it could not be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.case import Case
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.needs import (
    CLIENT_ADDRESS,
    LISTENER,
    SERVER,
    Needing,
    needs,
)
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.snapshot import Snapshot
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.untried import untried
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded


def case(server: Host | None) -> Case:
    return untried(Host("web1"), server)


@needs(SERVER)
def named(_case: Case, server: Host) -> str | None:
    return server.name if server.name.isalnum() else None


@needs(named, lambda case: case.port)
def ended(_case: Case, name: str, port: int) -> str:
    return f"{name}:{port}"


@pytest.mark.parametrize(("server", "found"), [(Host("db1"), "db1:5432"), (Host("-"), None), (None, None)])
def test_a_rule_gets_what_it_needs_or_does_not_run(server: Host | None, found: str | None) -> None:
    assert ended(case(server)) == found


def test_a_rule_needs_what_its_needs_need() -> None:
    assert list(needs(ended, CLIENT_ADDRESS)(lambda *_taken: None).parts) == [SERVER, CLIENT_ADDRESS]


@pytest.mark.parametrize(
    ("server", "lacking"),
    [
        (None, False),  # nobody was asked
        (Host("db1"), True),
        (Host("db1", after=Snapshot(time=0.0)), True),
        (Host("db1", after=Snapshot(time=0.0, listeners=())), False),  # seen, and there is none
    ],
)
def test_what_is_not_there_is_told_from_what_could_not_be_seen(server: Host | None, lacking: bool) -> None:
    asked = case(server)
    assert LISTENER(asked) is None
    assert LISTENER.lacking(asked) is (server if lacking else None)


def test_parts_are_those_of_evidence() -> None:
    told = {field.name for field in fields(Snapshot)} | {"recording"}
    assert {part.part for cause in CATALOGUE for part in cause.parts if part.part} <= told


def test_what_a_cause_declares_is_that_of_its_rules() -> None:
    (cause,) = (cause for cause in CATALOGUE if cause.code == "accept_queue_near_limit")
    assert isinstance(cause.rule, Needing)
    assert cause.parts == [SERVER, LISTENER]


def without(*parts: str) -> Callable[[Phases], None]:
    """db1 tells nothing of some parts of its snapshots."""

    def change(found: Phases) -> None:
        for phase, name in (("open", "snapshot"), ("close", "after")):
            for part in parts:
                del found["db1"][phase]["evidence"][name][part]

    return change


def unheard(found: Phases) -> None:
    """db1 is not reached any more when the handshakes have been tried."""
    del found["db1"]


def undecided(name: str, change: Callable[[Phases], None]) -> list[str]:
    plan, found = recorded(name)
    change(found)
    flow: dict[str, Any] = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
    assert flow["causes"] == []
    return [sentence for sentence in flow["undecided"] if "could not see" in sentence]


def test_what_could_not_be_seen_is_told_with_what_depends_on_it() -> None:
    (sentence,) = undecided("accept_queue_full", without("listeners"))
    assert sentence.startswith("could not see the listeners of db1: ") and "accept_queue_full" in sentence
    assert len(undecided("accept_queue_full", without("listeners", "counters"))) == 2


def test_causes_of_other_outcomes_do_not_hang_on_it() -> None:
    sentences = undecided("defer_accept", without("counters"))
    assert sentences == ["could not see the counters of db1: without them, causes such as defer_accept cannot be determined"]


def test_where_the_host_is_asked_for_anyhow_nothing_more_is_told() -> None:
    assert undecided("accept_queue_full", unheard) == []
