# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next boot changes: sysctl.d(5) in its order, units, and what tools of firewalls print."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._state import (
    boot,
    boot_firewalld,
    boot_iptables,
    boot_nftables,
    boot_ufw,
    services,
    sysctl_files,
)


@pytest.fixture
def directories(tmp_path: Path) -> list[str]:
    files = {
        "etc/90-mine.conf": "net.ipv4.tcp_syncookies = 0\n; no\n# no\nnet/ipv4/conf/eth0.100/rp_filter = 1\n-net.ipv4.ip_forward=1\n",
        "etc/99-late.conf": "net.core.somaxconn=1\nnet.core.somaxconn = 16\nkernel.x = a   b\n",
        "etc/ignored.txt": "net.core.somaxconn = 7\n",
        "etc/10-masked.conf": "",
        "usr/10-masked.conf": "net.ipv4.tcp_tw_reuse = 1\n",
        "usr/50-default.conf": "net.ipv4.conf.*.rp_filter = 2\nnet.ipv4.conf.all.rp_filter = 3\n-net.ipv4.conf.lo.rp_filter\n",
        "usr/95-vendor.conf": "net.ipv4.tcp_syncookies = 2\nnet.ipv4.conf.e*.rp_filter = 0\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "etc/20-gone.conf").symlink_to("/dev/null")
    (tmp_path / "usr/20-gone.conf").write_text("net.ipv4.tcp_sack = 0\n")
    return [str(tmp_path / "etc"), str(tmp_path / "run"), str(tmp_path / "usr")]


@pytest.mark.parametrize(
    ("name", "value", "file", "line"),
    [
        ("net/ipv4/tcp_syncookies", "2", "usr/95-vendor.conf", 1),  # by the files' names, not by their directories
        ("net/core/somaxconn", "16", "etc/99-late.conf", 2),
        ("net/ipv4/ip_forward", "1", "etc/90-mine.conf", 5),
        ("net/ipv4/conf/all/rp_filter", "3", "usr/50-default.conf", 2),  # what is named prevails over later patterns
        ("net/ipv4/conf/eth0.100/rp_filter", "1", "etc/90-mine.conf", 4),
        ("net/ipv4/conf/eth0/rp_filter", "0", "usr/95-vendor.conf", 2),
        ("net/ipv4/conf/wlan0/rp_filter", "2", "usr/50-default.conf", 1),
        ("kernel/x", "a b", "etc/99-late.conf", 3),
    ],
)
def test_the_line_that_decides(directories: list[str], name: str, value: str, file: str, line: int) -> None:
    found = sysctl_files.read(directories).of(name)
    assert found is not None
    assert (found.value, found.line) == (value, line) and found.file.endswith(file)


@pytest.mark.parametrize("name", ["net/ipv4/tcp_tw_reuse", "net/ipv4/tcp_sack", "net/ipv4/conf/lo/rp_filter", "net/ipv4/nothing"])
def test_nothing_sets_it(directories: list[str], name: str) -> None:
    assert sysctl_files.read(directories).of(name) is None


def test_names_of_interfaces_may_have_dots() -> None:
    for interfaces in (["eth0", "eth0.100"], ["eth0.100", "eth0"]):
        assert sysctl_files.path_of("net.ipv4.conf.eth0.100.rp_filter", interfaces) == "net/ipv4/conf/eth0.100/rp_filter"
    assert sysctl_files.path_of("net.ipv4.tcp_sack") == "net/ipv4/tcp_sack"


@pytest.mark.parametrize(
    ("shown", "boots"),
    [
        ({"UnitFileState": "enabled"}, True),
        ({"UnitFileState": "disabled"}, False),
        ({"UnitFileState": "disabled", "TriggeredBy": "ssh.socket"}, None),
        ({"UnitFileState": "static", "WantedBy": ""}, False),
        ({"UnitFileState": "static", "RequiredBy": "multi-user.target"}, None),
        ({"UnitFileState": "masked", "WantedBy": "multi-user.target"}, False),
        ({"UnitFileState": "enabled-runtime"}, None),  # of a generator, perhaps
        ({"UnitFileState": "generated"}, None),
        ({"UnitFileState": "transient"}, False),
        ({}, None),
    ],
)
def test_whether_a_boot_starts_a_unit(shown: dict[str, str], boots: bool | None) -> None:
    assert services.boots(shown) is boots


def test_what_differs_in_rules() -> None:
    assert boot.difference(["a", "b"], ["a", "b"]) == []
    assert boot.difference(["a", "b", "c"], ["a", "x", "c"]) == ["-b", "+x"]
    many = boot.difference([], [str(number) for number in range(200)])
    assert len(many) == boot.MOST_LINES + 1 and many[-1] == "... and 140 more lines"


def test_tables_of_nft() -> None:
    listing = "table inet filter {\n\tset x {\n\t\ttype ipv4_addr\n\t}\n}\ntable ip6 empty {\n}\n# Warning: table ip filter is managed\n"
    assert boot_nftables.tables(listing) == {"inet filter": ["set x {", "type ipv4_addr", "}"], "ip6 empty": []}


def test_includes_of_nft(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/b.nft").write_text("# b\n")
    (tmp_path / "d/a.nft").write_text("# a\n")
    root = tmp_path / "nftables.conf"
    root.write_text(f'flush ruleset\ninclude "{tmp_path}/d/*.nft"\n  include "{tmp_path}/nothing*"\n# include "no"\n')
    assert boot_nftables.expanded(str(root)).split() == ["flush", "ruleset", "#", "a", "#", "b", "#", "include", '"no"']
    root.write_text(f'include "{root}"\n')
    with pytest.raises(ObserveError, match="cannot be read, or includes more than"):
        boot_nftables.expanded(str(root))


ZONES = """\
public (default, active)
  target: default
  interfaces: eth0 mgmt0
  services: dhcpv6-client ssh
  ports: 5432/tcp
  forward: yes
  rich rules:
\trule family="ipv4" source address="10.0.1.11" port port="5432" protocol="tcp" drop

work
  target: default
  ports:
"""


def test_zones_of_firewalld() -> None:
    found = boot_firewalld.holders(ZONES)
    assert found["work"] == {"target: default"}
    assert {"ports: 5432/tcp", "services: ssh", "interfaces: mgmt0", "forward: yes"} <= found["public"]
    assert 'rich rules: rule family="ipv4" source address="10.0.1.11" port port="5432" protocol="tcp" drop' in found["public"]


SAVED = """\
*filter
:INPUT DROP [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
:DOCKER - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j DOCKER
-A INPUT -s 10.0.0.9/32 -j DROP
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-user-input -p tcp --dport 22 -j ACCEPT
-A DOCKER -j RETURN
COMMIT
"""


def test_chains_of_ufw() -> None:
    table = boot_iptables.parsed("ip", SAVED)["filter"]
    assert boot_ufw.kept_lines(table) == ["-A ufw-before-input -i lo -j ACCEPT", "-A ufw-user-input -p tcp --dport 22 -j ACCEPT"]
    composed = boot_ufw.composed(SAVED, table, ["-A ufw-before-input -i lo -j DROP"])
    chain = boot_iptables.parsed("ip", composed)["filter"].chains["ufw-before-input"]
    assert chain.lines == ["-A ufw-before-input -i lo -j DROP", "-A ufw-before-input -j ufw-user-input"]
    assert "dport 22" not in composed and "-A INPUT -s 10.0.0.9/32 -j DROP" in composed


def test_rules_of_plain_iptables_are_those_of_nobody_else() -> None:
    lines: t.Callable[..., list[str]] = boot_iptables._lines
    assert lines("ip", boot_iptables.parsed("ip", SAVED)["filter"], True) == ["-A INPUT -s 10.0.0.9/32 -j DROP"]
    plain = "*filter\n:INPUT DROP [0:0]\n:MINE - [0:0]\n-A INPUT -j MINE\n[1:2] -A MINE -j ACCEPT\nCOMMIT\n"
    assert lines("ip", boot_iptables.parsed("ip", plain)["filter"], False) == [":INPUT DROP", "-A INPUT -j MINE", "-A MINE -j ACCEPT"]
