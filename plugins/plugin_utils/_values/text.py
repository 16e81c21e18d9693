# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Text from hosts, made fit to be shown: one line, visible, bounded; then escaped for one format.

``clean`` comes first and is format-blind; the view applies it to every string of a report. What it returns holds
printable characters only, so each format has nothing left to escape but its own syntax.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

NAME = 128
SENTENCE = 800

# Printable by Unicode's categories, but drawn as nothing: fillers, joiners, variation selectors, the blank braille cell.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_FILE_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._-]{0,119}")
_WORD = "[0-9A-Za-z]"
_MARKDOWN = re.compile(
    r"(?P<code>[@#]+)"  # GitHub's and GitLab's mentions of people and tickets, which only a code span stops
    r"|[\\`*{}\[\]<>|~$&]"  # markup, links, HTML, tables, mathematics, GitLab's {+ +}
    rf"|(?<!{_WORD})_|_(?!{_WORD})"  # within a word an underscore is nothing but itself
    r"|(?<=www)\.|:(?=//)",  # what GitHub makes links of without being asked
    re.IGNORECASE,
)


def clean(value: object, limit: int = SENTENCE) -> str:
    """One bounded line of printable text: white space becomes a space, everything invisible its escape (ESC is ``\\x1b``)."""
    text = "" if value is None else str(value)[: limit + 1]
    if not text.isprintable() or not text.isascii():
        text = "".join(_visible(char) for char in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def printable(text: str) -> str:
    """Text of any length and of several lines: everything invisible but the ends of lines and tabs becomes its escape."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(char if char in "\n\t" else _visible(char) for char in text)


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    if char.isprintable() and not _INVISIBLE.match(char):
        return char
    return char.encode("unicode_escape").decode("ascii")


def cells(text: str) -> int:
    """The columns that cleaned text takes on a terminal: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def clip(text: str, width: int) -> str:
    """Cleaned text cut to that many columns, the cut marked by ``...``."""
    if cells(text) <= width:
        return text
    kept = text[: max(width - 3, 0)]
    while kept and cells(kept) > width - 3:
        kept = kept[:-1]
    return (kept.rstrip() + "...")[: max(width, 0)]


def wrap(text: str, width: int, indent: str = "", hang: str | None = None) -> list[str]:
    """Cleaned text in lines of at most that many columns; a word longer than a line is broken."""
    lines: list[str] = []
    line, empty = indent, True
    hang = indent if hang is None else hang
    for word in text.split():
        if not empty and cells(line) + 1 + cells(word) > width:
            lines.append(line)
            line, empty = hang, True
        line = line + word if empty else f"{line} {word}"
        empty = False
        while cells(line) > width:
            head = line[:width]
            while cells(head) > width:
                head = head[:-1]
            if len(head) <= len(hang):
                head = line[: len(hang) + 1]
            lines.append(head)
            line = hang + line[len(head) :]
            empty = line == hang
    return lines if empty else [*lines, line]


def markdown(text: str) -> str:
    """Cleaned text as literal Markdown text, also within a table: no markup, no link, no HTML, no mention of a person or ticket.

    It may not begin a line: what makes a list or a heading there is left as it is.
    """
    return _MARKDOWN.sub(lambda found: f"`{found[0]}`" if found["code"] else f"\\{found[0]}", text.strip())


def label(text: str) -> str:
    """Cleaned text as the value of a Prometheus label, without its quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def file_name(text: str) -> str:
    """A safe file name without its suffix: a plain slug stays as it is, anything else is reduced and made distinct by a hash."""
    if _FILE_NAME.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    slug = re.sub(r"[^0-9A-Za-z_]+", "-", text[:200]).strip("-")[:80]
    return f"{slug}-{digest}" if slug else f"flow-{digest}"
