# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a run has changed, in the formats that webhooks of others take. Texts of hosts become no markup, link or mention in any of them.

Slack: Block Kit. Teams: an Adaptive Card in a message, as workflows take it. Alertmanager: ``postableAlerts`` of its API version 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from .._values.text import clean, clip
from .._values.times import iso, moment
from .._values.words import named_end
from .words import count

Change = Mapping[str, Any]
Changes = Mapping[str, Any]
"""The document of schema threeway.handshake/changes/1 (docs/history.md)."""

_SHOWN = 20
"""Changes that a message for people has: Slack takes 50 blocks, Teams 28 kB."""
_LINE = 300
_SEVERITIES = {"broken": "critical", "undetermined": "warning", "degraded": "warning"}
_STANDS = timedelta(days=7)
"""How long an alert stands that no further run posts, because its flow is not declared any more."""


def slack(changes: Changes) -> dict[str, Any]:
    """Sections of plain text, in which Slack looks for no markup; ``text`` is what notifications show."""
    headline, lines = _headline(changes), _lines(changes)
    sections = [{"type": "section", "text": {"type": "plain_text", "text": line, "emoji": False}} for line in lines]
    return {
        "text": headline.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        "blocks": [{"type": "header", "text": {"type": "plain_text", "text": clip(headline, 150), "emoji": False}}, *sections],
    }


def teams(changes: Changes) -> dict[str, Any]:
    """Runs of rich text, in which Teams looks for no Markdown."""
    lines = [_headline(changes), *_lines(changes)]
    weights = [{"weight": "bolder"}, *({} for _line in lines[1:])]
    runs = [{"type": "TextRun", "text": line, **weight} for line, weight in zip(lines, weights, strict=True)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [run]} for run in runs],
    }
    return {"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}]}


def alertmanager(changes: Changes) -> list[dict[str, Any]]:
    """An alert for what each flow is now, and the end of the one for what it was. Labels identify an alert: the cause is an annotation."""
    finished = moment(str(changes["finished"]))
    alerts = []
    for change in changes["changes"]:
        if change["from"] != change["to"] and change["from"] in _SEVERITIES:
            alerts.append(_alert(change, change["from"], {"endsAt": changes["finished"]}))
        if change["to"] in _SEVERITIES:
            stands = {"endsAt": iso((finished + _STANDS).timestamp())} if finished else {}
            began = change["first_bad"] if change["to"] == "broken" and change["first_bad"] else changes["finished"]
            alerts.append(_alert(change, change["to"], {"startsAt": began, **stands}))
    return alerts


def _alert(change: Change, status: str, times: Mapping[str, str]) -> dict[str, Any]:
    cause = change["cause"] or {}
    named = {name: clean(change[name]) for name in ("client", "server", "address", "port") if change[name] is not None}
    labels = {"alertname": f"Handshake{status.capitalize()}", "severity": _SEVERITIES[status], "flow": clean(change["name"]), **named}
    shown = {name: clean(cause[name]) for name in ("code", "host", "certainty") if cause.get(name)}
    return {"labels": labels, "annotations": {"summary": _sentence(change), **shown}, **times}


def _headline(changes: Changes) -> str:
    now = [change["to"] for change in changes["changes"]]
    counted = [f"{now.count(status)} {status}" for status in (*_SEVERITIES, "ok") if status in now]
    return f"{count(len(now), 'handshake')} changed: {', '.join(counted)}" if now else "No handshake has changed"


def _lines(changes: Changes) -> Sequence[str]:
    found = changes["changes"]
    lines = [_sentence(change) for change in found[:_SHOWN]]
    return lines if len(found) <= _SHOWN else [*lines, f"and {len(found) - _SHOWN} more"]


def _sentence(change: Change) -> str:
    """``web-to-db: web1 -> db1 10.0.2.21:5432 is broken, was ok: nothing listens on 10.0.2.21:5432 (no_listener at db1, proven)``"""
    end = named_end(change["server"], change["address"], change["port"])
    was = f", was {change['from']}" if change["from"] not in (None, change["to"]) else ""
    cause = change["cause"]
    why = f": {cause['summary']} ({cause['code']} at {cause['host']}, {cause['certainty']})" if cause and change["to"] != "ok" else ""
    return clean(f"{change['name']}: {change['client']} -> {end} is {change['to']}{was}{why}", _LINE)


MESSAGES: Mapping[str, Callable[[Changes], Any]] = {"own": dict, "slack": slack, "teams": teams, "alertmanager": alertmanager}
"""By the values of `diagnose_webhook_format`."""
STANDING = frozenset({"alertmanager"})
"""The formats that hear in every run of what is still not ok: what they are not reminded of ends."""
