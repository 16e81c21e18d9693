# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Slack, Teams and Alertmanager are told: bounded, and nothing that a host chose is markup there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.messages import MESSAGES, alertmanager, slack, teams

CAUSE = {"code": "no_listener", "host": "db1", "certainty": "proven", "summary": "nothing listens on 192.0.2.21:5432"}


def change(was: str | None = "ok", to: str = "broken", **more: Any) -> dict[str, Any]:
    names = {"name": "web-to-db", "client": "web1", "server": "db1", "address": "192.0.2.21", "port": 5432}
    times = {"last_good": None, "first_bad": "2026-11-21T01:00:00Z", "mended": None, "time_to_mend_seconds": None}
    return {**names, "from": was, "to": to, **times, "cause": CAUSE if to != "ok" else None, "cause_before": None, **more}


def changes(*each: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": "threeway.handshake/changes/1",
        "run": "r",
        "finished": "2026-11-21T02:00:09Z",
        "controller": "ctl",
        "changes": [*each],
    }


def test_a_message_says_what_breaks_where_and_why() -> None:
    said = "web-to-db: web1 -> db1 192.0.2.21:5432 is broken, was ok: nothing listens on 192.0.2.21:5432 (no_listener at db1, proven)"
    posted = slack(changes(change()))
    assert [block["text"]["text"] for block in posted["blocks"]] == ["1 handshake changed: 1 broken", said]
    card = teams(changes(change()))["attachments"][0]["content"]
    assert [block["inlines"][0]["text"] for block in card["body"]] == ["1 handshake changed: 1 broken", said]
    assert alertmanager(changes(change()))[0]["annotations"] == {
        "summary": said,
        "code": "no_listener",
        "host": "db1",
        "certainty": "proven",
    }


def test_an_address_alone_and_one_of_ipv6() -> None:
    unmanaged = change(None, "undetermined", server=None, address="2001:db8::1", cause=None)
    text = slack(changes(unmanaged))["blocks"][1]["text"]["text"]
    assert text == "web-to-db: web1 -> [2001:db8::1]:5432 is undetermined"


def test_an_alert_begins_with_the_outage_and_ends_with_it() -> None:
    began, ended = alertmanager(changes(change()))[0], alertmanager(changes(change("broken", "ok")))[0]
    assert began["labels"] == ended["labels"]
    assert (began["startsAt"], began["endsAt"]) == ("2026-11-21T01:00:00Z", "2026-11-28T02:00:09Z")
    assert (ended.get("startsAt"), ended["endsAt"]) == (None, "2026-11-21T02:00:09Z")


@pytest.mark.parametrize("name", ["slack", "teams"])
def test_a_message_for_people_is_bounded(name: str) -> None:
    """Slack takes 50 blocks of 3000 characters, Teams 28 kB."""
    many = changes(*(change(cause={**CAUSE, "summary": "x" * 800}, name=f"flow{number}") for number in range(500)))
    text = json.dumps(MESSAGES[name](many))
    assert len(text) < 24_000
    assert "and 480 more" in text


@given(text=st.text(min_size=1, max_size=60))
def test_no_host_writes_markup(text: str) -> None:
    """Slack looks for markup and mentions in ``text`` alone, Teams in TextBlock, which there is none of."""
    hostile = changes(change(name=text, client=text, cause={**CAUSE, "summary": text}))
    posted = slack(hostile)
    assert not {"<", ">"} & set(posted["text"])
    assert {block["text"]["type"] for block in posted["blocks"]} == {"plain_text"}
    assert {block["type"] for block in teams(hostile)["attachments"][0]["content"]["body"]} == {"RichTextBlock"}
    json.dumps(alertmanager(hostile), allow_nan=False)
