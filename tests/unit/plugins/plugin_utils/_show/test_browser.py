# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a real Chromium: how much of it there is, how it is used, and by whom it can be used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.page import render

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")

Report = dict[str, Any]
Open = Callable[..., Any]
NODES = "() => { let n = 0; const walk = document.createTreeWalker(document, NodeFilter.SHOW_ALL); while (walk.nextNode()) n++; return n; }"
LISTED = "() => [...document.querySelectorAll('#list details.flow')].map(flow => flow.id)"
TIMES = """() => {
  const timed = what => { const began = performance.now(); what(); document.body.offsetHeight; return performance.now() - began; };
  const press = text => { box.value = text; box.dispatchEvent(new Event("input")); };
  const loaded = performance.getEntriesByType("navigation")[0];
  return [loaded.loadEventEnd - loaded.startTime, timed(() => press("n")), timed(() => open(data.rows[0]))];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [], timeout=120_000)
        yield started
        started.close()


@pytest.fixture
def load(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a report. What the page complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def opened(report: Report, fragment: str = "", **options: Any) -> Any:
        (tmp_path / "report.html").write_text(render(report), encoding="utf-8")
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(f"file://{tmp_path}/report.html{fragment}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def test_five_thousand_flows_are_ten_megabytes_and_three_thousand_nodes_at_most(
    load: Open, fleet: Callable[..., Report], tmp_path: Path
) -> None:
    page = load(fleet(clients=500))
    assert page.evaluate(NODES) <= 3000
    assert (tmp_path / "report.html").stat().st_size < 10_000_000


@pytest.mark.clock("the processor time that a browser gets")
@pytest.mark.slow
def test_forty_thousand_flows_are_searched_and_opened_in_a_fifth_of_their_loading_time(load: Open, fleet: Callable[..., Report]) -> None:
    page = load(fleet(clients=200, servers=200))
    assert page.evaluate(NODES) <= 3000
    loading, key, opening = page.evaluate(TIMES)
    assert max(key, opening) < loading / 5


@pytest.mark.parametrize(
    "typed, found", [("accept_queue_full", 1), ("firewall", 1), ("db1 broken", 1), ("ok", 1), ("5432", 1), ("web-to-", 4), ("nothing", 0)]
)
def test_flows_are_found_by_code_title_host_status_port_and_name(load: Open, demo: Callable[[], Report], typed: str, found: int) -> None:
    page = load(demo())
    page.fill("#filter", typed)
    assert len(page.evaluate(LISTED)) == found


def test_a_link_opens_its_flow_with_evidence_and_ladder(load: Open, demo: Callable[[], Report]) -> None:
    page = load(demo(), "#flow-web-to-db.web1.db1.5432")
    flow = page.locator("details.flow[open]")
    assert flow.get_attribute("id") == "flow-web-to-db.web1.db1.5432"
    assert "SYN reached eth0 9 times; no SYN-ACK and no RST left" in flow.inner_text()
    assert flow.locator("svg .cross").count() == 3
    assert flow.locator("svg .pause").all_text_contents() == ["1.02 s later", "1.02 s later"]
    page.click("#collapse")
    assert page.locator("details.flow[open]").count() == 0


def test_and_more_opens_the_flows_of_a_cause(load: Open, fleet: Callable[..., Report]) -> None:
    page = load(fleet())
    page.click("text=and 49 more")
    assert page.locator("#tally").inner_text() == "50 of 500 flows"
    page.click("#statuses button.ok")
    assert page.evaluate(LISTED) == []
    page.click("#everything")
    assert page.locator("#tally").inner_text() == "500 flows"


def test_the_matrix_is_used_by_keyboard_and_its_cells_have_names(load: Open, demo: Callable[[], Report]) -> None:
    page = load(demo())
    assert page.locator("#grid [tabindex='0']").count() == 1
    page.focus("#grid [tabindex='0']")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    name = "web1 to db1 10.0.2.21:5432: broken"
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == name
    page.keyboard.press("Enter")
    assert page.locator("details.flow[open]").get_attribute("id") == "flow-web-to-db.web1.db1.5432"
    assert page.url.endswith("#flow-web-to-db.web1.db1.5432")


def test_headings_of_the_matrix_are_shown_in_full_and_stay_in_sight(load: Open, fleet: Callable[..., Report]) -> None:
    page = load(fleet())
    cut = "each => each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1"
    assert page.evaluate(f"() => [...document.querySelectorAll('#grid th span')].filter({cut}).length") == 0
    page.evaluate("() => { document.querySelector('.tall').scrollTop = 400; }")
    shown = "() => grid.querySelector('thead th').getBoundingClientRect().top - document.querySelector('.tall').getBoundingClientRect().top"
    assert abs(page.evaluate(shown)) < 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_use_it(load: Open, demo: Callable[[], Report], scheme: str, width: int) -> None:
    page = load(demo(), "#flow-web-to-db.web1.db1.5432", color_scheme=scheme, viewport={"width": width, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_without_a_script_the_worst_flows_are_told(load: Open, demo: Callable[[], Report]) -> None:
    page = load(demo(), java_script_enabled=False)
    assert page.locator("details.flow").count() == 4
    page.locator("details.flow summary").first.click()
    assert "SYN reached eth0 9 times; no SYN-ACK and no RST left" in page.locator("details.flow[open]").inner_text()
    assert not page.locator("#filter").is_visible()


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>"])
def test_what_hosts_say_is_text(load: Open, hostile: Callable[[str], Report], text: str) -> None:
    page = load(hostile(text))
    page.locator("details.flow summary").first.click()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert text in page.locator("details.flow").first.inner_text()
