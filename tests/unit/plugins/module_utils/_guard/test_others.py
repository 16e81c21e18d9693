# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others change while a transaction is open stays when it is restored, wherever our own change can be told apart."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.words import Accepted
from ansible_collections.threeway.handshake.plugins.module_utils._guard.firewall import MARK as MARK_OF_GUARD
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._guard.scene import BASE, COLLECTIONS, Scene

MARK = 'comment \\"threeway.handshake: 192.0.2.1 to 192.0.2.2 port 5433\\"'
OURS = f'nft "insert rule inet filter input ip saddr 192.0.2.1 tcp dport 5433 counter accept {MARK}"'
RULES = """
nft -f - << 'RULES'
table inet filter {
    set banned { type ipv4_addr; elements = { 198.51.100.1, 198.51.100.2 } }
    set ranges { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
    set late { type ipv4_addr; flags timeout; elements = { 198.51.100.7 timeout 1h, 198.51.100.8 timeout 3h } }
    set seen { type ipv4_addr; size 100; flags dynamic,timeout; timeout 1h; }
    quota volume { over 10 mbytes used 3 mbytes }
    chain sub { counter packets 3 bytes 100 return; tcp dport 9 drop; }
    chain input {
        ip saddr @banned drop
        quota over 20 mbytes used 5 mbytes drop
        limit rate 5/second accept
        tcp dport { 22, 443 } accept
        jump sub
        ip saddr @late add @seen { ip saddr }
    }
}
RULES
iptables -N DOCKER; iptables -A FORWARD -j DOCKER
"""
# What a manager of its own does, such as fail2ban, Docker or ufw, in its own tools' words.
THEIRS = """
nft add element inet filter banned '{ 198.51.100.3 }'; nft delete element inet filter banned '{ 198.51.100.1 }'
nft add element inet filter late '{ 198.51.100.9 timeout 2h }'; nft add element inet filter seen '{ 198.51.100.10 timeout 2h }'
nft add element inet filter ranges '{ 172.16.0.0/12 }'
nft -f - << 'RULES'
table inet f2b-table {
    set addr-set-sshd { type ipv4_addr; elements = { 203.0.113.9 } }
    chain f2b-chain { type filter hook input priority filter - 1; policy accept; tcp dport 22 ip saddr @addr-set-sshd reject; }
}
RULES
iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
iptables -I FORWARD -j DROP
nft add rule inet filter sub tcp dport { 7, 8 } drop
nft add chain inet filter more; nft insert rule inet filter input jump more
"""


class Change(NamedTuple):
    ours: str
    theirs: str = THEIRS
    prepare: str = RULES


CHANGES = {
    "a rule more": Change(OURS),
    "rules less": Change(
        "for h in $(nft -a list chain inet filter input | sed -n -E 's/.*(limit|tcp dport .*) # handle //p'); do"
        " nft delete rule inet filter input handle $h; done"
    ),
    "a rule with a set of its own": Change("nft 'insert rule inet filter sub ip saddr { 192.0.2.1, 192.0.2.2 } drop'"),
    "rules within a rule": Change("nft 'add rule inet filter input ip daddr 192.0.2.1 jump { tcp dport 1-5 drop; accept; }'"),
    "an element more and one less": Change(
        "nft add element inet filter banned '{ 192.0.2.7 }'; nft delete element inet filter banned '{ 198.51.100.2 }'"
    ),
    "a table and a chain more": Change(
        "nft add table ip ours; nft add chain ip ours c '{ type filter hook input priority 0; policy drop; }';"
        "nft add rule ip ours c accept; nft add chain inet filter another; nft add rule inet filter another drop"
    ),
    "a chain and a quota less": Change(
        "nft flush chain inet filter sub; h=$(nft -a list chain inet filter input | sed -n 's/.*jump sub # handle //p');"
        "nft delete rule inet filter input handle $h; nft delete chain inet filter sub; nft delete quota inet filter volume",
        THEIRS.replace("nft add rule inet filter sub tcp dport { 7, 8 } drop", "true"),
    ),
    "iptables": Change(
        "iptables -I INPUT -p tcp -m tcp --dport 5433 -j ACCEPT; iptables -A FORWARD -i lo -j ACCEPT; iptables -P FORWARD DROP"
    ),
    "legacy iptables and ipsets": Change(
        "iptables-legacy -I INPUT -p tcp -m tcp --dport 5433 -j ACCEPT; ipset add allowed 192.0.2.9; ipset del allowed 192.0.2.2;"
        "ipset create ours hash:ip; iptables-legacy -N OURS; iptables-legacy -P FORWARD DROP",
        "iptables-legacy -A INPUT -s 198.51.100.3 -j DROP; iptables-legacy -D INPUT -j LOG; iptables-legacy -N THEIRS;"
        "iptables-legacy -t nat -A POSTROUTING -j RETURN; ip6tables-legacy -A INPUT -p udp -j DROP;"
        "ipset add allowed 192.0.2.3; ipset del allowed 192.0.2.1; ipset create theirs hash:net; ipset add theirs 10.0.0.0/8;"
        "ipset add timed 192.0.2.5 timeout 500",
        "ipset create allowed hash:ip; ipset add allowed 192.0.2.1; ipset add allowed 192.0.2.2; ipset create timed hash:ip timeout 0;"
        "ipset add timed 192.0.2.4 timeout 900; ipset add timed 192.0.2.6;"
        "iptables-legacy -A INPUT -m set --match-set allowed src -j ACCEPT;"
        "iptables-legacy -A INPUT -j LOG; iptables-legacy -t nat -A PREROUTING -j ACCEPT",
    ),
    "sysctls, routes, neighbours and files": Change(
        "sysctl -qw net.ipv4.tcp_syncookies=0; ip route del 198.51.100.0/24; ip route add 203.0.113.0/24 dev lo;"
        "ip rule add from 203.0.113.1 table 7 priority 100; echo ours > /run/etc/one; echo ours > /run/etc/new",
        "sysctl -qw net.ipv4.ip_forward=1; ip route add 203.0.113.128/25 dev lo; ip rule add from 203.0.113.2 table 8 priority 100;"
        "echo theirs > /run/etc/conf.d/two; echo theirs > /run/etc/conf.d/more; rm /run/etc/conf.d/link",
        "true",
    ),
}  # fmt: skip
SAVES = {
    "firewall": True,
    "routes": True,
    "neighbours": True,
    "files": ["/run/etc", "/run/new"],
    "sysctls": ["net.ipv4.tcp_syncookies", "net.ipv4.ip_forward"],
}


@pytest.fixture
def host() -> Iterator[Scene]:
    with Scene() as scene:
        yield scene


def dump(host: Scene) -> list[str]:
    """Without what time changes by itself, and in no order of tables and entries."""
    text = re.sub(r"expires \S+|(?<= timeout )\d+|handle \d+|initval \S+| \d{10}[.]\d+", "", host.dump())
    text = re.sub(r"elements = \{([^}]*)\}", lambda found: str(sorted(re.sub(r"\s+", " ", found[1]).strip().split(", "))), text)
    return sorted(line for line in text.splitlines() if "@" not in line or "set" not in line)


def others_of(host: Scene) -> dict[str, Any]:
    """What the journal says happened to others' changes."""
    line = json.loads(host.sh(f"tail -n1 {BASE}/t1/journal"))
    assert line["step"] == "restored"
    others: dict[str, Any] = line["others"]
    return others


QUICK = ("a rule more", "rules less", "legacy iptables and ipsets", "sysctls, routes, neighbours and files")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind not in QUICK)) for kind in CHANGES])
def test_what_others_did_stays(kind: str) -> None:
    change = CHANGES[kind]
    with Scene() as alone:  # how it is with their changes and without ours
        alone.sh(change.prepare)
        alone.sh(change.theirs)
        wanted = dump(alone)
    with Scene() as host:
        host.sh(change.prepare)
        host.arm(saves=SAVES)
        host.sh(change.ours)
        assert host.step("made", "t1").get("state") == "armed"
        host.sh(change.theirs)
        restored = host.step("restore", "t1")
        assert restored.get("state") == "restored", restored
        assert dump(host) == wanted
        others = others_of(host)
        assert others["kept"] and "lost" not in others and "undone" not in others, others


def test_the_mark_is_that_of_the_module_which_makes_rules() -> None:
    assert Accepted("192.0.2.1", "192.0.2.2", 5433, None, False).tag.startswith(MARK_OF_GUARD)


@pytest.mark.parametrize("tool", ["nft", "iptables", "iptables-legacy"])
def test_a_marked_rule_is_told_apart_wherever_the_controller_ended(host: Scene, tool: str) -> None:
    """Nobody said when the change was complete, and others were at work before, between and behind."""
    rule = f'-p tcp -m tcp --dport 5433 -m comment --comment "{MARK[10:-2]}" -j ACCEPT'
    ours = OURS if tool == "nft" else f"{tool} -I INPUT {rule}"
    host.sh(RULES + "iptables-legacy -A INPUT -j LOG")
    host.arm(saves={"firewall": "marked"})
    host.sh("nft add element inet filter banned '{ 198.51.100.99 }'; iptables-legacy -A INPUT -s 192.0.2.99 -j DROP")
    host.sh(ours)
    host.sh(THEIRS)
    text = dump(host)
    without = [line for line in text if "5433" not in line]
    assert without != text
    assert host.step("restore", "t1").get("state") == "restored"
    assert dump(host) == without
    others = others_of(host)
    assert others["kept"] and "lost" not in others and "undone" not in others, others


TWICE = """
import subprocess
from ansible_collections.threeway.handshake.plugins.module_utils._guard import state
from ansible_collections.threeway.handshake.plugins.module_utils._guard.disk import RememberedBlobs
from ansible_collections.threeway.handshake.plugins.module_utils._guard.firewall import MARKED, Firewall
from ansible_collections.threeway.handshake.plugins.module_utils._guard.restorer import run
blobs = RememberedBlobs()
saved = Firewall().save(MARKED, blobs, run)
subprocess.run(["sh", "-ec", {ours!r}], check=True)
restore = state._Restore(Firewall(), MARKED, saved, None, blobs, run)
restore.carry_out()
subprocess.run(["sh", "-ec", {theirs!r}], check=True)
restore.carry_out()
"""


def test_what_others_change_between_the_two_passes_of_a_restore_stays(host: Scene) -> None:
    """The firewall is restored once more after the units, which may have brought rules back: ours, and others' meanwhile."""
    host.sh(RULES)
    before = dump(host)
    theirs = f"nft add element inet filter banned '{{ 198.51.100.3 }}'; {OURS}"
    script = TWICE.format(ours=OURS, theirs=theirs)
    host.sh(f"cat > /run/twice.py << 'END'\n{script}\nEND")
    host.sh(f"PYTHONPATH={COLLECTIONS} {sys.executable} /run/twice.py; rm /run/twice.py")
    host.sh("nft delete element inet filter banned '{ 198.51.100.3 }'")
    assert dump(host) == before


MEANWHILE = """
import subprocess
from ansible_collections.threeway.handshake.plugins.module_utils._guard import nftables
send = nftables.send
def send_and_be_followed(*batch, **how):
    send(*batch, **how)
    if how.get("commit", True):
        nftables.send = send
        subprocess.run(["nft", "delete", "table", "inet", "other"], check=True)
nftables.send = send_and_be_followed
"""


def test_what_others_change_right_after_our_rule_is_gone_stays(host: Scene) -> None:
    """As one does whose own rules come and go with ours: what they took away is not brought back."""
    host.sh(RULES)
    before = dump(host)
    script = MEANWHILE + TWICE.format(ours=f"{OURS}; nft add table inet other", theirs="true")
    host.sh(f"cat > /run/meanwhile.py << 'END'\n{script}\nEND")
    host.sh(f"PYTHONPATH={COLLECTIONS} {sys.executable} /run/meanwhile.py; rm /run/meanwhile.py")
    assert dump(host) == before


def test_handles_counters_and_remaining_times_go_on(host: Scene) -> None:
    """What nobody changed is not made again: firewalld, for one, knows its rules by their handles."""
    host.sh(RULES)
    live = "nft -a list table inet filter | grep -v 192.0.2.1 | sed -E 's/expires [0-9a-z]+//g'"
    before = host.sh(live)
    host.arm(saves={"firewall": True})
    host.sh(OURS + "; sleep 1.5")
    assert host.step("restore", "t1").get("state") == "restored"
    assert host.sh(live) == before
    left = int(re.search(r"198.51.100.7 timeout 1h expires 59m(\d+)s", host.sh("nft list set inet filter late"))[1])  # type: ignore[index]
    assert left <= 58


def test_elements_that_are_recreated_have_the_time_left_that_they_had(host: Scene) -> None:
    host.sh(RULES.replace("timeout 3h", "timeout 4s"))
    host.arm(saves={"firewall": True})
    host.sh("nft flush ruleset; sleep 4")
    assert host.step("restore", "t1").get("state") == "restored"
    text = host.sh("nft list ruleset")
    left = int(re.search(r"198.51.100.7 timeout 1h expires 59m(\d+)s", text)[1])  # type: ignore[index]
    assert left <= 56 and "198.51.100.8" not in text
    assert "quota over 20 mbytes used 5 mbytes" in text and "over 10 mbytes used 3 mbytes" in text


def test_where_nobody_knows_whose_a_change_is_all_is_undone_and_reported(host: Scene) -> None:
    host.sh(RULES)
    before = host.sh("nft -s list ruleset")
    host.arm(saves={"firewall": True})
    host.sh(OURS.replace("threeway.handshake", "nobody"))
    host.sh(THEIRS.replace("nft add element inet filter seen", "true"))
    assert host.step("restore", "t1").get("state") == "restored"
    assert host.sh("nft -s list ruleset") == before  # but for what packets put into a set
    undone = others_of(host)["undone"]["firewall"]
    assert any("f2b-table" in line and line.startswith("- ") for line in undone), undone


def test_what_cannot_go_together_is_restored_and_what_others_lose_is_reported(host: Scene) -> None:
    """They refer to what we made."""
    host.sh(RULES)
    before = host.sh("nft -s list ruleset")
    host.arm(saves={"firewall": True})
    host.sh("nft add chain inet filter ours; nft add rule inet filter ours accept")
    host.step("made", "t1")
    host.sh("nft insert rule inet filter input tcp dport 7777 jump ours; nft add element inet filter banned '{ 198.51.100.3 }'")
    assert host.step("restore", "t1").get("state") == "restored"
    assert host.sh("nft -s list ruleset") == before
    lost = others_of(host)["lost"]["firewall"]
    assert "- table inet filter, chain input: tcp dport 7777 jump ours" in lost, lost
    assert "- table inet filter, set banned: 198.51.100.3" in lost, lost


def test_what_both_changed_is_ours_and_reported(host: Scene) -> None:
    host.arm(saves=SAVES)
    host.sh("sysctl -qw net.ipv4.tcp_syncookies=0; echo ours > /run/etc/one")
    host.step("made", "t1")
    host.sh("sysctl -qw net.ipv4.tcp_syncookies=2; echo theirs > /run/etc/one")
    assert host.step("restore", "t1").get("state") == "restored"
    assert host.sh("sysctl -n net.ipv4.tcp_syncookies; cat /run/etc/one").split() == ["1", "one"]
    lost = others_of(host)["lost"]
    assert lost["sysctls"] == ["- net.ipv4.tcp_syncookies = 2"] and any("/run/etc/one" in line for line in lost["files"]), lost


def test_a_damaged_note_of_what_was_made_restores_all(host: Scene) -> None:
    host.sh(RULES)
    before = host.dump()
    host.arm(saves={"firewall": True})
    host.sh(OURS)
    host.step("made", "t1")
    host.sh(f"echo '{{}}' > {BASE}/t1/made.json")
    host.sh("nft add element inet filter banned '{ 198.51.100.3 }'")
    assert host.step("restore", "t1").get("state") == "restored"
    assert re.sub(r"expires \S+", "", host.dump()) == re.sub(r"expires \S+", "", before)
