# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the elements of sets are written, and with which commands they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers import kept_sets

CONF = """\
define office = 192.0.2.0/24
table inet filter {
\tset blocked {
\t\ttype ipv4_addr; flags interval
\t\telements = { 10.0.0.0/8, # old
\t\t\t192.168.0.1 timeout 1h comment "a, b",
\t\t\t$office }
\t}
\tmap verdicts { type ipv4_addr : verdict; elements = { 10.0.1.11 : drop }; }
}
add element inet filter blocked { 198.51.100.1 }
add set ip nat more { type ipv4_addr; }
"""
FOUND: dict[str, Any] = {"kind": "nft", "family": "inet", "table": "filter", "set": "blocked", "key": "10.0.1.11", "changeable": True}


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kept_sets, "ROOTS", (str(tmp_path / "nftables.conf"),))
    monkeypatch.setattr(kept_sets, "IPSET_FILES", (str(tmp_path / "ipsets"),))
    monkeypatch.setattr(kept_sets, "FIREWALLD", str(tmp_path))
    (tmp_path / "nftables.conf").write_text(CONF)
    (tmp_path / "ipsets").write_text("create blocked hash:net\nadd blocked 10.0.0.0/8\nadd blocked 10.0.1.11/32 timeout 60\n")
    (tmp_path / "blocked.xml").write_text("<ipset>\n<entry>10.0.0.0/8</entry>\n</ipset>\n")
    return tmp_path


def kept(etc: Path, elements: list[str], manager: str = "nftables", **more: object) -> tuple[str | None, int | None, list[str]]:
    told = kept_sets.kept_in({**FOUND, "elements": elements, "rule": {"manager": manager}, **more}, True)
    return (told["file"] and Path(told["file"]).relative_to(etc).name), told["line"], told["commands"]


@pytest.mark.parametrize(
    ("elements", "line"), [(["10.0.0.0/8"], 5), (["192.168.0.1"], 6), (["192.0.2.0/24"], 7), (["198.51.100.1"], 11), ([], 11)]
)
def test_a_file_of_nft(etc: Path, elements: list[str], line: int) -> None:
    verb = "delete" if elements else "add"
    command = f"nft {verb} element inet filter blocked '{{ {(elements or ['10.0.1.11'])[0]} }}'"
    assert kept(etc, elements) == ("nftables.conf", line, [command])


def test_a_map_of_nft(etc: Path) -> None:
    assert kept(etc, ["10.0.1.11"], set="verdicts")[:2] == ("nftables.conf", 9)
    assert kept(etc, ["10.0.1.12"], set="verdicts")[:2] == (None, None)


@pytest.mark.parametrize(("elements", "line"), [(["10.0.0.0/8"], 2), (["10.0.1.11"], 3), ([], 3)])
def test_what_ipset_restores(etc: Path, elements: list[str], line: int) -> None:
    words = f"del blocked {elements[0]}" if elements else "add blocked 10.0.1.11"
    assert kept(etc, elements, "iptables", kind="ipset") == ("ipsets", line, [f"ipset {words}"])


def test_firewalld_keeps_its_own(etc: Path) -> None:
    file, line, commands = kept(etc, ["10.0.0.0/8"], "firewalld")
    assert (file, line) == ("blocked.xml", 2)
    words = "--ipset=blocked --remove-entry=10.0.0.0/8"
    assert commands == [f"firewall-cmd {words}", f"firewall-cmd --permanent {words}"]


@pytest.mark.parametrize("more", [{"set": "a; reboot"}, {"key": "$(reboot)"}, {"changeable": False}, {"table": "a b"}])
def test_what_cannot_be_typed(etc: Path, more: dict[str, object]) -> None:
    assert kept(etc, [], **more)[2] == []
    assert kept(etc, ["10.0.0.0/8"], "fail2ban")[2] == []
