# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two fleets with the same addresses, side by side on one kernel log: each flow has its own lines, and no others."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults._fault import Flow, diagnose_flows, evidence
from tests.faults.catalogue.firewall import firewalled
from tests.faults.catalogue.logs import PREFIX, one_log_for_all
from tests.lab.fleet import Fleet
from tests.lab.topologies import default

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.alone]


def diagnosed(fleet: Fleet) -> dict[str, Any]:
    cause: dict[str, Any] = diagnose_flows(fleet, [Flow(timeout=1.0).declared()], {})["flows"][0]["causes"][0]
    return cause


def test_two_fleets_share_a_log_and_no_line() -> None:
    with Fleet(default()) as logs, Fleet(default()) as silent:
        one_log_for_all(logs)
        firewalled("db1", "input", f'tcp dport 5432 log prefix "{PREFIX}" drop', logs)
        firewalled("db1", "input", "tcp dport 5432 drop", silent)
        with ThreadPoolExecutor(2) as both:
            with_line, without = both.map(diagnosed, (logs, silent))
        answers = [json.loads((evidence(fleet) / "db1.close.json").read_text())["evidence"] for fleet in (logs, silent)]
    assert (with_line["code"], with_line["certainty"]) == ("firewall_drop", "proven")
    assert with_line["evidence"][0]["observation"].startswith(PREFIX)
    assert {record["kind"] for record in answers[0]["after"]["logs"]} == {"firewall_log"}
    assert (without["code"], without["certainty"]) == ("firewall_drop", "likely")
    assert answers[1]["after"]["logs"] == []
