# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of flows that are ok are compact: fleets have a hundred thousand of them."""

from __future__ import annotations

import json
from statistics import median

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import Conclusion, decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._report import document
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import RECORDED, recorded

TWINS = sorted(path.name.removesuffix(".json.gz") for path in RECORDED.glob("*.twin.json.gz"))[:40]


def concluded(name: str, keep_all: bool) -> Conclusion:
    return decide(*recorded(name), "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z", keep_all=keep_all)


def test_flows_that_are_ok_have_all_keys_and_no_packets() -> None:
    sizes = []
    for name in TWINS:
        whole, kept = concluded(name, keep_all=True), concluded(name, keep_all=False)
        for before, flow in zip(whole.report["flows"], kept.report["flows"], strict=True):
            if flow["status"] != "ok":
                assert flow == before, name
                continue
            assert set(flow) == set(before)
            assert (flow["timeline"], flow["vantages"], flow["clock"], flow["probes"]["detail"]) == ([], [], {}, [])
            assert flow["id"] not in kept.captures
            assert {key: value for key, value in before.items() if value != flow[key]}.keys() <= {"timeline", "vantages", "clock", "probes"}
            sizes.append(max(map(len, [line for line in document.render({"flows": [flow]}).splitlines() if line.startswith('    {"')])))
        assert json.loads(document.render(kept.report))["summary"] == whole.report["summary"]
    assert len(sizes) > 20
    assert median(sizes) < 600
