# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What resolv.conf says, and how long the C library may take by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host.resolv_conf import (
    MOST_SECONDS,
    Resolver,
    configured,
    passed_over,
    unconfigured,
)


@pytest.mark.parametrize(
    ("text", "found", "patience"),
    [
        ("", Resolver((), 5, 2), 12.0),
        ("nameserver 192.0.2.1\n", Resolver(("192.0.2.1",), 5, 2), 12.0),
        ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", Resolver(("192.0.2.1", "2001:db8::1"), 5, 2), 22.0),
        (
            "# nameserver x\nnameserver\noptions timeout:1 attempts:1 rotate\nnameserver 192.0.2.1\n",
            Resolver(("192.0.2.1",), 1, 1),
            10.0,
        ),
        ("options timeout:99999 attempts:-1\n" + "nameserver 192.0.2.1\n" * 9, Resolver(("192.0.2.1",) * 3, 30, 2), MOST_SECONDS),
        ("domain a.test\nsearch b.test. c.test\noptions ndots:2 ndots:99\n", Resolver((), 5, 2, ("b.test", "c.test"), 15), MOST_SECONDS),
        ("\0\xff options timeout:x", Resolver((), 5, 2), 12.0),
    ],
)
def test_our_patience_is_longer_than_the_resolver_s(tmp_path: Path, text: str, found: Resolver, patience: float) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(text.encode("latin-1"))
    assert configured(str(path)) == found
    assert found.patience == patience
    assert found.patience > min(found.timeout * max(1, len(found.nameservers)), MOST_SECONDS - 1)  # the first dead ones are waited for


def test_without_a_file_the_defaults_count(tmp_path: Path) -> None:
    assert configured(str(tmp_path / "none")) == Resolver((), 5, 2)


@pytest.mark.parametrize(
    ("name", "ndots", "names"),
    [
        ("db", 1, ["db.a.test", "db.b.test", "db"]),
        ("db.x", 1, ["db.x", "db.x.a.test", "db.x.b.test"]),
        ("db.x", 5, ["db.x.a.test", "db.x.b.test", "db.x"]),
        ("db.", 5, ["db"]),
    ],
)
def test_the_search_list_is_asked_as_the_c_library_does(name: str, ndots: int, names: list[str]) -> None:
    assert Resolver((), 5, 2, ("a.test", "b.test"), ndots).names(name) == names


def test_why_nobody_is_configured(tmp_path: Path) -> None:
    path, target = tmp_path / "resolv.conf", tmp_path / "run" / "stub-resolv.conf"
    assert unconfigured(str(path)) == {"error": "ENOENT", "link": None}
    path.symlink_to(target)
    assert unconfigured(str(path)) == {"error": "ENOENT", "link": str(target)}
    target.parent.mkdir()
    target.write_text("search example.test\n")
    assert unconfigured(str(path)) == {"error": None, "link": str(target)}
    target.write_text("nameserver 192.0.2.1\n")
    assert unconfigured(str(path)) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nameserver 192.0.2.1 # ours\n#nameserver x\nnameserver\n", []),
        ("nameserver 192.0.2.1:53\n", [(1, "192.0.2.1", "malformed")]),
        ("search a.test\nnameserver [2001:db8::1]:53\nnameserver localhost\n", [(2, "2001:db8::1", "malformed"), (3, None, "malformed")]),
        ("  nameserver 192.0.2.1\n\tnameserver 192.0.2.2\n", [(1, "192.0.2.1", "indented"), (2, "192.0.2.2", "indented")]),
        ("".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 5)), [(4, "192.0.2.4", "beyond")]),
        ("nameserver 127.1\nnameserver fe80::1%eth0\n", []),
        ("options ndots:2\r\nnameserver 192.0.2.1\r\nnameserver \r\n", [(2, "192.0.2.1", "line_end")]),
        ("nameserver 192.0.2.1 \r\nnameserver 192.0.2.2:53\r\n", [(2, "192.0.2.2", "malformed")]),
    ],
)
def test_lines_that_are_not_heeded(tmp_path: Path, text: str, found: list[tuple[int, str | None, str]]) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(text.encode())
    assert [(each["line"], each["address"], each["why"]) for each in passed_over(str(path))] == found
    assert not {address for _line, address, _why in found}.intersection(configured(str(path)).nameservers)


def test_lines_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert passed_over(str(tmp_path / "none")) == []
