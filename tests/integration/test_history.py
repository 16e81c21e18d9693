# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a flow that breaks and is mended to what the history and a webhook say of it, as a user runs it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import schemas
from tests.lab import postgresql
from tests.lab.fleet import Fleet
from tests.lab.postgresql import PASSWORD

pytestmark = [
    pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing())),
]
FLOWS = [{"name": "web-to-db", "clients": "web1", "servers": "db1", "port": 5432}]


class Webhook(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posted: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/t0ken"


class Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "history.db")
        return
    with postgresql.optional() as server:
        yield server.url("history")


def play(fleet: Fleet, playbook: str, *arguments: str, **variables: object) -> str:
    """What a playbook prints, as talkative as it can be; its variables come from a file, because Ansible prints its own command line."""
    (fleet.directory / "variables.json").write_text(json.dumps(variables))
    done = fleet.playbook(playbook, "-vvvv", f"--extra-vars=@{fleet.directory}/variables.json", *arguments)
    return done.stdout + done.stderr


def diagnose(fleet: Fleet, *arguments: str, **variables: object) -> str:
    common = {"handshake_flows": FLOWS, "diagnose_report_dir": str(fleet.directory / "report"), "diagnose_attempts": 1}
    return play(fleet, "threeway.handshake.diagnose", *arguments, **common, **variables)


def ask(fleet: Fleet, where: str, *arguments: str, **variables: object) -> tuple[str, dict[str, Any]]:
    output = fleet.directory / "history.json"
    printed = play(fleet, "threeway.handshake.history", *arguments, diagnose_history=where, history_output=str(output), **variables)
    return printed, json.loads(output.read_text())


def test_broken_and_mended(fleet: Fleet, webhook: Webhook, where: str) -> None:
    """Nothing listens, then something does: two changes are told, the history knows when, and nobody sees a secret."""
    keep = {"diagnose_history": where, "diagnose_webhook": webhook.url, "diagnose_webhook_timeout": 10}
    printed = diagnose(fleet, **keep)
    with fleet.listen("db1", "10.0.2.21", 5432):
        printed += diagnose(fleet, **keep) + diagnose(fleet, "--check", **keep)
    assert "WARNING" not in printed, printed

    for document in webhook.posted:
        schemas.check("changes", document)
    changes = [change for document in webhook.posted for change in document["changes"]]
    assert [(change["name"], change["from"], change["to"]) for change in changes] == [
        ("web-to-db", None, "broken"),
        ("web-to-db", "broken", "ok"),
    ]
    assert (changes[0]["cause"]["code"], changes[1]["cause_before"]) == ("no_listener", {"code": "no_listener", "host": "db1"})

    said, history = ask(fleet, where, history_client="web*")
    (flow,) = history["flows"]
    assert (flow["status"], flow["runs"], flow["flaps"], flow["last_cause"]["code"]) == ("ok", 2, 1, "no_listener")
    assert flow["first_bad"] == webhook.posted[0]["finished"] and flow["mended"] == webhook.posted[1]["finished"]
    assert flow["time_to_mend_seconds"] == changes[1]["time_to_mend_seconds"] > 0
    assert "web-to-db: web1 -> db1:5432  ok " in said and "no_listener at db1" in said
    assert "No flow of the history matches." in ask(fleet, where, "--check", history_flow="nothing")[0]

    for secret in (PASSWORD, where.partition("handshake:")[2].partition("@")[0], "t0ken"):
        assert not secret or secret not in printed + said


def test_a_history_that_cannot_be_written_costs_the_diagnosis_nothing(fleet: Fleet) -> None:
    printed = diagnose(fleet, diagnose_history="postgresql://me:s3cret@127.0.0.1:1/history", diagnose_webhook="https://127.0.0.1:1/t0ken")
    assert "The history postgresql://127.0.0.1:1/history cannot be written: connection failed" in " ".join(printed.split())
    assert json.loads((fleet.directory / "report" / "report.json").read_text())["summary"]["broken"] == 1
    assert "s3cret" not in printed and "t0ken" not in printed
