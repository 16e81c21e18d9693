# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts file has for names."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.threeway.handshake.plugins.module_utils._host.hosts_file import entries, names_of, run_together


def test_names_with_their_addresses(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(
        "127.0.0.1 localhost\n#10.0.0.9 no\n10.0.0.1\tDB.example.org. db # old\n2001:DB8::1 db\nfe80::1%eth0 near\nx y\n10.0.0.2\n\0\n"
    )
    assert entries(str(path)) == {
        "localhost": ["127.0.0.1"],
        "db.example.org": ["10.0.0.1"],
        "db": ["10.0.0.1", "2001:db8::1"],
        "near": ["fe80::1"],
    }


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert entries(str(tmp_path / "none")) is None


def test_addresses_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n127.0.1.1 db1.example.org db1\n")
    assert names_of({"127.0.1.1", "127.0.0.2"}, str(path)) == {"127.0.1.1": ["db1.example.org", "db1"], "127.0.0.2": []}


def test_lines_that_have_become_one(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 front10.0.2.21 DB.example.org\n10.0.0.1 a-1.2.3 b999.1.1.1 c # d10.0.0.9\n10.0.0.2 ok\n")
    assert run_together(str(path)) == {"front10.0.2.21": ["10.0.2.21"], "db.example.org": ["10.0.2.21"]}
    assert run_together(str(tmp_path / "none")) == {}
