# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: whole or not at all, private, in their place."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.forms import Forms
from ansible_collections.threeway.handshake.plugins.plugin_utils._store import report_files

Report = dict[str, Any]
FLOW = "web-to-db.web1.db1.5432"


def write(directory: Path, report: Report, captures: dict[str, bytes]) -> list[Path]:
    return report_files.write(directory, Forms(report, captures), captures)


def test_all_formats_are_written_and_private(demo: Callable[[], Report], tmp_path: Path) -> None:
    target = tmp_path / "handshake-report"
    written = write(target, demo(), {FLOW: b"capture"})
    assert [str(path.relative_to(target)) for path in written] == [
        "report.json",
        "report.html",
        "report.md",
        "junit.xml",
        "metrics.prom",
        f"captures/{FLOW}.pcapng",
    ]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (target, target / "captures")} == {0o700}
    assert sorted(path for path in target.rglob("*") if path.is_file()) == sorted(written)
    assert written[-1].read_bytes() == b"capture"
    assert f'href="captures/{FLOW}.pcapng"' in (target / "report.html").read_text()


def test_a_report_replaces_the_one_before_with_its_captures(demo: Callable[[], Report], tmp_path: Path) -> None:
    other = demo()["flows"][2]["id"]
    write(tmp_path, demo(), {FLOW: b"1", other: b"2"})
    mine = tmp_path / "captures" / "mine.pcapng"
    mine.write_bytes(b"not of the report")
    write(tmp_path, demo(), {FLOW: b"3"})
    assert sorted(path.name for path in (tmp_path / "captures").iterdir()) == ["mine.pcapng", f"{FLOW}.pcapng"]
    assert (tmp_path / "captures" / f"{FLOW}.pcapng").read_bytes() == b"3"


@pytest.mark.parametrize("rubbish", [b"", b"[1]", b"\xff", b'{"flows": [{"id": "../report"}, 3]}', b"[" * 100_000])
def test_a_report_that_is_no_report_is_replaced(demo: Callable[[], Report], tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "report.json").write_bytes(rubbish)
    write(tmp_path, demo(), {})
    assert json.loads((tmp_path / "report.json").read_text()) == demo()


def test_no_capture_leaves_the_directory(demo: Callable[[], Report], tmp_path: Path) -> None:
    (*_others, path) = write(tmp_path / "report", demo(), {"../../escape": b""})
    assert path.parent == tmp_path / "report" / "captures"
    assert path.name.startswith("escape-")


def test_a_full_disk_leaves_the_old_file_whole(demo: Callable[[], Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, demo(), {})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, demo() | {"started": "2027-01-01T00:00:00Z"}, {})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_link_in_the_way_is_replaced_not_followed(demo: Callable[[], Report], tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    target = tmp_path / "report"
    target.mkdir()
    (target / "report.md").symlink_to(precious)
    write(target, demo(), {})
    assert precious.read_text() == "mine"
    assert not (target / "report.md").is_symlink()


def test_a_form_that_cannot_be_shown_leaves_none_of_an_earlier_report(demo: Callable[[], Report], tmp_path: Path) -> None:
    write(tmp_path, demo(), {})
    assert [path.name for path in report_files.write(tmp_path, [("report.json", [b"{}"]), ("report.html", None)], {})] == ["report.json"]
    assert not (tmp_path / "report.html").exists()


def test_each_file_is_written_before_the_next_one_is_made(tmp_path: Path) -> None:
    def made() -> Iterator[tuple[str, list[bytes]]]:
        yield "report.json", [b"{", b"}"]
        assert (tmp_path / "report.json").read_bytes() == b"{}"
        yield "report.md", []

    assert [path.name for path in report_files.write(tmp_path, made(), {})] == ["report.json", "report.md"]
