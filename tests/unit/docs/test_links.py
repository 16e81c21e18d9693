# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README is short and its links work where the files beside it are missing; the links of all other pages lead somewhere."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md"), ROOT / "CONTRIBUTING.md"])


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("generate_readme")


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings, and those that pages set themselves."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


def links(page: Path) -> Iterator[tuple[Path, str]]:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", target):
            path, _hash, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(README.splitlines()) < 150
    assert {"make demo", "make test"} <= set(re.findall(r"^make \w+", README, re.MULTILINE))


def test_the_links_of_the_readme_are_absolute_and_made_from_galaxy_yml(generator: ModuleType) -> None:
    defined = dict(re.findall(r"^\[([\w-]+)\]: (\S+)$", README, re.MULTILINE))
    assert generator.render(README) == README, "run `make docs`"
    repository = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
    for target in defined.values():
        assert target.startswith(f"{repository}/") and (ROOT / target.removeprefix(generator.base())).exists(), target
    body = without_code(README.partition("\n[bsd]:")[0])
    assert re.findall(r"\]\((?!https?://)[^)]*\)", body) == []
    used = {second or first for first, second in re.findall(r"\[([^\]\[]+)\](?:\[([\w-]+)\])?(?!:)", body)}
    assert used == set(defined)


def test_the_links_of_the_guide_are_made_alike(generator: ModuleType) -> None:
    text = (ROOT / "docs/docsite/rst/guide.rst").read_text(encoding="utf-8")
    targets = re.findall(r"<(https?://[^>]+)>`__", text)
    assert len(targets) >= 8 and text == generator.render(text), "run `make docs`"
    assert all((ROOT / target.removeprefix(generator.base())).exists() for target in targets)


def test_a_link_follows_the_repository(generator: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "base", lambda: "https://example.org/x/blob/main/")
    assert generator.render("`a <https://example.com/old/blob/main/docs/a.md>`__") == "`a <https://example.org/x/blob/main/docs/a.md>`__"
    text = "[a]: docs/a.md\n[b]: https://example.com/old/name/blob/main/docs/b.md#c\n[d]: https://jmespath.org\n"
    made = generator.render(text)
    assert (
        made
        == "[a]: https://example.org/x/blob/main/docs/a.md\n[b]: https://example.org/x/blob/main/docs/b.md#c\n[d]: https://jmespath.org\n"
    )


def test_galaxy_yml_has_one_place() -> None:
    told = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert all(told[name].startswith(told["repository"]) for name in ("documentation", "homepage", "issues"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_pages_lead_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        assert path.exists(), f"{page.name}: {path}"
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), f"{page.name}: {path.name}#{anchor}"


def test_the_index_leads_to_each_page() -> None:
    index = {path for path, _anchor in links(ROOT / "docs/README.md")}
    assert set(ROOT.glob("docs/*.md")) - index == {ROOT / "docs/README.md"}
