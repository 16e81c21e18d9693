# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host may answer is bounded before it is parsed, and what passes is judged in little time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import MAX_PACKETS, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.bounds import Bounds, bounds_of
from tests.faults._recorded import load

RECORDED = sorted((Path(__file__).parents[1] / "recorded").glob("*.json.gz"))
MEMORY = 300 << 20

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


def size(value: Any) -> tuple[int, int]:
    """Values and depth."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        return 1, 0
    sizes = [size(each) for each in inner]
    return 1 + sum(number for number, _depth in sizes), 1 + max((depth for _number, depth in sizes), default=0)


@given(json_values)
def test_values_and_depth_are_counted_without_parsing(value: Any) -> None:
    """Whatever brackets, commas, quotes and backslashes texts have."""
    number, depth = size(value)
    for ascii_only in True, False:
        text = json.dumps(value, ensure_ascii=ascii_only)
        assert Bounds(values=2 * number, depth=max(depth, 1)).exceeded_by(text) is None
        if depth:
            assert "deep" in str(Bounds(depth=depth - 1).exceeded_by(text))
        if number > 2:
            assert "values" in str(Bounds(values=(number - 1) // 2).exceeded_by(text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x" * (17 << 20), "the host returned 17825792 characters; the limit is 16777216"),
        ("[" + "[]," * 400_000 + "0]", "the host's answer has about 800001 values; the limit is 300000"),
        ("[" * 100_000, "the host's answer is nested 100000 levels deep; the limit is 40"),
        ('"' + '\\"' * 4_000_000, None),
        ('"[' * 2_000_000, "the host's answer has about 1000000 values; the limit is 300000"),
    ],
    ids=["long", "many", "deep", "escapes", "quotes"],
)
def test_limits_are_found_in_linear_time(text: str, sentence: str | None) -> None:
    begun = time.process_time()
    assert Bounds().exceeded_by(text) == sentence
    assert time.process_time() - begun < 10  # quadratic time takes hours


def test_honest_answers_are_far_below() -> None:
    """A snapshot that asks about as many packets as there may be, with the longest ways through a firewall."""
    document = load(next(path for path in RECORDED if path.name == "firewall_drop.goto.json.gz"))
    answer = next(each["evidence"] for each in document["evidence"] if each["phase"] == "close")
    (verdict, *_others) = [each for each in answer["after"]["firewall"]["verdicts"] if each["path"]]
    answer["after"]["firewall"]["verdicts"] = [{**verdict, "path": (verdict["path"] * 20)[:20]}] * 300
    assert Bounds().exceeded_by(json.dumps(answer)) is None


def test_a_client_with_many_destinations_may_say_more() -> None:
    order = {"dials": [{"attempts": 3}] * 1000, "pairs": [{}] * 1000}
    assert bounds_of(order).values == Bounds().values + 3 * 1000 * 400 + 1000 * 200
    assert bounds_of({"phases": ["trace_open"]}) == Bounds()


PARSE = """
import json, resource, sys
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.bounds import Bounds
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.evidence import read_host
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
text = '{"snapshot": {"time": 1.0, "listeners": [' + sys.argv[1] + ",".join([sys.argv[2]] * int(sys.argv[3])) + "]}}"
if Bounds().exceeded_by(text) is None:
    read_host("db1", {"open": json.loads(json.dumps(plain(json.loads(text))))}, {})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    ("first", "value", "times"),
    [("", "[]", 20_000_000), ("", "[]", 149_000), ("", '{"a": "b"}', 149_000), ('"' + "x" * 99_999 + '",', "0", 1)],
)
def test_memory_is_bounded(first: str, value: str, times: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARSE, first, value, str(times)],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) * 1024 < MEMORY


def flooded(packets: int, attempts: int) -> tuple[Plan, dict[str, dict[str, Any]]]:
    """A server that has seen that many different packets of one attempt, and a client that has made that many attempts of them."""
    document = load(next(path for path in RECORDED if path.name == "firewall_drop.goto.json.gz"))
    found: dict[str, dict[str, Any]] = {}
    for answer in document["evidence"]:
        found.setdefault(answer["host"], {})[answer["phase"]] = answer
    recording = found["db1"]["close"]["evidence"]["recording"]
    frames = [frame for frame in unpack(recording["frames"]) if frame.ethertype == 0x0800]
    many = [frames[number % len(frames)] for number in range(packets)]
    recording["frames"] = pack(
        frame._replace(ts_ns=frame.ts_ns + number, data=frame.data[:4] + (number % 65536).to_bytes(2, "big") + frame.data[6:])
        for number, frame in enumerate(many)
    )
    probes = found["web1"]["try"]["evidence"]["probes"]
    found["web1"]["try"]["evidence"]["probes"] = [{**probes[number % len(probes)], "attempt": number} for number in range(attempts)]
    return Plan.from_json(document["plan"]), found


def decided(packets: int, attempts: int) -> tuple[float, dict[str, Any]]:
    plan, found = flooded(packets, attempts)
    begun = time.process_time()
    report = decide(plan, found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report
    return time.process_time() - begun, report["flows"][0]


@pytest.mark.parametrize("packets, attempts", [(MAX_PACKETS // 5, 600), pytest.param(MAX_PACKETS, 3000, marks=pytest.mark.slow)])
def test_a_flood_of_packets_and_attempts_is_judged_in_linear_time(packets: int, attempts: int) -> None:
    few, _flow = decided(packets // 10, attempts // 10)
    many, flow = decided(packets, attempts)
    assert many < 30 * max(few, 0.1)  # quadratic: 100
    assert flow["probes"]["attempts"] <= attempts
    assert {vantage["host"]: vantage["why"] for vantage in flow["vantages"]}[
        "db1"
    ] == "it has more packets of one attempt than any handshake"
    assert not [cause for cause in flow["causes"] if cause["certainty"] == "proven" and cause["code"].startswith("path")]


def test_a_recording_of_more_packets_than_a_recorder_keeps_is_refused() -> None:
    _time, flow = decided(MAX_PACKETS + 1, 3)
    assert any(f"more than {MAX_PACKETS} packets" in sentence for sentence in flow["not_observed"])
