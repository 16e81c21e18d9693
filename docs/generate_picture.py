# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's picture of an answer, out of what a demo prints: ``make demo | tee demo.txt; python docs/generate_picture.py demo.txt``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"(?<=^```text\n\$ make demo\n\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_OF_THIS_MACHINE = ("not observed: ", " belongs to ")
"""What lines contain that differs on another machine."""


def excerpt(output: str) -> str:
    """The totals, the root causes, the first flow that fails, those that are well, the first change, and where the report is."""
    lines = [line.rstrip() for line in output.splitlines()]
    start = _line(lines, r"\d+ flows: ")
    causes, flow, well, changes = (_line(lines, each, start) for each in ("root causes$", r"\S+ -> .* BROKEN ", ".* OK, ", "changes$"))
    entries = [entry for entry in _entries(_paragraph(lines, flow)) if not any(each in entry[0] for each in _OF_THIS_MACHINE)]
    flat = [line for entry in entries for line in entry]
    return "\n".join(
        [
            *lines[start : start + 1],
            "...",
            *_paragraph(lines, causes),
            "",
            *flat,
            "...",
            lines[well],
            "...",
            lines[changes],
            *_entries(_paragraph(lines, changes), 2)[1],
            "",
            re.sub(r" /.*(?=/handshake-report/)", " /home/user/handshake", lines[_line(lines, "The report is ", changes)]),
            "",
        ]
    )


def picture() -> str:
    """What the README shows."""
    found = _BLOCK.search(README.read_text(encoding="utf-8"))
    assert found
    return found[0]


def masked(text: str) -> list[str]:
    """The words, whatever the numbers and wherever lines are broken."""
    return re.sub(r"\d+(\.\d+)?", "0", text).split()


def _line(lines: list[str], pattern: str, start: int = 0) -> int:
    return next(number for number in range(start, len(lines)) if re.match(pattern, lines[number]))


def _paragraph(lines: list[str], start: int) -> list[str]:
    return lines[start : next(number for number in range(start, len(lines)) if not lines[number])]


def _entries(lines: list[str], depth: int = 4) -> list[list[str]]:
    """Lines with those that continue them: the first, and each that is indented so deep, begins an entry."""
    entries: list[list[str]] = []
    for line in lines:
        if not entries or re.match(rf" {{{depth}}}\S", line):
            entries.append([])
        entries[-1].append(line)
    return entries


if __name__ == "__main__":
    made = excerpt(Path(sys.argv[1]).read_text(encoding="utf-8"))
    README.write_text(_BLOCK.sub(lambda _found: made, README.read_text(encoding="utf-8")), encoding="utf-8")
