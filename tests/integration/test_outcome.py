# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a play of one's own can do with the outcome of a diagnosis."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.lab import topologies
from tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

PORTS = {"open": 5432, "closed": 5433}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "block": [{"ansible.builtin.import_role": {"name": "threeway.handshake.diagnose"}}],
                "rescue": [{"ansible.builtin.debug": {"msg": "the role has failed, as it was told to"}}],
            },
            {
                "ansible.builtin.copy": {"content": "{{ handshake_report | to_json }}", "dest": "{{ seen }}", "mode": "0600"},
                "delegate_to": "localhost",
                "run_once": True,
            },
        ],
    }
]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.three_hosts()) as running:
        running.listen("db1", "::", PORTS["open"])
        yield running


def test_the_outcome_is_a_fact_a_statistic_and_a_metric(fleet: Fleet) -> None:
    seen, metrics, play = (fleet.directory / name for name in ("seen.json", "handshake.prom", "play.yml"))
    play.write_text(yaml.safe_dump(PLAY))
    options = {
        "diagnose_flows": [
            {"name": name, "clients": "web1", "servers": "db1", "address": "10.0.2.21", "port": port} for name, port in PORTS.items()
        ],
        "diagnose_report_dir": str(fleet.directory / "report"),
        "diagnose_attempts": 1,
        "diagnose_fail_on": "broken",
        "diagnose_set_stats": True,
        "diagnose_metrics_file": str(metrics),
        "seen": str(seen),
    }
    done = fleet.playbook("-v", str(play), f"--extra-vars={json.dumps(options)}")
    found = json.loads(seen.read_text())
    assert [(flow["name"], flow["status"], flow["code"], flow["host"], flow["certainty"]) for flow in found["flows"]] == [
        ("open", "ok", None, None, None),
        ("closed", "broken", "no_listener", "db1", "proven"),
    ]
    assert found["summary"] == {"flows": 2, "ok": 1, "degraded": 0, "broken": 1, "undetermined": 0}
    assert re.search(r'"ansible_stats": \{.*"data": \{"handshake_report": \{', done.stdout), done.stdout
    assert oct(os.stat(metrics).st_mode & 0o777) == "0o644"
    assert (
        'handshake_flow_info{flow="closed",client="web1",server="db1",address="10.0.2.21",port="5433",code="no_listener"'
        in metrics.read_text()
    )
