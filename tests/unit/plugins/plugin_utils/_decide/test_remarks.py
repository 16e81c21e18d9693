# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is normal and only worth a remark: it is told, is no cause, and leaves the status of a flow as it is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide import causes
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.case import Case
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.catalogue import Cause
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.finding import Finding
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.outcome import OUTCOMES
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import junit, markdown, page, terminal
from tests.unit.plugins.plugin_utils.recordings import recorded

REMARK = "a router lowers the maximum segment size, as it should"


def _lowered(case: Case) -> Finding | None:
    return Finding("proven", "r1", "path.forward", REMARK, (), remark=True)


@pytest.fixture
def clamped(monkeypatch: pytest.MonkeyPatch) -> None:
    cause = Cause("mss_clamped", "The MSS is lowered", ("path.forward",), tuple(OUTCOMES), "-", "-", rule=_lowered)
    monkeypatch.setattr(causes, "CATALOGUE", (cause, *causes.CATALOGUE))


def report(name: str) -> dict[str, Any]:
    return decide(*recorded(name), "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report


@pytest.mark.usefixtures("clamped")
@pytest.mark.parametrize(("name", "status"), [("healthy.twin", "ok"), ("firewall_drop.server-input", "broken")])
def test_a_remark_is_no_cause(name: str, status: str) -> None:
    flow = report(name)["flows"][0]
    assert flow["status"] == status
    assert f"r1: {REMARK}" in flow["remarks"]
    assert "mss_clamped" not in [cause["code"] for cause in flow["causes"]]


@pytest.mark.usefixtures("clamped")
def test_every_form_has_it() -> None:
    told = report("firewall_drop.server-input")
    for render in (page.render, markdown.render, junit.render, lambda document: terminal.render(document, width=200)):
        shown = render(told)
        assert REMARK in (shown if isinstance(shown, str) else shown.decode())


def test_there_is_none_where_no_rule_has_one() -> None:
    assert report("firewall_drop.server-input")["flows"][0]["remarks"] == []
