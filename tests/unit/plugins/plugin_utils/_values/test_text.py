# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts say is made visible and bounded before any format escapes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._values.text import cells, clean, clip, file_name, label, markdown, wrap


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text", "plain text"),
        ("two\nlines\tand\u2028more", "two lines and more"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("user\u202egnp.exe\u200b", r"user\u202egnp.exe\u200b"),
        ("half \ud800 pair, not \ufffe a character", r"half \ud800 pair, not \ufffe a character"),
        ("\u3164blank", r"\u3164blank"),
        ("Grüße 漢字", "Grüße 漢字"),
        (None, ""),
        (42, "42"),
    ],
)
def test_clean_makes_everything_visible_on_one_line(raw: object, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text(), st.integers(4, 60))
def test_clean_text_is_printable_and_bounded(text: str, limit: int) -> None:
    out = clean(text, limit)
    assert out.isprintable()
    assert len(out) <= limit


def test_clean_does_not_read_a_gigabyte_to_show_a_line() -> None:
    assert clean("\x1b" * 10_000_000, 20) == r"\x1b\x1b\x1b\x1b\..."


@given(st.text().map(clean), st.integers(8, 40))
def test_no_line_is_wider_than_asked_and_no_character_is_lost(text: str, width: int) -> None:
    lines = wrap(text, width, "  ", "    ")
    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert cells(clip(text, width)) <= width


def test_wide_characters_take_two_columns() -> None:
    assert cells("漢字e\u0301") == 5
    assert clip("漢字漢字漢字", 8) == "漢字..."


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("db1 10.0.2.21:5432, firewall_drop (rule 3)", "db1 10.0.2.21:5432, firewall_drop (rule 3)"),
        ("a | b`c`", r"a \| b\`c\`"),
        ("<img src=x>", r"\<img src=x\>"),
        ("[x](javascript:1) **b** _i_", r"\[x\](javascript:1) \*\*b\*\* \_i\_"),
        ("@team see #12, unit@3.service", "`@`team see `#`12, unit`@`3.service"),
        ("http://x www.x.y &amp;", r"http\://x www\.x.y \&amp;"),
    ],
)
def test_markdown_escapes_what_is_markup_and_nothing_else(text: str, escaped: str) -> None:
    assert markdown(text) == escaped


def test_label_values_cannot_end_their_quotes() -> None:
    assert label('a"b\\c') == r"a\"b\\c"


@given(st.text())
def test_file_names_stay_in_their_directory(text: str) -> None:
    name = file_name(text)
    assert name.isascii()
    assert 0 < len(name) <= 120
    assert "/" not in name
    assert not name.startswith((".", "-"))


def test_a_slug_is_its_own_file_name_and_others_stay_apart() -> None:
    assert file_name("web-to-db.web1.db1.5432") == "web-to-db.web1.db1.5432"
    assert file_name("a/b") != file_name("a-b") != file_name("a b")
    assert file_name("../../etc/passwd").startswith("etc-passwd-")
