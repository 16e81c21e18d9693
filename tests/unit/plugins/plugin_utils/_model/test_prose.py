# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import NOTHING, Prose, unwrapped
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.records import RecordError, build


def test_a_prose_goes_into_sentences_and_equals_its_like() -> None:
    said = build(Prose, "jump after-dnat", "effect")
    assert f"it does {said}" == "it does jump after-dnat"
    assert said == Prose("jump after-dnat") == copy.deepcopy(said) and said != "jump after-dnat" and not NOTHING
    assert {said: 1}[Prose("jump after-dnat")] == 1


def test_it_cannot_be_read() -> None:
    with pytest.raises(TypeError):
        "dnat" in Prose("jump after-dnat")  # type: ignore[operator]  # noqa: B015
    assert not {"startswith", "split", "lower", "find"} & set(dir(Prose))


def test_no_prose_is_left_in_what_is_shown() -> None:
    found = unwrapped({"a": Prose("x"), "b": (Prose("y"), {"c": Prose("z")}), "d": 1})
    assert json.dumps(found) == '{"a": "x", "b": ["y", {"c": "z"}], "d": 1}'


def test_only_texts_are_prose() -> None:
    with pytest.raises(RecordError):
        build(Prose, 7, "effect")
