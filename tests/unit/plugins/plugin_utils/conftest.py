# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for tests: the demo's four flows, a fleet of hundreds, and one whose every string is hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Report = dict[str, Any]

DEMO = Path(__file__).with_name("demo.json")


@pytest.fixture(scope="session")
def demo() -> Callable[[], Report]:
    return make_demo


@pytest.fixture(scope="session")
def probed() -> Callable[[int], Report]:
    """A report in which that many handshakes were only tried for comparison; the first one is broken."""
    return make_probed


@pytest.fixture(scope="session")
def fleet() -> Callable[..., Report]:
    return make_fleet


@pytest.fixture(scope="session")
def hostile() -> Callable[[str], Report]:
    return make_hostile


def make_demo() -> Report:
    """Four flows: one ok, a firewall that drops, a router that is silent, a backlog that is full."""
    document: Report = json.loads(DEMO.read_text())
    return document


def make_probed(number: int) -> Report:
    ok = {"server": "db1", "address": "10.0.2.21", "port": 5432, "status": "ok", "code": None, "host": None, "certainty": None}
    tried = [{**ok, "client": f"w{each}"} for each in range(number)]
    tried[0] |= {"status": "broken", "code": "firewall_drop", "host": "db1", "certainty": "proven"}
    return make_demo() | {"probed": tried}


def make_fleet(clients: int = 50, servers: int = 10) -> Report:
    """Every client to every server: db3's firewall drops all, half of the clients cannot reach queue7, one flow lacks a cause."""
    ok, firewall, silent, full = make_demo()["flows"]
    flows = []
    for number in range(1, servers + 1):
        for client in range(1, clients + 1):
            like, server = ok, f"app{number}"
            if number == 3:
                like, server = firewall, "db3"
            elif number == 7:
                like, server = (full if client % 2 else ok), "queue7"
            elif (number, client) == (5, 1):
                like = silent
            named = {like["client"]: f"web{client}", like["server"]: server, like["address"]: f"10.0.2.{number}"}
            flow: Report = json.loads(re.sub("|".join(map(re.escape, named)), lambda found, to=named: to[found[0]], json.dumps(like)))
            flow |= {"name": f"web-to-{server}", "id": f"web-to-{server}.web{client}.{server}.{flow['port']}"}
            if like is silent:
                flow |= {"status": "undetermined", "causes": [], "undecided": ["a recording on r2 would decide"]}
            if like is ok and client == 9:
                flow["status"] = "degraded"
                flow["causes"] = [dict(silent["causes"][0], code="path_loss", title="Packets are lost on the way", certainty="likely")]
            flows.append(flow)
    return _document(flows)


def make_hostile(text: str) -> Report:
    """The demo with that text in the place of every string that a host, a name server or an inventory could have chosen."""
    document = make_demo()
    for flow in document["flows"]:
        status, role = flow["status"], [vantage["role"] for vantage in flow["vantages"]]
        flow |= _replaced(flow, text)
        flow["status"] = status
        flow["clock"] = {text: {"offset_ms": 0.0, "error_ms": 0.0}}
        for vantage, part in zip(flow["vantages"], role, strict=True):
            vantage["role"] = part
    document["started"] = text
    return _document(document["flows"]) | {"started": text, "finished": text}


def _document(flows: list[Report]) -> Report:
    groups: dict[tuple[str, str], Report] = {}
    for flow in flows:
        for cause in flow["causes"][:1]:
            group = {"code": cause["code"], "host": cause["host"], "flows": [], "summary": cause["summary"]}
            groups.setdefault((cause["code"], cause["host"]), group)["flows"].append(flow["id"])
    counts = {status: sum(flow["status"] == status for flow in flows) for status in ("ok", "degraded", "broken", "undetermined")}
    return {
        "schema": "threeway.handshake/report/1",
        "started": "2026-11-21T04:00:00Z",
        "finished": "2026-11-21T04:00:07.400Z",
        "summary": {"flows": len(flows), **counts},
        "flows": flows,
        "groups": list(groups.values()),
        "changes": [],
    }


def _replaced(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, text) for key, item in value.items()} | ({text: 1} if "ETIMEDOUT" in value else {})
    if isinstance(value, list):
        return [_replaced(item, text) for item in value]
    return text if isinstance(value, str) else value
