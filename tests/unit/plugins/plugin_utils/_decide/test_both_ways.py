# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever any host ever returned is planted, part by part, into evidence of a flow that is well: the short way sees it, or need not.

The parts are those that the recordings have, so that what a new detector or rule looks at is among them as soon as a fault shows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_plainly_well import (
    only_the_long_way,
    reported,
    well,
)
from tests.unit.plugins.plugin_utils.recordings import NAMES, Phases, kept, recorded
from tests.unit.plugins.plugin_utils.sampled import SAMPLE

FINE = "healthy.twin"
MOST = 4  # values of each part that are tried, of all recordings; all of them were once
Part = tuple[str, ...]


def parts(answer: dict[str, Any]) -> Iterator[tuple[Part, Any]]:
    """What can be planted by itself: of an answer, of its snapshots and its recording, and of each attempt."""
    for name, value in answer.items():
        if name in ("snapshot", "before", "after", "recording") and value:
            yield from (((name, each), of) for each, of in value.items())
        elif name == "probes":
            yield from (((name, each), of) for each, of in (value[0] if value else {}).items())
        else:
            yield (name,), value


@cache
def planted(names: tuple[str, ...]) -> dict[tuple[str, str, Part], list[str]]:
    """By host, phase and part: what these recordings have there, as JSON, each once."""
    found: dict[tuple[str, str, Part], dict[str, None]] = {}
    fine = {(answer["host"], answer["phase"]): dict(parts(answer["evidence"])) for answer in kept(FINE)["evidence"]}
    for name in names:
        for answer in kept(name)["evidence"]:
            place = answer["host"], answer["phase"]
            for part, value in parts(answer["evidence"] or {}) if place in fine else ():
                found.setdefault((*place, part), {}).setdefault(json.dumps(value, sort_keys=True), None)
    return {key: list(values) for key, values in found.items() if len(values) > 1}


def plant(evidence: Phases, host: str, phase: str, part: Part, value: Any) -> None:
    answer = evidence[host][phase]["evidence"]
    places = [answer, answer.get(part[0])][len(part) - 1]
    for place in places if isinstance(places, list) else [places]:
        place[part[-1]] = value


def assert_alike(plan: Plan, evidence: Phases, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the flow took the short way."""
    short = well(plan, evidence)
    if any(short):
        said = reported(plan, evidence)
        with only_the_long_way(monkeypatch):
            assert reported(plan, evidence) == said
    return any(short)


@pytest.mark.parametrize(
    ("names", "most"), [(sorted(SAMPLE), 2), pytest.param(NAMES, MOST, marks=pytest.mark.slow)], ids=["the sample", "all"]
)
def test_any_part_of_any_recording(names: list[str], most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, refused = 0, 0
    for (host, phase, part), values in planted(tuple(names)).items():
        for value in values[:: max(1, len(values) // most)]:
            plan, evidence = recorded(FINE)
            plant(evidence, host, phase, part, json.loads(value))
            try:
                short = assert_alike(plan, evidence, monkeypatch)
            except AssertionError as error:
                raise AssertionError(f"{host}, {phase}, {part}: {value[:2000]}") from error
            taken, refused = taken + short, refused + (not short)
    assert taken > 100
    assert refused > 12 * most


def changes(frame: Frame) -> Iterator[Frame]:
    """A packet with each of its bytes changed, with something else than its bytes, and at other times."""
    for at, byte in enumerate(frame.data):
        yield frame._replace(data=frame.data[:at] + bytes((byte ^ 1,)) + frame.data[at + 1 :])
    for pkttype in range(5):
        yield frame._replace(pkttype=pkttype)
    for later_ns in (-2 * 10**9, -(10**8), 10**8, 6 * 10**8, 2 * 10**9):
        yield frame._replace(ts_ns=frame.ts_ns + later_ns)
    yield frame._replace(ifindex=9)
    yield frame._replace(vlan=7)
    yield frame._replace(lladdr=bytes(6))


@pytest.mark.parametrize(("host", "phase"), [("web1", "try"), ("db1", "close")])
def test_any_change_of_a_packet(host: str, phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _plan, kept_as_it_is = recorded(FINE)
    frames = unpack(kept_as_it_is[host][phase]["evidence"]["recording"]["frames"])
    refused = 0
    for number, frame in enumerate(frames[:3]):
        for changed in changes(frame):
            plan, evidence = recorded(FINE)
            others = [*frames[:number], *frames[number + 1 :]]
            recording = evidence[host][phase]["evidence"]["recording"]
            recording["frames"] = pack(sorted([*others, changed], key=lambda each: each.ts_ns))
            refused += not assert_alike(plan, evidence, monkeypatch)
    assert refused > 50
