# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where programs keep their rules: files as firewalld, ufw, nft and iptables have them, and files as nobody should have them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers import nft_files
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.firewalld import Firewalld
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.iptables import Iptables
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.nftables import Nftables
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.ufw import Ufw
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


# -- firewalld: files as firewall-cmd --permanent wrote them

ZONE = """<?xml version="1.0" encoding="utf-8"?>
<zone target="DROP">
  <short>Public</short>
  <interface name="eth0"/>
  <service name="ssh"/>
  <service name="both"/>
  <port port="8000-8010" protocol="tcp"/>
  <rule family="ipv4">
    <source address="10.0.1.0/24"/>
    <port port="5432" protocol="tcp"/>
    <reject type="tcp-reset"/>
  </rule>
  <rule family="ipv6" priority="-10">
    <port port="5433" protocol="tcp"/>
    <drop/>
  </rule>
</zone>
"""


@pytest.fixture
def firewalld(tmp_path: Path) -> Firewalld:
    for folder in ("etc/zones", "etc/policies", "lib/services"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/zones/public.xml").write_text(ZONE)
    (tmp_path / "etc/policies/inward.xml").write_text('<policy target="REJECT"><service name="ssh"/></policy>')
    (tmp_path / "lib/services/ssh.xml").write_text('<service><port protocol="tcp" port="22"/></service>')
    (tmp_path / "lib/services/both.xml").write_text(
        '<service><include service="ssh"/><include service="both"/><port protocol="tcp" port="443"/></service>'
    )
    (tmp_path / "etc/zones/bomb.xml").write_text('<!DOCTYPE z [<!ENTITY a "aaaa">]><zone target="&a;"/>')
    (tmp_path / "etc/zones/broken.xml").write_text("<zone")
    return Firewalld(True, [str(tmp_path / "etc"), str(tmp_path / "lib")])


@pytest.mark.parametrize(
    ("chain", "text", "item", "permanent"),
    [
        ("filter_IN_public_allow", "tcp dport 22 accept", "service ssh", True),
        ("filter_IN_public_allow", "tcp dport 22 ct state { new, untracked } accept", "service ssh", True),
        ("filter_IN_public_allow", "tcp dport 443 accept", "service both", True),
        ("filter_IN_public_allow", "tcp dport 8000-8010 accept", "port 8000-8010/tcp", True),
        ("filter_IN_public_allow", "tcp dport 9999 accept", None, False),
        (
            "filter_IN_public_deny",
            "ip saddr 10.0.1.0/24 tcp dport 5432 reject with tcp reset",
            'rich rule family="ipv4" source address="10.0.1.0/24" port port="5432" protocol="tcp" reject type="tcp-reset"',
            True,
        ),
        ("filter_IN_public_deny", "ip saddr 10.0.1.0/24 tcp dport 5433 drop", None, False),
        (
            "filter_IN_public_pre",
            "meta nfproto ipv6 tcp dport 5433 drop",
            'rich rule priority="-10" family="ipv6" port port="5433" protocol="tcp" drop',
            True,
        ),
        ("filter_IN_public", "drop", "target DROP", True),
        ("filter_IN_public", "reject with icmpx admin-prohibited", "target DROP", False),
        ("filter_IN_absent_allow", "tcp dport 22 accept", None, False),
        ("filter_IN_bomb_allow", "tcp dport 22 accept", None, False),
        ("filter_IN_broken_allow", "tcp dport 22 accept", None, False),
        ("filter_FWD_policy_inward_allow", "tcp dport 22 accept", "service ssh", True),
        ("filter_FWD_policy_inward", "reject with icmpx admin-prohibited", "target REJECT", True),
        ("FWD_inward", "-A FWD_inward -j REJECT --reject-with icmp-port-unreachable", "target REJECT", True),
        (
            "IN_public_allow",
            "-A IN_public_allow -p tcp -m tcp --dport 8000:8010 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT",
            "port 8000-8010/tcp",
            True,
        ),
    ],
)
def test_firewalld(firewalld: Firewalld, chain: str, text: str, item: str | None, permanent: bool) -> None:
    origin = firewalld.origin(rule(f"inet firewalld {chain}", text))
    assert origin
    assert (origin["item"], origin["permanent"]) == (item, permanent)
    assert origin["policy" if "inward" in chain else "zone"] == chain.replace("filter_", "").replace("policy_", "").split("_")[1]


@pytest.mark.parametrize(
    ("chain", "port", "waiting"),
    [
        ("filter_IN_public", 8005, "port 8000-8010/tcp"),
        ("filter_IN_public", 443, "service both"),
        ("filter_IN_public", 5432, None),  # rejected for some sources, and accepted for nobody
        ("filter_IN_public", 9999, None),
        ("filter_IN_public_deny", 8005, None),  # what denies it stands before what would let it in
    ],
)
def test_what_firewalld_was_not_told_to_load(firewalld: Firewalld, chain: str, port: int, waiting: str | None) -> None:
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.flow import Flow

    from .test_managers import QUESTION

    stopped = rule(f"inet firewalld {chain}", "reject with icmpx admin-prohibited")
    told = firewalld.change({**stopped, "origin": None}, Flow({**QUESTION, "port": port}, True)) or {}
    assert (f"has {waiting} already, which is not loaded: firewall-cmd --reload loads it" in told["summary"]) is (waiting is not None)
    assert ("which is not loaded" in told["summary"]) is (waiting is not None)


def test_firewalld_knows_the_zone_of_the_interface_behind(firewalld: Firewalld) -> None:
    from .test_managers import QUESTION, change  # a policy to the zone of the interface that it leaves by

    assert change(rule("inet firewalld filter_FWD_work", "drop"), direction="forward")
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.flow import Flow

    told = firewalld.change(
        rule("inet firewalld filter_FWD_work", "drop"), Flow({**QUESTION, "direction": "forward", "out_interface": "eth0"})
    )
    assert told and "firewall-cmd --permanent --policy=work-public --add-egress-zone=public" in told["commands"]


def test_without_its_files_firewalld_is_unknown(tmp_path: Path) -> None:
    origin = Firewalld(True, [str(tmp_path / "nowhere")]).origin(rule("inet firewalld filter_IN_public_allow", "tcp dport 22 accept"))
    assert origin and origin["permanent"] is None


# -- ufw: files that ufw 0.36.2 wrote for the commands that are expected

USER = """*filter
### RULES ###

### tuple ### deny any any 0.0.0.0/0 any 10.0.1.13 in
-A ufw-user-input -s 10.0.1.13 -j DROP

### tuple ### allow tcp 5432 0.0.0.0/0 any 10.0.1.0/24 in_eth0 comment=746865207765622073657276657273
-A ufw-user-input -i eth0 -p tcp --dport 5432 -s 10.0.1.0/24 -j ACCEPT

### tuple ### limit tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 2222 -m conntrack --ctstate NEW -m recent --set
-A ufw-user-input -p tcp --dport 2222 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 -j ufw-user-limit
-A ufw-user-input -p tcp --dport 2222 -j ufw-user-limit-accept

### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in
-A ufw-user-input -p tcp --dport 22 -j ACCEPT -m comment --comment 'dapp_OpenSSH'

### tuple ### deny tcp 9200 10.0.2.12 any 0.0.0.0/0 out
-A ufw-user-output -p tcp -d 10.0.2.12 --dport 9200 -j DROP

### tuple ### route:reject tcp 81 10.0.2.11 any 0.0.0.0/0 in_eth0!out_eth1
-A ufw-user-forward -i eth0 -o eth1 -p tcp -d 10.0.2.11 --dport 81 -j REJECT --reject-with tcp-reset

### END RULES ###
-A ufw-user-limit -j REJECT
COMMIT
"""
USER6 = """### tuple ### deny tcp 5433 ::/0 any ::/0 in
-A ufw6-user-input -p tcp --dport 5433 -j DROP
"""
BEFORE = """*filter
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
COMMIT
"""


@pytest.fixture
def ufw(tmp_path: Path) -> Ufw:
    for name, text in {
        "user.rules": USER,
        "user6.rules": USER6,
        "before.rules": BEFORE,
        "default": 'DEFAULT_INPUT_POLICY="DROP"\n',
    }.items():
        (tmp_path / name).write_text(text)
    return Ufw(True, str(tmp_path), str(tmp_path / "default"))


@pytest.mark.parametrize(
    ("chain", "number", "text", "place", "command"),
    [
        ("ufw-user-input", 1, "-s 10.0.1.13/32 -j DROP", 1, "ufw deny from 10.0.1.13 to any"),
        (
            "ufw-user-input",
            2,
            "-s 10.0.1.0/24 -i eth0 -p tcp -m tcp --dport 5432 -j ACCEPT",
            2,
            "ufw allow in on eth0 proto tcp from 10.0.1.0/24 to any port 5432",
        ),
        (
            "ufw-user-input",
            4,
            "-p tcp -m tcp --dport 2222 -m recent --update -j ufw-user-limit",
            3,
            "ufw limit proto tcp from any to any port 2222",
        ),
        ("ufw-user-input", 6, "-p tcp -m tcp --dport 22 -j ACCEPT", 4, "ufw allow from any to any app OpenSSH"),
        (
            "ufw-user-output",
            1,
            "-d 10.0.2.12/32 -p tcp -m tcp --dport 9200 -j DROP",
            5,
            "ufw deny out proto tcp from any to 10.0.2.12 port 9200",
        ),
        (
            "ufw-user-forward",
            1,
            "-d 10.0.2.11/32 -i eth0 -o eth1 -p tcp -m tcp --dport 81 -j REJECT",
            6,
            "ufw route reject in on eth0 out on eth1 proto tcp from any to 10.0.2.11 port 81",
        ),
        ("ufw6-user-input", 1, "-p tcp -m tcp --dport 5433 -j DROP", 7, "ufw deny proto tcp from any to any port 5433"),
        ("ufw-user-input", 2, "-p tcp -m tcp --dport 9 -j ACCEPT", None, None),  # the file is not what was loaded
        ("ufw-user-input", 99, "-j DROP", None, None),
    ],
)
def test_ufw(ufw: Ufw, chain: str, number: int, text: str, place: int | None, command: str | None) -> None:
    origin = ufw.origin(rule(f"{'ip6' if '6' in chain else 'ip'} filter {chain}", f"-A {chain} {text}", number)) or {}
    assert (origin.get("number"), origin.get("command")) == (place, command)


def test_the_frame_of_ufw(ufw: Ufw, tmp_path: Path) -> None:
    dropped = ufw.origin(rule("ip filter ufw-before-input", "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP", 3))
    assert dropped == {"number": None, "command": None, "file": str(tmp_path / "before.rules"), "line": 4}
    assert ufw.origin(policy("ip filter INPUT")) == {"number": None, "command": None, "file": str(tmp_path / "default"), "line": 1}


@pytest.mark.parametrize(("setting", "shut"), [("IPV6=no", True), ('IPV6="no"', True), ("IPV6=yes", False), ("#IPV6=no", False)])
def test_ufw_may_leave_ipv6_alone(ufw: Ufw, tmp_path: Path, setting: str, shut: bool) -> None:
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.flow import Flow

    from .test_managers import QUESTION

    (tmp_path / "default").write_text(f'DEFAULT_INPUT_POLICY="DROP"\n{setting}\n')
    assert not ufw.shuts_ipv6()  # it is not on
    (tmp_path / "ufw.conf").write_text("ENABLED=yes\n")
    assert ufw.shuts_ipv6() is shut
    dropped = policy("ip6 filter INPUT")
    origin = ufw.origin(dropped) or {}
    assert (origin["line"], "ipv6" in origin) == ((2, True) if shut else (1, False))
    question = {**QUESTION, "source": "2001:db8::1", "destination": "2001:db8::2"}
    told = ufw.change({**dropped, "origin": origin}, Flow({**question, "asked": question, "entered": []}, True)) or {}
    assert [command.partition(" ")[0] for command in told["commands"]] == (["sed"] if shut else [])
    assert ("not known what else" in str(told)) is shut


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
