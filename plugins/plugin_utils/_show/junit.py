# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""``junit.xml``: a test case per flow, for CI.

Broken is a failure. Undetermined is an error: it must not count as a pass. Degraded passes, and says why in system-out.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from .._report.read import view
from .._report.view import Flow
from .._values.times import moment
from . import words

_OUTCOMES = {"broken": "failure", "undetermined": "error"}


def render(report: Mapping[str, object]) -> bytes:
    """The document in UTF-8, in the dialect that Jenkins, GitLab and GitHub's actions read."""
    seen = view(report)
    counts = seen.counts
    took = words.took(seen)
    started = moment(seen.started)
    totals: dict[str, str] = {
        "tests": str(len(seen.flows)),
        "failures": str(counts["broken"]),
        "errors": str(counts["undetermined"]),
        "skipped": "0",
        "time": f"{took or 0:.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "threeway.handshake", **totals})
    suite = ElementTree.SubElement(root, "testsuite", {"name": "handshake flows", **totals})
    if started:
        suite.set("timestamp", started.strftime("%Y-%m-%dT%H:%M:%S"))
    for flow in seen.flows:
        _case(suite, flow)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _case(suite: ElementTree.Element, flow: Flow) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"handshake.{flow.name}",
        name=words.route(flow),
        time=f"{(flow.connect_ms or 0) / 1000:.6f}",
    )
    if flow.status in _OUTCOMES:
        code = flow.cause.code if flow.cause else flow.status
        ElementTree.SubElement(case, _OUTCOMES[flow.status], type=code, message=words.verdict(flow)).text = _text(flow)
    elif flow.status == "degraded":
        ElementTree.SubElement(case, "system-out").text = _text(flow)


def _text(flow: Flow) -> str:
    lines = [f"{flow.status}: {words.verdict(flow)}", words.connects(flow)]
    for cause in flow.causes:
        lines.append(f"{cause.code} [{cause.certainty}] {cause.summary}")
        lines += [f"  {item.host} {item.source}: {item.observation}" for item in cause.evidence]
        lines += [f"  against: {sentence}" for sentence in cause.against]
        lines += [f"  fix: {cause.fix.summary}"] if cause.fix else []
    lines += [f"{words.LEFT_OVER}: {words.noted(note)}" for note in flow.unexplained]
    lines += [f"remark: {remark}" for remark in flow.remarks]
    lines += [f"not observed: {sentence}" for sentence in flow.not_observed]
    lines += [f"would decide: {sentence}" for sentence in flow.undecided]
    return "\n".join(lines)
