# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: self-contained, and of the same structure whatever hosts say."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.fix_words import REMEDIATE
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.page import render

Report = dict[str, Any]
VOID = {"meta", "input"}
ROOT = Path(__file__).resolve().parents[5]
INSTALLED = """
import json, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([sys.argv[1]])
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.page import __file__, render
print(json.dumps([__file__, render(json.load(sys.stdin))]))
"""


class Page(HTMLParser):
    """Checks that elements nest and records what there is of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _value in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_the_page_tells_the_verdict_the_evidence_and_the_fix(demo: Callable[[], Report]) -> None:
    text = Page(render(demo())).text
    assert "web1 -> db1 10.0.2.21:5432 SYN dropped at db1, server.firewall likely" in text
    assert "db1 recording SYN reached eth0 9 times; no SYN-ACK and no RST left" in text
    assert "Against it: db1 vantage: the rule's own counter was not read: nft is not installed on db1" in text
    assert "Fix on db1: accept 10.0.1.11 -> tcp/5432 ahead of the drop" in text
    command = "nft insert rule inet filter input position 12 ip saddr 10.0.1.11 tcp dport 5432 accept"
    assert (
        f"{command} why: rule handle 12 stops it check: the rule's counter rises undo nft delete rule inet filter input handle 13" in text
    )
    assert "inet filter input input handle 4 ip saddr @trusted not known ip saddr 10.0.1.11 jump services, if it matches -" in text
    assert "inet filter input input handle 12 tcp dport 5432 yes drop 9" in text
    assert "threeway.handshake.remediate -e remediate_apply=true -e remediate_require=likely" in text
    assert "Advice : look at the router behind 10.0.9.2" in text
    assert "not observed nft on db1: not installed, so no rule counters" in text
    assert "what would decide run with become on db1" in text


def test_the_page_needs_nothing_from_anywhere(demo: Callable[[], Report]) -> None:
    page = Page(render(demo(), {"web-to-db.web1.db1.5432"}))
    assert not [tag for tag, _names in page.tags if tag in ("link", "img", "iframe", "object", "base", "form")]
    assert not [name for _tag, name, _value in page.attributes if name in ("src", "style") or name.startswith("on")]
    links = {value for _tag, name, value in page.attributes if name == "href"}
    anchors = {"#" + value for _tag, name, value in page.attributes if name == "id"}
    assert links - anchors == {"captures/web-to-db.web1.db1.5432.pcapng"}


def test_only_our_own_style_and_script_may_run(demo: Callable[[], Report]) -> None:
    text = render(demo())
    policy = next(value for _tag, name, value in Page(text).attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


def test_every_anchor_is_there_once_even_when_ids_collide(demo: Callable[[], Report]) -> None:
    report = demo()
    for flow in report["flows"]:
        flow["id"] = "same"
    page = render(report)
    anchors = [value for _tag, name, value in Page(page).attributes if name == "id"]
    assert len(anchors) == len(set(anchors))
    assert len({row[0] for row in data(page)["rows"]}) == len(report["flows"])


@pytest.mark.parametrize(
    "kind, risk, certainty, options",
    [
        ("firewall", "low", "proven", ""),
        ("service", "disruptive", "likely", " -e remediate_max_risk=disruptive -e remediate_require=likely"),
        ("network", "low", "proven", """ -e '{"remediate_allow": ["network"]}'"""),
    ],
)
def test_a_fix_has_the_command_that_makes_it(demo: Callable[[], Report], kind: str, risk: str, certainty: str, options: str) -> None:
    report = demo()
    cause = report["flows"][1]["causes"][0]
    cause["certainty"] = certainty
    cause["fix"] |= {"kind": kind, "risk": risk}
    values = data(render(report))["values"]
    assert f"{REMEDIATE} -e remediate_apply=true{options}" in values


@pytest.mark.parametrize("changed", [{"kind": "x; reboot"}, {"risk": "advice"}, {"risk": "x; reboot"}])
def test_what_only_people_can_do_is_advice_without_a_command(demo: Callable[[], Report], changed: Report) -> None:
    report = demo()
    report["flows"][1]["causes"][0]["fix"] |= changed
    page = render(report)
    assert "threeway.handshake.remediate" not in page
    assert "<b>Fix</b>" not in page


def test_what_was_tried_for_comparison_is_said(demo: Callable[[], Report], probed: Callable[[int], Report]) -> None:
    text = Page(render(probed(2))).text
    assert "also tried, for comparison: w0 -> db1:5432 broken (firewall_drop at db1); w1 -> db1:5432 ok Root causes" in text
    assert "for comparison" not in Page(render(demo())).text


def test_what_fails_is_told_first(demo: Callable[[], Report]) -> None:
    probe = {"client": "web2", "server": "db1", "port": 5432}
    found = {"summary": "server db1: 3 of 3 fail", "entries": ["a", "b", "c"], "rivals": ["port 5432"], "next_probe": probe}
    text = Page(render(demo() | {"isolated": [found]})).text
    assert "server db1: 3 of 3 fail; or: port 5432; would decide: web2 -> db1:5432 Root causes" in text


def data(page: str) -> Report:
    (found,) = re.findall('<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    document: Report = json.loads(found)
    return document


def test_flows_are_in_the_page_once_and_what_they_share_is_written_once(fleet: Callable[..., Report]) -> None:
    page = render(fleet())
    values = [value for value in data(page)["values"] if isinstance(value, str)]
    assert len(data(page)["rows"]) == 500
    assert len(values) == len(set(values))


def later(timeline: list[Report], ms: int) -> list[Report]:
    return [row | {"t_ms": row["t_ms"] + ms} for row in timeline]


@pytest.mark.slow
@pytest.mark.parametrize("status", ["ok", "broken"])
def test_five_thousand_flows_are_less_than_ten_megabytes(fleet: Callable[..., Report], status: str) -> None:
    report = fleet(clients=500)
    if status == "broken":
        (like,) = [flow for flow in report["flows"] if flow["id"] == "web-to-db3.web1.db3.5432"]
        report["flows"] = [like | {"id": str(number), "timeline": later(like["timeline"], number)} for number in range(5000)]
    page = render(report)
    assert len(page) < 10_000_000
    rows = data(page)["rows"]
    assert len(rows) == 5000
    assert all(told >= 0 for *_row, told, _traffic in rows)


@pytest.mark.slow
def test_forty_thousand_flows_are_less_than_thirty_megabytes(fleet: Callable[..., Report]) -> None:
    page = render(fleet(clients=200, servers=200))
    assert len(data(page)["rows"]) == 40_000
    assert len(page) < 30_000_000


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "\u2028\u2029", "</ScRiPt >"])
def test_data_cannot_end_its_element(hostile: Callable[[str], Report], text: str) -> None:
    page = render(hostile(text))
    (found,) = re.findall('<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found.isascii()
    assert "<" not in found
    assert any(text.replace("\u2028", "").strip(" \u2029")[:5] in str(value) for value in json.loads(found)["values"])


@settings(max_examples=15)
@given(text=st.text(min_size=1, max_size=60).filter(lambda text: not text.isspace()))
@example("</style></script><script>alert(1)</script>")
@example("\"'><img src=x onerror=alert(1)>")
@example("{{ 7*7 }}{% raw %}")
@example("]]><!--")
def test_a_host_cannot_add_to_the_structure(hostile: Callable[[str], Report], text: str) -> None:
    assert Page(render(hostile(text))).tags == Page(render(hostile("harmless"))).tags


def test_what_a_host_says_is_shown_as_it_is(hostile: Callable[[str], Report]) -> None:
    text = render(hostile("<script>alert('x')</script>\x1b\u202e"))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\\x1b\\u202e" in text


def test_an_installed_collection_has_all_parts_of_the_page(demo: Callable[[], Report], tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "ansible", "galaxy", "collection", "build", "--output-path", tmp_path, ROOT], check=True)
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as tarball:
        tarball.extractall(tmp_path / "ansible_collections/threeway/handshake", filter="data")
    argv = [sys.executable, "-c", INSTALLED, str(tmp_path)]
    done = subprocess.run(argv, cwd=tmp_path, input=json.dumps(demo()), capture_output=True, check=True, text=True)
    file, page = json.loads(done.stdout)
    assert file.startswith(str(tmp_path))
    assert page == render(demo())
