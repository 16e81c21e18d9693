# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site: it builds without a network and without warnings, and has a page for each cause, with an example where one is recorded."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE

ROOT = Path(__file__).parents[3]
NO_NETWORK = ["unshare", "--user", "--map-root-user", "--net"]


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("docsite", str(ROOT / "dev/docsite"))
    spec = importlib.util.spec_from_loader("docsite", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_a_cause_has_its_proof_its_symptoms_and_an_example_with_its_packets(builder: ModuleType) -> None:
    cause = next(each for each in CATALOGUE if each.code == "no_listener")
    page = "\n".join(builder.cause_page(cause))
    assert cause.proof in page and '"Connection refused" (ECONNREFUSED)' in page
    assert "no_listener: nothing listens on " in page
    (syn, rst) = [line for line in page.splitlines() if line.startswith(("| SYN ", "| RST "))]
    assert re.fullmatch(r"\| SYN \| client \| out 0\.000 \|.* in \d+\.\d+ \|  \|", syn), syn
    assert re.fullmatch(r"\| RST \| server \| in \d+\.\d+ \|.* out \d+\.\d+ \|  \|", rst), rst


def test_a_page_s_links_lead_to_pages_of_the_site_or_to_the_repository(builder: ModuleType) -> None:
    text = "[a](causes.md#no_route) [b](../roles/drift/README.md) [c](drift.md#expectations) [d](schema)\n```mermaid\nx\n```\n"
    base = builder.base()
    assert builder.adapted(text) == (
        f"[a](../causes/no_route.md) [b]({base}roles/drift/README.md) [c](drift.md#expectations) [d]({base}docs/schema)\n```text\nx\n```\n"
    )


def test_the_links_of_the_collection_are_those_of_galaxy_yml() -> None:
    links = yaml.safe_load((ROOT / "docs/docsite/links.yml").read_text(encoding="utf-8"))
    told = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert told["repository"].endswith("/" + links["edit_on_github"]["repository"])
    assert all(each["url"].startswith(told["repository"]) for each in links["extra_links"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("sphinx-build") is None or shutil.which("unshare") is None, reason="needs sphinx-build and unshare")
def test_the_site_is_built_without_a_network_and_without_warnings(tmp_path: Path) -> None:
    done = subprocess.run(
        [*NO_NETWORK, sys.executable, str(ROOT / "dev/docsite"), str(tmp_path / "site")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    html = tmp_path / "site/html"
    assert {page.stem for page in (html / "causes").glob("*.html")} == {cause.code for cause in CATALOGUE}
    assert {page.stem for page in (html / "pages").glob("*.html")} == {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert "Begin with a symptom" in (html / "collection/docsite/guide.html").read_text()
