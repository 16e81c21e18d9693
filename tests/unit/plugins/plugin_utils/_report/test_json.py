# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.json: the same report is the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._report import document

Report = dict[str, Any]


def test_the_json_is_the_report(demo: Callable[[], Report]) -> None:
    assert json.loads(document.render(demo())) == demo()


def test_the_order_of_keys_does_not_depend_on_who_built_them(demo: Callable[[], Report]) -> None:
    def reversed_keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reversed_keys(item) for key, item in reversed(value.items())}
        return [reversed_keys(item) for item in value] if isinstance(value, list) else value

    text = document.render(demo())
    assert text == document.render(reversed_keys(demo()))
    assert list(json.loads(text)) == ["schema", "started", "finished", "summary", "flows", "groups", "changes"]
    assert list(json.loads(text)["flows"][0])[:6] == ["name", "id", "client", "server", "address", "port"]


def test_json_has_no_number_that_json_lacks() -> None:
    assert json.loads(document.render({"a": float("nan"), "b": [float("inf")], "c": "\ud800"})) == {"a": None, "b": [None], "c": "\ud800"}


def test_a_flow_that_is_ok_takes_one_line(demo: Callable[[], Report]) -> None:
    lines = document.render(demo()).splitlines()
    statuses = {flow["id"]: flow["status"] for flow in demo()["flows"]}
    whole = [json.loads(line.rstrip(",")) for line in lines if line.startswith('    {"')]
    assert [flow["id"] for flow in whole] == [identity for identity, status in statuses.items() if status == "ok"]
