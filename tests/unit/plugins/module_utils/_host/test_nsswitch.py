# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import nsswitch


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "passwd: files\nhosts:  files mdns4_minimal [NOTFOUND=return] dns # usual\n",
            ["files", "mdns4_minimal", "[NOTFOUND=return]", "dns"],
        ),
        ("hosts:files[NOTFOUND=return]dns\nhosts: dns\n", ["files", "[NOTFOUND=return]", "dns"]),
        ("# hosts: files\n", None),
    ],
)
def test_the_words_of_a_line(text: str, expected: list[str] | None, tmp_path: Path) -> None:
    (tmp_path / "nsswitch.conf").write_text(text)
    assert nsswitch.sources("hosts", str(tmp_path / "nsswitch.conf")) == expected


def test_no_file_is_no_line(tmp_path: Path) -> None:
    assert nsswitch.sources("hosts", str(tmp_path / "nsswitch.conf")) is None
