# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One vocabulary, that of the field (the table of words in docs/architecture.md): what went out of use does not come back."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RETIRED = {
    "anew": "again",
    "crossing": "traversal",
    "fate": "outcome",
    "for want of": "for lack of",
    "hangs on": "depends on",
    "sighting": "observation",
    "teller": "describer",
    "whither": "where",
    "worth a word": "worth a remark",
    "would tell": "would show",
}
PLACES = ("plugins", "roles", "playbooks", "extensions", "docs", "dev", "tests", "README.md", "CONTRIBUTING.md")
TEXTS = (".css", ".html", ".js", ".md", ".py", ".yml", "")


def test_retired_words_do_not_come_back() -> None:
    retired = re.compile(rf"(?<![a-z])({'|'.join(RETIRED)})s?(?![a-z])", re.IGNORECASE)
    found = []
    for path in (each for place in PLACES for each in (*(ROOT / place).rglob("*"), ROOT / place)):
        if path.is_file() and path.suffix in TEXTS and path != Path(__file__) and "__pycache__" not in path.parts:
            lines = enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
            found += [f"{path.relative_to(ROOT)}:{number}: {match[0]}" for number, line in lines for match in retired.finditer(line)]
    assert found == [], "say " + ", ".join(f"{new} for {old}" for old, new in RETIRED.items())
