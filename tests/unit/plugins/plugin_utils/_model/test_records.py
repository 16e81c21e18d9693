# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._model.probe_records import Probe
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.records import MAX_TEXT, RecordError, build
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.snapshot import Snapshot


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
