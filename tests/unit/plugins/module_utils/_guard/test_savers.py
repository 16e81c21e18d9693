# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind of state, changed behind the guard's back and restored: the dumps of the tools that own it are the same, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._guard.scene import Scene

NFT = r"""
nft -f - << 'RULES'
table inet filter {
    comment "of the guard's test"
    counter passed { packets 5 bytes 700 }
    quota volume { over 10 mbytes used 3 mbytes }
    limit slow { rate 5/second burst 7 packets }
    ct helper ftp { type "ftp" protocol tcp; }
    set networks { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, 192.0.2.1-192.0.2.9 comment "x" } }
    set pairs { type ipv4_addr . inet_service; flags interval; counter; elements = { 192.0.2.0/24 . 80-90 } }
    set late { type ipv4_addr; size 100; flags dynamic,timeout; timeout 1h; }
    set often { type ipv4_addr; size 64; flags dynamic; }
    map ways { type inet_service : verdict; elements = { 22 : accept, 80 : jump web, * : continue } }
    map marks { typeof ip saddr : meta mark; elements = { 192.0.2.7 : 0x7 } }
    map objects { type ipv4_addr : counter; elements = { 192.0.2.8 : "passed" } }
    chain web { tcp dport { 80, 443 } counter packets 2 bytes 80 accept comment "two ports"; }
    chain input {
        type filter hook input priority filter; policy drop;
        tcp dport vmap @ways
        ip saddr @networks counter packets 7 bytes 800 accept
        ip saddr . tcp dport @pairs accept
        tcp dport 8080 add @late { ip saddr }
        tcp dport 22 ct state new add @often { ip saddr } tcp option maxseg size set 1200
        tcp dport 21 ct state established ct helper set "ftp"
        counter name "passed" quota name "volume" limit name "slow" log prefix "seen "
        meta mark set ip saddr map @marks
        ip daddr 192.0.2.1 jump {
            tcp dport { 1-5, 9 } drop
            counter packets 9 bytes 90 reject
        }
    }
}
table inet empty { }
table ip asleep { flags dormant; chain out { type filter hook output priority 0; drop; }; }
table ip nat { chain pre { type nat hook prerouting priority dstnat; tcp dport 81 redirect to :80; }; }
table netdev early { chain in { type filter hook ingress device "lo" priority -500; ip saddr 203.0.113.9 drop; }; }
table bridge b { chain f { type filter hook forward priority 0; ether type arp accept; }; }
table arp a { chain in { type filter hook input priority 0; arp operation request accept; }; }
RULES
nft add rule inet filter web reset tcp option 123 2>/dev/null || true
nft add rule inet filter web osf name '"Linux"' counter 2>/dev/null || true
iptables -A INPUT -i lo -p tcp -m conntrack --ctstate NEW -m recent --name seen --set -j ACCEPT
iptables -A INPUT ! -p udp -m u32 --u32 "0=1" -m comment --comment "odd one" -j DROP
iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
iptables -t nat -A POSTROUTING -s 10.0.0.0/8 ! -o lo -j MASQUERADE
iptables -N OWN; iptables -A OWN -p udp -m multiport --dports 53,123 -j RETURN; iptables -A INPUT -j OWN; iptables -P FORWARD DROP
ip6tables -A INPUT -p tcp -m tcp --dport 22 -m hashlimit --hashlimit-name h --hashlimit-upto 5/min -j REJECT --reject-with tcp-reset
ebtables-nft -A FORWARD -p IPv4 --ip-protocol tcp -j DROP 2>/dev/null || true
"""
LEGACY = r"""
ipset create allowed hash:ip comment; ipset add allowed 192.0.2.1 comment "first"; ipset add allowed 192.0.2.2
ipset create nets hash:net family inet6; ipset add nets 2001:db8::/32
ipset create both list:set; ipset add both allowed
iptables-legacy -A INPUT -p tcp -m set --match-set allowed src -j ACCEPT
iptables-legacy -P FORWARD DROP; iptables-legacy -N MINE; ip6tables-legacy -A INPUT -m set --match-set nets src -j DROP
iptables-legacy -t mangle -L > /dev/null
"""
# kind: what is prepared, what is saved, what is changed
SCENES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a ruleset that is flushed": (NFT, {"firewall": True}, "nft flush ruleset"),
    "a ruleset of another kind": (NFT, {"firewall": True}, "nft flush ruleset; nft add table ip6 x; iptables -A INPUT -j DROP"),
    "a rule more": (NFT, {"firewall": True}, "nft insert rule inet filter input tcp dport 5432 accept"),
    "an element less": (NFT, {"firewall": True}, "nft delete element inet filter networks '{ 10.0.0.0/8 }'"),
    "a policy": (NFT, {"firewall": True}, "nft chain inet filter input '{ policy accept; }'"),
    "an empty table": (NFT, {"firewall": True}, "nft delete table inet empty"),
    "no ruleset at all": ("nft flush ruleset", {"firewall": True}, NFT),
    "legacy tables and sets": (
        LEGACY,
        {"firewall": True},
        "iptables-legacy -F; iptables-legacy -X; iptables-legacy -P FORWARD ACCEPT; ipset del allowed 192.0.2.1;"
        "ipset add allowed 192.0.2.3;"
        "ip6tables-legacy -F; ipset destroy nets; ipset create more hash:ip; iptables-legacy -t mangle -A OUTPUT -j ACCEPT",
    ),
    "files": (
        "setfattr -n user.note -v kept /run/etc/one 2>/dev/null || true; mkdir -m 1770 /run/etc/drop; umask 077;"
        "head -c 100000 /dev/urandom > /run/etc/conf.d/binary; : > /run/etc/empty",
        {"files": ["/run/etc", "/run/new/deep/file", "/run/gone"]},
        "rm -r /run/etc/conf.d; echo > /run/etc/conf.d; chmod 777 /run/etc/drop /run/etc; mkdir -p /run/new/deep;"
        "echo > /run/new/deep/file;"
        "rm /run/etc/empty; ln -s one /run/etc/empty; echo x >> /run/etc/one; touch /run/etc/drop/new;"
        "mkdir /run/etc/more /run/etc/more/more",
    ),
    "a file's mode and time alone": ("true", {"files": ["/run/etc/one"]}, "chmod 0600 /run/etc/one; touch /run/etc/one"),
    "sysctls and what goes with them": (
        "ip link add v0.5 type veth peer name v1; sysctl -qw net/ipv4/conf/v0.5/forwarding=1 net.ipv4.conf.v1.rp_filter=1",
        {"sysctls": ["net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.v0.5.rp_filter", "net.ipv4.tcp_rmem"]},
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=2 net/ipv4/conf/v0.5/rp_filter=2 'net.ipv4.tcp_rmem=4096 8192 16384'",
    ),
    "routes, rules and neighbours": (
        "ip link add v0 type veth peer name v1; ip link set v0 addrgenmode none; ip link set v1 addrgenmode none;"
        "ip link set v0 up; ip link set v1 up;"
        " ip address add 10.0.1.1/24 dev v0;"
        "ip address add 2001:db8:1::1/64 dev v0 nodad; ip route add default via 10.0.1.2 metric 5 mtu 1400;"
        "ip route add 10.9.0.0/16 nexthop via 10.0.1.3 weight 2 nexthop via 10.0.1.4; ip -6 route add default via 2001:db8:1::2;"
        "ip route add blackhole 10.8.0.0/16 table 7; ip rule add from 10.0.1.1 table 7 priority 100;"
        "ip rule add fwmark 1 table 8 priority 100;"
        "ip neighbour add 10.0.1.2 lladdr 02:00:5e:10:00:01 dev v0 nud permanent",
        {"routes": True, "neighbours": True},
        "ip route replace default via 10.0.1.9 metric 5; ip route del 10.9.0.0/16; ip route flush table 7; ip -6 route del default;"
        "ip -6 route add 2001:db8:9::/48 via 2001:db8:1::3; ip rule del from 10.0.1.1 table 7; ip rule add iif lo table 9 priority 100;"
        "ip -6 rule add to 2001:db8::/32 table 9; ip neighbour change 10.0.1.2 lladdr 02:00:5e:10:00:02 dev v0 nud permanent;"
        "ip neighbour add 10.0.1.7 lladdr 02:00:5e:10:00:07 dev v0 nud permanent",
    ),
}


@pytest.fixture
def host() -> Iterator[Scene]:
    with Scene() as scene:
        yield scene


SLOW = ("a ruleset of another kind", "a rule more", "an element less", "an empty table", "a file's mode and time alone")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in SCENES])
def test_what_was_changed_is_as_before(host: Scene, kind: str) -> None:
    prepare, saves, change = SCENES[kind]
    host.sh(prepare)
    before = host.dump()
    armed = host.arm(saves=saves)
    assert armed.get("state") == "armed", armed
    host.sh(change)
    assert host.dump() != before
    restored = host.step("restore", "t1")
    assert restored.get("state") == "restored", restored
    assert sorted(restored["before"]) == sorted(saves)
    assert host.dump() == before


def test_ipsets_are_saved_where_the_modules_of_the_kernel_cannot_be_seen(host: Scene) -> None:
    """As in a container, which has no /sys/module."""
    host.sh("mount -t tmpfs none /sys")
    host.sh(LEGACY)
    before = host.dump()
    armed = host.arm(saves={"firewall": True})
    assert armed["about"]["not_saved"] == []
    host.sh("ipset del allowed 192.0.2.1; ipset add allowed 192.0.2.3; ipset add nets 2001:db9::/32; ipset create more hash:ip")
    assert host.step("restore", "t1")["state"] == "restored"
    assert host.dump() == before


@pytest.mark.parametrize(("sets", "named"), [(LEGACY, ["ipsets allowed, both, nets are not saved"]), ("true", [])])
def test_ipsets_that_cannot_be_saved_are_named(host: Scene, sets: str, named: list[str]) -> None:
    host.sh(sets)
    host.sh("mount --bind /bin/false $(readlink -f $(command -v ipset))")
    armed = host.arm(saves={"firewall": True})
    assert [text.split(":")[0] for text in armed["about"]["not_saved"]] == named
    host.sh("nft insert rule inet filter input drop")
    assert host.step("restore", "t1")["state"] == "restored"
    assert "\tdrop" not in host.sh("nft list ruleset")


def test_passing_packets_are_no_difference(host: Scene) -> None:
    host.sh(NFT)
    host.arm(saves={"firewall": True})
    host.send("127.0.0.1")
    restored = host.step("restore", "t1")
    assert restored["state"] == "restored" and restored["before"] == {}


def test_what_belongs_to_a_running_program_is_named_and_left_alone(host: Scene) -> None:
    host.sh("mkfifo /run/open; (sleep 60 > /run/open 2> /dev/null &); (nft -i < /run/open > /dev/null 2>&1 &)")
    host.sh("echo 'add table ip owned { flags owner; }' > /run/open; sleep 0.5")
    if "table ip owned" not in host.sh("nft list tables"):
        pytest.skip("this nft cannot own tables")
    armed = host.arm(saves={"firewall": True})
    assert armed["about"]["not_saved"] == ["table owned of nftables belongs to a running program, which alone may change it"]
    host.sh("nft delete table inet filter")
    assert host.step("restore", "t1")["state"] == "restored"
    assert {"table ip owned", "table inet filter"} <= set(host.sh("nft list tables").splitlines())
