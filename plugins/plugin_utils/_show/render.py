# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A report in one of its forms, also where a fault of ours keeps some of its flows from being shown in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .._faults import contained

Form = TypeVar("Form")
_KEPT = ("id", "name", "client", "server", "address", "port", "status")
"""Of a flow that cannot be shown: what the plan says of it, and how it fared."""


def rendered(form: str, render: Callable[[Mapping[str, object]], Form], report: Mapping[str, Any]) -> tuple[Form | None, list[str]]:
    """The report in a form, and sentences about what of it could not be shown there; None where that is all of it."""
    faults: list[str] = []
    found = contained(faults.append, render, report)
    if not faults:
        return found, []
    faults.clear()
    flows = [_shown(form, render, report, flow, faults) for flow in report["flows"]]
    if not faults:  # none of the flows by itself
        flows = [_bare(flow) for flow in report["flows"]]
        faults.append(f"{form} has no details")
    less = {**report, "flows": flows}
    why: list[str] = []
    found = contained(why.append, render, less)
    if why:  # what flows have in common, or what was changed
        found = contained(faults.append, render, {**less, "groups": [], "changes": []})
    return found, faults


def _shown(form: str, render: Callable[[Mapping[str, object]], object], report: Mapping[str, Any], flow: Any, faults: list[str]) -> Any:
    """The flow as it is, or what is left of it where it cannot be rendered alone."""
    why: list[str] = []
    contained(why.append, render, {**report, "flows": [flow], "groups": [], "changes": []})
    if not why:
        return flow
    sentence = f"{flow.get('id')} cannot be shown in {form}: {why[0]}"
    faults.append(sentence)
    return {**_bare(flow), "not_observed": [sentence]}


def _bare(flow: Mapping[str, Any]) -> dict[str, Any]:
    return {name: flow.get(name) for name in _KEPT}
