# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nft and iptables keep their rules: files as they have them, and files as nobody should have them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers import nft_files
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.iptables import Iptables
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.nftables import Nftables
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

from .test_managers import policy, rule

# -- nftables

MAIN = """#!/usr/sbin/nft -f
flush ruleset
define web = { 80, 443 }
define office = 10.0.1.0/24
define lans = { $office, 10.0.3.0/24 }
table inet filter {
  set blocked { type ipv4_addr; flags interval
    elements = { 10.9.0.0/16,
                 10.8.0.0/16 }
  }
  chain input { # the one
    type filter hook input priority 0; policy drop;
    ct state { established,
               related } accept
    iif lo accept; tcp dport ssh accept
    tcp dport $web accept comment "a # in a \\"comment"
    ip saddr $lans tcp dport \\
      { 5432, 5433 } counter drop
    meta l4proto tcp reject with icmpx type admin-prohibited
  }
  include "./parts/*.nft"
}
add rule inet filter output tcp dport 9200 drop
add rule inet filter output position 3 tcp dport 9201 drop
include "./cycle.conf"
"""
PART = """chain output {
  type filter hook output priority 0
  ip daddr 10.0.2.12 drop
}
"""


@pytest.fixture
def conf(tmp_path: Path) -> str:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/1.nft").write_text(PART)
    (tmp_path / "cycle.conf").write_text('include "./nftables.conf"\ninclude "./cycle.conf"\n')
    (tmp_path / "nftables.conf").write_text(MAIN)
    return str(tmp_path / "nftables.conf")


@pytest.mark.parametrize(
    ("chain", "text", "file", "line"),
    [
        ("input", "ct state established,related accept", "nftables.conf", 13),
        ("input", 'iif "lo" accept', "nftables.conf", 15),
        ("input", "tcp dport 22 accept", "nftables.conf", 15),
        ("input", 'tcp dport { 80, 443 } accept comment "a # in a \\"', None, None),  # cut short
        (
            "input",
            "ip saddr { 10.0.1.0/24, 10.0.3.0/24 } tcp dport { 5432, 5433 } counter packets 7 bytes 420 drop # handle 9",
            "nftables.conf",
            17,
        ),
        ("input", "meta l4proto tcp reject with icmpx admin-prohibited", "nftables.conf", 19),
        ("input", "policy drop", "nftables.conf", 12),
        ("output", "ip daddr 10.0.2.12 drop", "parts/1.nft", 3),
        ("output", "tcp dport 9200 drop", "nftables.conf", 23),
        ("output", "tcp dport 9201 drop", "nftables.conf", 24),
        ("output", "tcp dport 9202 drop", None, None),
        ("elsewhere", "tcp dport 22 accept", None, None),
    ],
)
def test_nftables_conf(conf: str, chain: str, text: str, file: str | None, line: int | None) -> None:
    origin = Nftables(True, [conf]).origin(rule(f"inet filter {chain}", text))
    assert origin
    assert (origin["line"], origin["file"]) == (line, str(Path(conf).parent / file) if file else None)
    assert (origin["because"] is None) == (file is not None)


@pytest.mark.parametrize(
    ("family", "written", "told"),
    [
        ("inet", "reject", "reject with icmpx port-unreachable"),
        ("ip", "reject", "reject with icmp code 3"),
        ("ip6", "reject", "reject with icmp code 4"),
        ("ip", "reject with icmp type admin-prohibited", "reject with icmp code 13"),
        ("ip6", "reject with icmpv6 admin-prohibited", "reject with icmp code 1"),
        ("inet", "reject with icmpx type no-route", "reject with icmpx no-route"),
        ("inet", "reject with tcp reset", "reject with tcp reset"),
        ("inet", 'reject comment "no"', 'reject with icmpx port-unreachable comment "no"'),
    ],
)
def test_a_rule_that_rejects_is_known_however_it_is_written(tmp_path: Path, family: str, written: str, told: str) -> None:
    lines = ["reject with icmpx host-unreachable", f"tcp dport 22 {written}", "tcp dport 22 drop"]
    (tmp_path / "conf").write_text(f"table {family} t {{\nchain c {{\n" + "\n".join(lines) + "\n}\n}\n")
    origin = Nftables(True, [str(tmp_path / "conf")]).origin(rule(f"{family} t c", f"tcp dport 22 {told}", 2))
    assert origin and origin["line"] == 4


@pytest.mark.parametrize(
    ("written", "told", "found"),
    [
        ("limit rate over 5/second drop", "limit rate over 5/second burst 5 packets drop", True),  # as nft 1.0 and as nft 1.1 list it
        ("limit rate over 5/second burst 5 packets drop", "limit rate over 5/second drop", True),
        ("limit rate 5/second burst 5 packets", "limit rate 5/second", True),
        ("limit rate over 5/second drop", "limit rate over 5/second burst 55 packets drop", False),
        ("limit rate over 5 kbytes/second drop", "limit rate over 5 kbytes/second burst 5 bytes drop", False),
    ],
)
def test_a_limit_is_known_with_and_without_its_usual_burst(tmp_path: Path, written: str, told: str, found: bool) -> None:
    (tmp_path / "conf").write_text(f"table ip t {{\nchain c {{\n{written}\n}}\n}}\n")
    origin = Nftables(True, [str(tmp_path / "conf")]).origin(rule("ip t c", told))
    assert origin and (origin["line"] == 3) == found


def test_of_equal_rules_it_is_the_nearest(tmp_path: Path) -> None:
    rules = ["tcp dport 22 accept", "drop", "tcp dport 23 accept", "drop"]
    (tmp_path / "conf").write_text("table ip t {\nchain c {\n" + "\n".join(rules) + "\n}\n}\n")
    found = [Nftables(True, [str(tmp_path / "conf")]).origin(rule("ip t c", "drop", number)) for number in (2, 4)]
    assert [origin and origin["line"] for origin in found] == [4, 6]


def test_what_nft_lists_is_found_in_what_it_loaded(tmp_path: Path) -> None:
    """Every rule of a file that nft loads is found again by the words in which nft lists it."""
    lines = [
        "ct state established,related accept",
        "ct state vmap { established : accept, related : accept, invalid : drop }",
        "tcp dport { ssh, http, 8000-8010 } accept",
        "ip saddr 10.0.1.0/24 tcp dport 5432 counter accept",
        "ip6 saddr fd00:1::/64 tcp dport 5432 accept",
        'iifname "eth*" tcp flags & (fin|syn|rst|ack) == syn drop',
        "ip saddr . tcp dport { 10.0.1.1 . 22, 10.0.1.2 . 80 } accept",
        "limit rate over 5/second drop",
        'log prefix "dropped: " drop',
        "reject with tcp reset",
    ]
    conf = tmp_path / "nftables.conf"
    conf.write_text(
        "table inet filter {\n  chain input {\n    type filter hook input priority 0;\n"
        + "".join(f"    {line}\n" for line in lines)
        + "  }\n}\n"
    )
    with Rootless() as network:
        network.sh(f"nft -f - <<'END'\n{conf.read_text()}\nEND")
        listed = network.sh("nft -a list chain inet filter input").splitlines()[3:-2]
    origins = [Nftables(True, [str(conf)]).origin(rule("inet filter input", text.strip(), number)) for number, text in enumerate(listed, 1)]
    found = [origin and origin["line"] for origin in origins]
    assert len(found) == len(lines)
    missed = [(listed[at], lines[at]) for at, line in enumerate(found) if line != 4 + at]
    assert missed == []


@pytest.mark.parametrize(
    "text",
    ["{" * 5000, "}" * 5000, '"' * 999, "\\\n" * 999, "include", "define x\n$x", "define a = $a $a\ntable t{chain c{$a\n}}", "\0" * 99, ""],
)
def test_hostile_files_of_nft(tmp_path: Path, text: str) -> None:
    (tmp_path / "conf").write_text(text)
    assert len(nft_files.read(str(tmp_path / "conf"))) <= 1


def test_what_is_no_file_of_nft_is_not_read() -> None:
    assert [nft_files.read(path) for path in ("/dev/zero", "/proc", "/nowhere")] == [[], [], []]


# -- iptables

RULES = """# Generated by iptables-save
*nat
-A INPUT -p tcp -m tcp --dport 5432 -j DROP
COMMIT
*filter
:INPUT DROP [12:720]
[3:180] -A INPUT -m state --state ESTABLISHED -j ACCEPT
-A INPUT -s 10.0.1.13 -p tcp --dport 5432 -j DROP
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "a b" -j ACCEPT
COMMIT
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("-A INPUT -m state --state ESTABLISHED -j ACCEPT", 7),
        ("-A INPUT -s 10.0.1.13/32 -p tcp -m tcp --dport 5432 -j DROP", 8),
        ('-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "a b" -j ACCEPT', 9),
        ("-A INPUT -p tcp -m tcp --dport 5432 -j DROP", None),
        ('-A INPUT --comment "unbalanced', None),
    ],
)
def test_iptables(tmp_path: Path, text: str, line: int | None) -> None:
    (tmp_path / "rules.v4").write_text(RULES)
    keeper = Iptables(True, {"ip": [str(tmp_path / "rules.v4")]})
    origin = keeper.origin(rule("ip filter INPUT", text))
    assert origin and origin["line"] == line
    policy_origin = keeper.origin(policy("ip filter INPUT"))
    assert policy_origin and policy_origin["line"] == 6


# -- the kernel takes what is advised


@pytest.mark.parametrize("tool", ["nft", "iptables-nft", "iptables-legacy"])
def test_the_kernel_obeys(tool: str) -> None:
    """The advised command puts its rule before the one that stops the flow, which then gets through."""
    from .test_managers import change

    question: dict[str, t.Any] = {"source": "127.0.0.1", "destination": "127.0.0.2", "port": 5432}
    with Rootless() as network:
        if tool == "nft":
            network.sh(
                "nft 'table inet filter { chain input { type filter hook input priority 0; tcp dport 22 accept; tcp dport 5432 drop; }; }'"
            )
            handle = int(network.sh("nft -a list chain inet filter input | grep 5432").rsplit(" ", 1)[1])
            told = change(rule("inet filter input", "tcp dport 5432 drop", 2, handle), here=True, **question)
        else:
            network.sh(f"{tool} -A INPUT -p tcp --dport 22 -j ACCEPT; {tool} -A INPUT -p tcp --dport 5432 -j DROP")
            handle_of = None if tool.endswith("legacy") else 4
            told = change(rule("ip filter INPUT", "-A INPUT -p tcp -m tcp --dport 5432 -j DROP", 2, handle_of), here=True, **question)
        assert told and told["commands"][0].startswith(tool)
        here = "('127.0.0.2', 5432)"
        dial = f'python3 -c "import socket; s = socket.create_server({here}); socket.create_connection({here}, 0.3)"'
        assert "timed out" in network.sh(dial, check=False)
        network.sh(told["commands"][0])
        network.sh(dial)
