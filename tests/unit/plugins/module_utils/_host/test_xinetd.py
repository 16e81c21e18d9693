# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""xinetd's files, read as xinetd.conf(5) has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host.xinetd import MOST_ADDRESSES, read

CONF = """# comment
defaults
{
    only_from = 10.0.1.0
    disabled = echo
}
includedir %s
"""
SERVICE = """service %s
{
    port = %d  # the port
    %s
}
"""


@pytest.fixture
def conf(tmp_path: Path) -> str:
    directory = tmp_path / "xinetd.d"
    directory.mkdir()
    services = {"orders": (5432, "only_from = 10.0.9.0/24\n only_from += 192.0.2.1"), "echo": (7, ""), "off": (99, "disable = yes")}
    for name, (port, more) in services.items():
        (directory / name).write_text(SERVICE % (name, port, more))
    (directory / "orders.bak").write_text(SERVICE % ("other", 5432, ""))  # names with dots are left out
    (directory / "ssh").write_text("service ssh\n{\n}\n")  # by its name
    file = tmp_path / "xinetd.conf"
    file.write_text(CONF % directory + f"include {file}\n")
    return str(file)


def test_services_on_our_ports(conf: str) -> None:
    found = {each["service"]: each for each in read({5432, 7, 99, 22}, [], conf)}
    assert found.keys() == {"orders", "echo", "off", "ssh"}
    assert (found["orders"]["port"], found["orders"]["only_from"]) == (5432, ["10.0.9.0/24", "192.0.2.1"])
    assert found["echo"]["only_from"] == ["10.0.1.0"]
    assert [found[name]["disabled"] for name in ("orders", "echo", "off")] == [False, True, True]
    assert os.path.basename(found["orders"]["file"]) == "orders"
    assert read({80}, [], conf) == []


def test_a_port_that_another_program_has_is_not_xinetds(conf: str) -> None:
    listener = {"port": 5432, "processes": [{"pid": os.getpid()}]}
    assert [each["service"] for each in read({5432, 7}, [listener], conf)] == ["echo"]


@pytest.mark.parametrize(
    ("service", "only_from"),
    [
        ("", ["10.0.1.0", "10.0.2.0"]),
        ("only_from += 10.0.9.0", ["10.0.1.0", "10.0.2.0", "10.0.9.0"]),
        ("only_from -= 10.0.1.0", ["10.0.2.0"]),
        ("only_from = 10.0.9.0", ["10.0.9.0"]),
        (f"only_from = {' '.join(f'10.0.9.{last}' for last in range(MOST_ADDRESSES + 1))}", None),  # who is refused cannot be told
    ],
)
def test_a_service_adds_to_the_defaults_and_takes_from_them(tmp_path: Path, service: str, only_from: list[str] | None) -> None:
    file = tmp_path / "xinetd.conf"
    file.write_text("defaults\n{\n only_from = 10.0.1.0\n only_from = 10.0.2.0\n}\n" + SERVICE % ("orders", 5432, service))
    (found,) = read({5432}, [], str(file))
    assert found["only_from"] == only_from
