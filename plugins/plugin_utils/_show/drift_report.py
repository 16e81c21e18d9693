# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The drift report for people: on a terminal, and as Markdown for a ticket. Every text is made fit to be shown first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._values.text import clean, markdown, wrap
from .terminal import Style

Report = Mapping[str, Any]

MOST_DRIFTS, MOST_ENDANGERED = 100, 3
MOST_LINES = 400
"""Of a host's unified diff on a terminal."""


def as_json(report: Report) -> str:
    """ASCII JSON, two spaces deep."""
    return json.dumps(report, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def totals(report: Report) -> str:
    """The summary in one sentence."""
    summary = report["summary"]
    said = f"{summary['hosts']} hosts, {summary['compared']} compared: "
    said += _drifts(summary) if summary["drifts"] else "no drift"
    for name, words in (
        ("known", "changes by a reboot that the baselines know"),
        ("expectations_broken", "expectations that do not hold"),
        ("not_compared", "hosts not compared, or not in full"),
    ):
        said += f"; {summary[name]} {words}" if summary[name] else ""
    return said


def _drifts(summary: Report) -> str:
    drifts = "1 drift" if summary["drifts"] == 1 else f"{summary['drifts']} drifts"
    return f"{drifts}, {summary['endangering']} of them endangering {summary['flows_endangered']} of {summary['flows']} handshakes"


def written(said: str, absent: Mapping[str, Sequence[str]], width: int, style: Style) -> str:
    """That baselines were written, and what was not observed: ``absent`` has the hosts for each sentence."""
    sentences = [f"not observed at {clean(', '.join(hosts))}: {sentence}" for sentence, hosts in absent.items()]
    return "\n".join([*(line for each in sentences for line in wrap(each, width, "", "  ")), *wrap(said, width)]) + "\n"


def terminal(report: Report, width: int, style: Style, *, diff: bool) -> str:
    """In lines of at most ``width`` columns; with ``diff`` each host's unified diff as well."""
    width = max(width, 40)
    lines = [style(part, "strong") for part in wrap(totals(report), width)]
    same = [host["host"] for host in report["hosts"] if _is_same(host)]
    for host in report["hosts"]:
        lines += _host(host, width, style, diff)
    if same:
        lines += ["", *(style(line, "ok") for line in wrap(f"as in their baselines: {clean(', '.join(same), 4000)}", width, "", "  "))]
    return "\n".join(lines) + "\n"


def _host(host: Report, width: int, style: Style, diff: bool) -> Iterator[str]:
    name = clean(host["host"], 128)
    expectations = [each for each in host["expectations"] if not each["holds"]]
    if _is_same(host):
        return
    yield ""
    yield style(name, "strong")
    if host["problem"]:
        yield from wrap(f"not compared: {clean(host['problem'])}", width, "  ", "    ")
    for each in expectations:
        yield from wrap(f"EXPECTED  {clean(each['name'])}: {clean(each['found'])}", width, "  ", "    ")
    drifts = sorted(host["drifts"], key=lambda drift: (drift["known"], drift["severity"] != "endangering"))
    for drift in drifts[:MOST_DRIFTS]:
        yield from _drift(drift, width, style)
    if len(drifts) > MOST_DRIFTS:
        yield f"  ... and {len(drifts) - MOST_DRIFTS} more, see drift.json"
    if host["not_compared"]:
        yield from wrap(f"not compared, because not observed this time: {clean(', '.join(host['not_compared']))}", width, "  ", "    ")
    for line in host["diff"][:MOST_LINES] if diff else ():
        yield "  " + style(clean(line, 400), {"+": "ok", "-": "broken"}.get(line[:1], "dim"))


def _drift(drift: Report, width: int, style: Style) -> Iterator[str]:
    word, role = _word(drift)
    first, *more = wrap(f"{word}  {clean(drift['summary'])}", width, "  ", "    ")
    yield first.replace(word, style(word, role), 1)
    yield from more
    for danger in _dangers(drift):
        yield from wrap(danger, width, "    ", "      ")
    if drift["fix"] and not drift["known"]:
        yield from wrap(_fix(drift["fix"]), width, "    ", "      ")


def _dangers(drift: Report) -> Iterator[str]:
    """How it endangers which handshakes, those of one kind together."""
    flows: dict[str, list[str]] = {}
    for danger in drift["endangers"] if not drift["known"] else ():
        flows.setdefault(danger["how"], []).append(clean(danger["flow"], 128))
    for how, named in list(flows.items())[:MOST_ENDANGERED]:
        more = f" and {len(named) - MOST_ENDANGERED} more" if len(named) > MOST_ENDANGERED else ""
        yield f"{', '.join(named[:MOST_ENDANGERED])}{more}: {clean(how)}"
    if len(flows) > MOST_ENDANGERED:
        yield f"... and {sum(map(len, list(flows.values())[MOST_ENDANGERED:]))} more handshakes"


def _is_same(host: Report) -> bool:
    return not (host["problem"] or host["drifts"] or host["not_compared"] or any(not each["holds"] for each in host["expectations"]))


def _fix(fix: Report) -> str:
    """What can be made, or what people are advised to do."""
    return f"{'fix' if fix['steps'] else 'advice'}: {clean(fix['summary'])}"


def _word(drift: Report) -> tuple[str, str]:
    if drift["known"]:
        return "KNOWN", "dim"
    return ("ENDANGERING", "broken") if drift["severity"] == "endangering" else ("HARMLESS", "degraded")


def as_markdown(report: Report) -> str:
    """GitHub's and GitLab's Markdown, no HTML."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: Report) -> Iterator[str]:
    yield "# Drift report"
    yield ""
    yield markdown(clean(totals(report)))
    for host in report["hosts"]:
        yield ""
        yield f"## Host {markdown(clean(host['host'], 128))}"
        yield ""
        if host["problem"]:
            yield f"- not compared: {markdown(clean(host['problem']))}"
        for each in host["expectations"]:
            if not each["holds"]:
                yield f"- **expected** {markdown(clean(each['name']))}: {markdown(clean(each['found']))}"
        for drift in host["drifts"][:MOST_DRIFTS]:
            yield f"- **{_word(drift)[0].lower()}** {markdown(clean(drift['summary']))}"
            yield from (f"  - {markdown(danger)}" for danger in _dangers(drift))
            if drift["fix"] and not drift["known"]:
                yield f"  - {markdown(_fix(drift['fix']))}"
        if len(host["drifts"]) > MOST_DRIFTS:
            yield f"- ... and {len(host['drifts']) - MOST_DRIFTS} more, see drift.json"
        yield from (f"- not observed this time: {markdown(clean(part))}" for part in host["not_compared"])
        if _is_same(host):
            yield "- as in its baseline"
