# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a webhook is told, by a server on loopback that a run calls."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.messages import MESSAGES
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import webhook as _webhook
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.keep import Keeping, keep

from .reports import flow, iso, report, rows


class Webhook(ThreadingHTTPServer):
    """Keeps what is posted; answers what ``answers`` says next, 204 when that is used up, and 0 closes the connection."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posted: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/t0ken?key=s3cret"


class Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.answers.pop(0) if self.server.answers else 204
        assert (self.path, self.headers["Content-Type"]) == ("/t0ken?key=s3cret", "application/json")
        if answer == 204:
            self.server.posted.append(json.loads(body))
        if answer:
            self.send_response(answer)
            if answer == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.setattr(_webhook, "_PAUSE", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Webhook() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def told(where: str, webhook: Webhook, document: dict[str, Any], causes: bool = False, days: int = 0) -> int:
    return keep(document, Keeping(where, days, webhook.url, 5.0, causes))


def test_alerts_stand_until_they_are_told_to_end(where: str, webhook: Webhook) -> None:
    """Alertmanager forgets what it is not reminded of; another alert begins where the status becomes another that is not ok."""
    wanted = Keeping(where, 0, webhook.url, 5.0, False, posted=MESSAGES["alertmanager"], standing=True)
    for number, status in enumerate(["broken", "broken", "degraded", "ok", "ok"]):
        keep(report(number, flow(status)), wanted)
    sent = [[(alert["labels"]["alertname"], "startsAt" in alert) for alert in alerts] for alerts in webhook.posted]
    broken, degraded = "HandshakeBroken", "HandshakeDegraded"
    assert sent == [[(broken, True)], [(broken, True)], [(broken, False), (degraded, True)], [(degraded, False)]]
    identities = {tuple(alert["labels"].items()) for alerts in webhook.posted for alert in alerts}
    assert len(identities) == 2


def test_only_changes_are_told(where: str, webhook: Webhook) -> None:
    statuses = ["ok", "ok", "broken", "broken", "degraded", "ok", "undetermined", "undetermined", "ok"]
    numbers = [told(where, webhook, report(number, flow(status), flow("ok", client="web2"))) for number, status in enumerate(statuses)]
    assert numbers == [0, 0, 1, 0, 1, 1, 1, 0, 1]
    changes = [change for document in webhook.posted for change in document["changes"]]
    assert [(change["from"], change["to"]) for change in changes] == [
        ("ok", "broken"),
        ("broken", "degraded"),
        ("degraded", "ok"),
        ("ok", "undetermined"),
        ("undetermined", "ok"),
    ]
    first = webhook.posted[0]
    assert (first["schema"], first["run"], first["finished"]) == ("threeway.handshake/changes/1", "run-00002.00", iso(2))
    assert changes[0] == {
        "name": "web-to-db",
        "client": "web1",
        "server": "db1",
        "address": "192.0.2.21",
        "port": 5432,
        "from": "ok",
        "to": "broken",
        "last_good": iso(1),
        "first_bad": iso(2),
        "mended": None,
        "time_to_mend_seconds": None,
        "cause": {"code": "no_listener", "host": "db1", "certainty": "proven", "summary": "nothing listens"},
        "cause_before": None,
    }
    assert (changes[1]["mended"], changes[1]["time_to_mend_seconds"]) == (iso(4), 120)
    assert changes[1]["cause_before"] == {"code": "no_listener", "host": "db1"}


def test_what_nobody_heard_of_is_told_unless_it_is_ok(where: str, webhook: Webhook) -> None:
    assert told(where, webhook, report(0, flow("broken"), flow("ok", client="web2"))) == 1
    assert [(change["client"], change["from"]) for change in webhook.posted[0]["changes"]] == [("web1", None)]


def test_causes_are_told_if_that_is_wanted(where: str, webhook: Webhook) -> None:
    def numbers(begin: int, causes: bool) -> list[int]:
        found = [("no_listener", "db1"), ("firewall_drop", "db1"), ("firewall_drop", "db1"), ("firewall_drop", "web1")]
        return [told(where, webhook, report(begin + number, flow("broken", cause)), causes) for number, cause in enumerate(found)]

    assert numbers(0, causes=False) == [1, 0, 0, 0]
    assert numbers(10, causes=True) == [1, 1, 0, 1]
    assert webhook.posted[-1]["changes"][0]["cause_before"] == {"code": "firewall_drop", "host": "db1"}


def test_no_run_is_told_twice_and_no_old_one(where: str, webhook: Webhook) -> None:
    assert [told(where, webhook, report(1, flow("broken"))) for _again in range(2)] == [1, 0]
    assert told(where, webhook, report(0, flow("ok"))) == 0
    assert told(where, webhook, report(2, flow("broken"))) == 0


def test_every_webhook_is_told(where: str, webhook: Webhook) -> None:
    with Webhook() as other:
        threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        assert [told(where, each, report(0, flow("broken"))) for each in (webhook, other)] == [1, 1]
        other.shutdown()
    assert webhook.url not in repr(rows(where, "SELECT * FROM handshake_told"))


def test_a_webhook_that_is_busy_is_tried_again(where: str, webhook: Webhook) -> None:
    webhook.answers = [503, 0]
    assert told(where, webhook, report(0, flow("broken"))) == 1
    assert len(webhook.posted) == 1


def test_what_could_not_be_told_is_told_after_the_next_run(where: str, webhook: Webhook) -> None:
    webhook.answers = [500, 502, 429]
    with pytest.raises(HistoryError, match=r"^The webhook at http://127.0.0.1:\d+ could not be reached after 3 tries: it answered 429.$"):
        told(where, webhook, report(0, flow("broken")))
    assert rows(where, "SELECT status FROM handshake_verdicts") == [("broken",)]
    assert told(where, webhook, report(1, flow("broken"))) == 1
    assert webhook.posted[0]["changes"][0]["first_bad"] == iso(0)


@pytest.mark.parametrize("answer", [302, 401, 404])
def test_a_webhook_that_says_no_is_not_asked_again(where: str, webhook: Webhook, answer: int) -> None:
    webhook.answers = [answer]
    with pytest.raises(HistoryError, match=rf"^The webhook at http://127.0.0.1:\d+ answered {answer}: see whether its URL is right.$"):
        told(where, webhook, report(0, flow("broken")))
    assert webhook.posted == []


def test_a_webhook_that_does_not_answer(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "do_POST", lambda self: time.sleep(0.5))
    began = time.monotonic()
    with pytest.raises(HistoryError, match=r"could not be reached after 3 tries: .*timed out") as refused:
        _webhook.post(webhook.url, {}, 0.1)
    assert time.monotonic() - began < 5
    assert "s3cret" not in str(refused.value) and "t0ken" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org/s3cret",
        "file:///etc/s3cret",
        "ftp://s3cret/",
        "http://",
        "http://[s3cret/",
        "http://a/s3cret x",
        "http://a:s3cret/",
    ],
)
def test_what_is_no_webhook(url: str) -> None:
    with pytest.raises(HistoryError, match=r"^The URL of the webhook cannot be read: write https://host/path, without blanks.$"):
        _webhook.post(url, {}, 1.0)


def test_a_certificate_that_nobody_vouches_for(webhook: Webhook, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), today, today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "server.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    webhook.socket = context.wrap_socket(webhook.socket, server_side=True, do_handshake_on_connect=False)
    with pytest.raises(HistoryError, match=r"^The webhook at https://127.0.0.1:\d+ could not be reached after 3 tries: .*certificate"):
        _webhook.post(webhook.url.replace("http:", "https:"), {}, 5.0)
    assert webhook.posted == []


def test_a_webhook_alone_knows_no_changes() -> None:
    with pytest.raises(HistoryError, match=r"^The webhook is not called: set diagnose_history, because only a history shows"):
        keep(report(0, flow("broken")), Keeping("", 0, "http://127.0.0.1:9/", 1.0, False))


def test_runs_that_are_too_old_are_forgotten(where: str, webhook: Webhook) -> None:
    now = time.time()
    recent, old = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - days * 86400)) for days in (1, 20))
    for number, finished in enumerate((old, recent)):
        keep({**report(number, flow("ok")), "finished": finished}, Keeping(where, 10, "", 1.0, False))
    assert rows(where, "SELECT run FROM handshake_runs") == [("run-00001.00",)]
