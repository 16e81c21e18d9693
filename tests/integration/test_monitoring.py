# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus, node_exporter, Alertmanager and Grafana's schema say of our metrics, rules, alerts and dashboard. All on loopback."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.messages import MESSAGES
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.metrics import render
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import webhook
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.report_files import publish
from tests.unit.plugins.plugin_utils._show.test_messages import change, changes
from tests.unit.plugins.plugin_utils._show.test_metrics import parsed
from tests.unit.plugins.plugin_utils.conftest import make_fleet, make_hostile

MONITORING = Path(__file__).parents[2] / "docs/monitoring"
PATIENCE = 30.0
CHOSEN = {"$client": ".*", "$server": ".*"}
"""What Grafana puts in the place of a dashboard's variables."""


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here: see dev/programs")
    return found


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.loads(answer.read())


def wait_for(what: Callable[[], Any]) -> Any:
    """What it returns once that is something."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            found = what()
        except OSError:
            found = None
        if found or time.monotonic() > end:
            return found
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running(log: Path, *argv: str) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that node_exporter reads, with what a run has published of 500 flows, some of them broken, degraded or undetermined."""
    directory = tmp_path_factory.mktemp("textfile")
    publish(directory / "handshake.prom", render(make_fleet()).encode())
    return directory


@pytest.fixture(scope="module")
def prometheus(metrics: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus that has scraped a node_exporter that has read the metrics, and has evaluated the rules."""
    home, exporter, port = tmp_path_factory.mktemp("prometheus"), free_port(), free_port()
    scraped = {"job_name": "node", "scrape_interval": "1s", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(MONITORING / "rules.yml")], "scrape_configs": [scraped]}
    (home / "prometheus.yml").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        argv = [program("prometheus-node-exporter"), "--collector.disable-defaults", "--collector.textfile"]
        argv += [f"--collector.textfile.directory={metrics}", f"--web.listen-address=127.0.0.1:{exporter}"]
        stack.enter_context(running(home / "exporter.log", *argv))
        argv = [program("prometheus"), f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}"]
        stack.enter_context(running(home / "prometheus.log", *argv, f"--web.listen-address=127.0.0.1:{port}"))
        assert wait_for(lambda: query(url, "handshake_flow_status")), (home / "prometheus.log").read_text()
        yield url


def query(url: str, expression: str) -> list[dict[str, Any]]:
    answer = get(f"{url}/api/v1/query?query={quote(expression)}")
    assert answer["status"] == "success"
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def test_promtool_finds_nothing_wrong_with_the_metrics() -> None:
    for report in (make_fleet(), make_hostile('a"\\\n{}é')):
        done = subprocess.run(
            [program("promtool"), "check", "metrics"], input=render(report).encode(), capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "rules", str(MONITORING / "rules.yml")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0 and "SUCCESS: 4 rules found" in done.stdout, done.stdout + done.stderr


def test_prometheus_has_each_series_as_it_was_written(prometheus: str, metrics: Path) -> None:
    assert (metrics / "handshake.prom").stat().st_mode & 0o777 == 0o644
    assert [each["value"][1] for each in query(prometheus, "node_textfile_scrape_error")] == ["0"]
    written = Counter(family for family, _labels in parsed((metrics / "handshake.prom").read_text()))
    assert {name: len(query(prometheus, name)) for name in written} == written


def test_each_rule_fires_for_the_flows_that_it_is_about(prometheus: str) -> None:
    """The file is old by its own word: the diagnosis has stopped."""
    flows = make_fleet()["flows"]

    def fired() -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for alert in get(f"{prometheus}/api/v1/alerts")["data"]["alerts"]:
            found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found

    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"][0]["rules"]
    fires = wait_for(lambda: found if len(found := fired()) == len(rules) else None)
    assert fires, fired().keys()
    statuses = {f"Handshake{status.capitalize()}": status for status in ("broken", "degraded", "undetermined")}
    assert {name: len(fires[name]) for name in statuses} == {
        name: sum(flow["status"] == status for flow in flows) for name, status in statuses.items()
    }
    (web1,) = [each for each in fires["HandshakeBroken"] if (each["labels"]["client"], each["labels"]["server"]) == ("web1", "db3")]
    assert web1["annotations"]["summary"].startswith("web1 cannot connect to db3 10.0.2.3 port ")
    assert web1["annotations"]["description"] == "web-to-db3: firewall_drop at db3 (likely)"


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "grafana.json").read_text())
    return found


def test_each_query_of_the_dashboard_finds_something(prometheus: str) -> None:
    expressions = [(panel["title"], target["expr"]) for panel in dashboard()["panels"] for target in panel["targets"]]
    assert len(expressions) >= 8
    for title, expression in expressions:
        for variable, value in CHOSEN.items():
            expression = expression.replace(variable, value)
        assert "$" not in expression
        assert query(prometheus, expression), f"{title}: {expression}"
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            label = variable["query"]["query"].removesuffix(")").rpartition(" ")[2]
            assert get(f"{prometheus}/api/v1/label/{label}/values?match[]=handshake_flow_status")["data"]


def lost(ours: Any, theirs: Any, where: str = "$") -> Iterator[str]:
    """What of ours Grafana's types do not have, or have otherwise."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            yield from lost(value, theirs[name], f"{where}.{name}") if name in theirs else [f"{where}.{name}"]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (here, there) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(here, there, f"{where}[{number}]")
    elif ours != theirs:
        yield where


def read_by_grafana(document: dict[str, Any]) -> list[str]:
    register_default_plugins()
    return list(lost(document, json.loads(JSONEncoder().encode(Dashboard.from_json(deepcopy(document))))))


def test_the_dashboard_has_nothing_that_grafana_s_schema_lacks() -> None:
    assert read_by_grafana(dashboard()) == []
    wrong = dashboard()
    wrong["panels"][3]["fieldConfig"]["default"] = {}
    wrong["panels"][4]["options"]["legends"] = {}
    assert read_by_grafana(wrong) == ["$.panels[3].fieldConfig.default", "$.panels[4].options.legends"]


def test_alertmanager_takes_our_alerts_and_lets_them_end(tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    port = free_port()
    url = f"http://127.0.0.1:{port}/api/v2/alerts"
    argv = [program("prometheus-alertmanager"), f"--config.file={tmp_path / 'alertmanager.yml'}", f"--storage.path={tmp_path / 'data'}"]
    now = time.time()

    def at(seconds: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + seconds))

    def post(*each: dict[str, Any]) -> None:
        webhook.post(url, MESSAGES["alertmanager"]({**changes(*each), "finished": at(-1)}), 5.0)

    hostile = 'a"b\\c\n{{ .Labels }}<b>\u2028é'
    with running(tmp_path / "log", *argv, f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="):
        wait_for(lambda: get(url.replace("alerts", "status")))
        post(change("ok", "broken", first_bad=at(-60)), change("ok", "degraded", name=hostile))
        told = {alert["labels"]["alertname"]: alert for alert in wait_for(lambda: get(url))}
        assert set(told) == {"HandshakeBroken", "HandshakeDegraded"}
        broken = told["HandshakeBroken"]
        assert broken["status"]["state"] in ("active", "unprocessed")
        assert broken["labels"] == {
            **{"alertname": "HandshakeBroken", "severity": "critical", "flow": "web-to-db", "client": "web1", "server": "db1"},
            **{"address": "192.0.2.21", "port": "5432"},
        }
        assert broken["startsAt"][:19] == at(-60)[:19] and broken["endsAt"][:19] == at(7 * 86400 - 1)[:19]
        assert broken["annotations"]["code"] == "no_listener"
        post(change("broken", "ok"), change("degraded", "ok", name=hostile))
        assert wait_for(lambda: not get(url))
