# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._model.many import Many
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.probe_records import Probe
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.records import RecordError, build
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.snapshot import Snapshot
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.socket_records import Socket
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.values import MAX_TEXT


@dataclass(frozen=True)
class Inner:
    number: int
    text: str | None = None


@dataclass(frozen=True)
class Outer:
    inners: tuple[Inner, ...]
    share: float
    names: dict[str, int] = field(default_factory=dict)


def test_a_fitting_document_becomes_its_record() -> None:
    data = {"inners": [{"number": 1}, {"number": 2, "text": "b"}], "share": 1, "names": {"a": 3}, "unknown": "ignored"}
    assert build(Outer, data, "answer") == Outer((Inner(1), Inner(2, "b")), 1.0, {"a": 3})


def test_null_says_as_much_as_a_missing_field() -> None:
    assert build(Outer, {"inners": [{"number": 1, "text": None}], "share": 1, "names": None}, "answer") == Outer((Inner(1),), 1.0, {})


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], "answer is [] where a mapping belongs"),
        ({"share": 1}, "answer has no inners"),
        ({"inners": None, "share": 1}, "answer.inners is None where a list belongs"),
        ({"inners": {}, "share": 1}, "answer.inners is {} where a list belongs"),
        ({"inners": [{"number": True}], "share": 1}, "answer.inners[0].number is True where a int belongs"),
        ({"inners": [{"number": 1, "text": 2}], "share": 1}, "answer.inners[0].text is 2 where a str belongs"),
        ({"inners": [], "share": "much"}, "answer.share is 'much' where a float belongs"),
        ({"inners": [], "share": 1, "names": {"a": None}}, "answer.names.a is None where a int belongs"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(data: Any, sentence: str) -> None:
    with pytest.raises(RecordError) as refusal:
        build(Outer, data, "answer")
    assert str(refusal.value) == sentence


def test_texts_are_cut() -> None:
    assert build(Inner, {"number": 1, "text": "x" * 99_999}, "answer").text == "x" * MAX_TEXT


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(json_values)
def test_no_document_raises_anything_else(data: Any) -> None:
    for kind in (Outer, Snapshot, Probe):
        with suppress(RecordError):
            build(kind, data, "answer")


PROBE = {
    "dial": 0,
    "attempt": 0,
    "address": "10.0.2.21",
    "port": 5432,
    "started": 1.5,
    "stage": "done",
    "outcome": "connected",
    "uid": 0,
    "ended": False,
    "tcp_info": {"retransmits": 0},
}
SOCKET = {"state": "ESTABLISHED", "local": "10.0.1.11", "local_port": 40000, "remote": "10.0.2.21", "remote_port": 5432}
odd = st.sampled_from(
    [None, True, 1, 1.0, -0.0, 0, -1, 1 << 65, "::ffff:10.0.2.21", "10.0.2.21%eth0", "error", "\ud800", {}, {"retransmits": 1}, []]
)


@st.composite
def many(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """Records of one kind, of which some have another value, lack one, or are none."""
    kind, usual = draw(st.sampled_from([(Probe, PROBE), (Socket, SOCKET)]))
    records: list[Any] = [dict(usual) for _number in range(draw(st.integers(0, 30)))]
    for _change in range(draw(st.integers(0, 4)) if records else 0):
        at = draw(st.integers(0, len(records) - 1))
        if draw(st.booleans()) and isinstance(records[at], dict):
            records[at][draw(st.sampled_from(sorted(usual)))] = draw(odd)
        elif isinstance(records[at], dict):
            records[at].pop(draw(st.sampled_from(sorted(usual))), None)
        if draw(st.integers(0, 9)) == 0:
            records[at] = draw(odd)
    return kind, records


def _built(kind: Any, data: Any) -> object:
    try:
        return [repr(each) for each in build(kind, data, "answer")]
    except RecordError as error:
        return str(error)


@given(many())
def test_many_records_are_read_as_one_by_one(given: tuple[Any, list[Any]]) -> None:
    """``repr`` also tells 1 from 1.0 and from True."""
    kind, records = given
    assert _built(Many[kind], records) == _built(tuple[kind, ...], records)


def test_a_field_of_many_records_is_as_that_of_each() -> None:
    for number in (3, 30):
        probes: Many[Probe] = build(Many[Probe], [{**PROBE, "port": port} for port in range(number)], "answer")
        for field_ in ("port", "address", "tcp_info", "errno"):
            assert list(probes.each(field_)) == [getattr(probe, field_) for probe in probes]
        assert probes[1] is probes[1]
        assert [each.port for each in probes[1:]] == list(range(1, number))
