# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""``metrics.prom``: for node_exporter's textfile collector.

Labels are what names a flow in the inventory, hosts of the inventory, and words of the catalogue. A flow that is ok has two series, any
other at most five; what a flow is not has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from .._report.read import view
from .._report.view import Flow, Report
from .._values.text import label
from .._values.times import moment
from . import words

Sample = tuple[dict[str, str], float]


def render(report: Mapping[str, object]) -> str:
    """The text exposition format, each family with its HELP and TYPE, no series twice, no time stamps."""
    return "".join(_families(view(report)))


def _families(report: Report) -> Iterator[str]:
    distinct: dict[tuple[str, ...], Flow] = {}
    for flow in report.flows:
        distinct.setdefault(tuple(_labels(flow).values()), flow)
    flows = list(distinct.values())
    finished, took = moment(report.finished), words.took(report)
    codes = Counter(group.code or "none" for group in report.groups for _flow in group.flows)
    failing = [flow for flow in flows if flow.status != "ok"]
    yield _family(
        "handshake_flow_status", "1 for the status that the flow has.", ((_labels(flow) | {"status": flow.status}, 1) for flow in flows)
    )
    yield _family(
        "handshake_flow_info",
        "1 for a flow that is not ok, with the code, host and certainty of its decisive cause, empty where it is not determined.",
        ((_labels(flow) | _cause(flow), 1) for flow in failing),
    )
    yield _family(
        "handshake_flow_connect_seconds",
        "Time that connect() took; absent where no attempt connected.",
        ((_labels(flow), flow.connect_ms / 1000) for flow in flows if flow.connect_ms is not None),
    )
    yield _family(
        "handshake_flow_attempts",
        "Handshakes that were tried, of flows that are not ok.",
        ((_labels(flow), flow.attempts) for flow in failing),
    )
    yield _family(
        "handshake_flow_attempts_connected",
        "Tried handshakes that completed, of flows that are not ok.",
        ((_labels(flow), flow.connected) for flow in failing),
    )
    yield _family("handshake_flows", "Flows by status.", (({"status": status}, number) for status, number in report.counts.items()))
    yield _family(
        "handshake_cause_flows",
        "Flows that are not ok by the code of their decisive cause, none where it is not determined.",
        (({"code": code}, number) for code, number in sorted(codes.items())),
    )
    if finished:
        yield _family("handshake_last_run_timestamp_seconds", "When the last diagnosis ended, Unix time.", [({}, finished.timestamp())])
    if took is not None:
        yield _family("handshake_last_run_duration_seconds", "How long the last diagnosis took.", [({}, took)])


def _labels(flow: Flow) -> dict[str, str]:
    return {"flow": flow.name, "client": flow.client, "server": flow.server, "address": flow.address, "port": str(flow.port)}


def _cause(flow: Flow) -> dict[str, str]:
    cause = flow.cause
    return (
        {"code": cause.code, "host": cause.host, "certainty": cause.certainty}
        if cause
        else dict.fromkeys(("code", "host", "certainty"), "")
    )


def _family(name: str, help_text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        pairs = ",".join(f'{key}="{label(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{pairs}}} {value:.15g}" if pairs else f"{name} {value:.15g}")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""
