# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every expression in a rule of its own, in every hook, on real packets: the rules' counters say what the kernel thinks of them.

Rules that write (marks, TTLs, sets) stand between those that read, so that what they wrote is read again.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

import pytest

from tests.differential._pool import Process

EVERYWHERE = r"""
meta nfproto ipv4
meta nfproto ipv6
meta l4proto tcp
meta l4proto != tcp
meta l4proto { udp, tcp }
meta protocol ip
meta protocol { ip6, arp }
meta length 60
meta length > 60
meta length 40-64
meta length != { 60, 80 }
meta mark 0
meta mark != 0
meta mark & 0xff == 7
meta mark & 0xff00 != 0
meta mark 1-10
meta mark > 5
meta mark < 5
meta mark { 7, 65280 }
meta mark @k
meta iifname "eth0"
meta iifname != "eth0"
meta iifname "eth*"
iifname { "eth0", "wan*" }
iif eth0
iif != { eth0, wan0 }
oifname "eth1"
oifname "po*"
oif wan0
oif != lo
iifgroup 7
oifgroup 7
iifgroup != 7
iiftype ether
oiftype ether
meta iifkind "veth"
meta oifkind "bridge"
meta oifkind != "veth"
meta skuid 0
meta skuid != 0
meta skuid 1-2000
meta skgid 0
meta pkttype host
meta pkttype { host, broadcast }
meta pkttype != multicast
meta day "Saturday"
meta day != "Saturday"
meta hour "00:00"-"23:59"
meta time > "2020-01-01 00:00"
meta cpu 0-1024
ether saddr 02:00:00:00:00:20
ether daddr != 02:00:00:00:00:10
ether type ip
ip version 4
ip hdrlength 5
ip dscp cs1
ip dscp != 0
ip dscp { cs0, ef }
ip ecn ect0
ip ecn not-ect
ip length 60
ip length > 40
ip id 1
ip id > 1000
ip frag-off & 0x1fff == 0
ip frag-off & 0x4000 != 0
ip ttl 64
ip ttl < 64
ip ttl { 1-10, 255 }
ip protocol tcp
ip protocol != { udp, icmp }
ip saddr 10.0.0.9
ip saddr != 10.0.0.9
ip saddr 10.0.0.0/24
ip saddr 10.0.0.0/23
ip saddr 10.0.0.0/9
ip saddr != 10.0.0.0/8
ip saddr 10.0.0.2-10.0.1.7
ip saddr != 10.0.0.2-10.0.1.7
ip saddr { 10.0.0.9, 10.0.2.9 }
ip saddr { 10.0.0.0/23, 10.0.2.9 }
ip saddr != { 10.0.0.0/23, 10.0.2.9 }
ip saddr @a
ip saddr != @a
ip saddr @i
ip daddr @i
ip saddr @ca
ip daddr & 0.0.0.255 == 0.0.0.1
ip daddr & 0.0.255.0 != 0.0.1.0
ip saddr . tcp dport @c
ip daddr . tcp dport @c
ip daddr . tcp dport != @c
tcp dport . iifname @p
ip saddr . ip daddr { 10.0.0.9 . 10.0.0.1, 10.0.2.0/24 . 10.0.2.1-10.0.2.9 }
ip saddr . meta l4proto . tcp dport { 10.0.0.9 . tcp . 80, 10.0.0.9 . udp . 80 }
ip option ra exists
ip option lsrr missing
ip6 version 6
ip6 dscp 0
ip6 dscp != cs1
ip6 flowlabel 0
ip6 length > 20
ip6 nexthdr tcp
ip6 hoplimit 64
ip6 hoplimit < 64
ip6 saddr 2001:db8::9
ip6 saddr 2001:db8::/48
ip6 saddr != 2001:db8::/33
ip6 saddr 2001:db8::/61
ip6 saddr 2001:db8::-2001:db8:2::ffff
ip6 saddr @i6
ip6 daddr @i6
ip6 saddr & ::ffff == ::9
exthdr frag exists
exthdr hbh missing
frag more-fragments 1
rt type 0
tcp sport 1025
tcp sport 1024-65535
tcp sport != 1024-65535
tcp dport 80
tcp dport != { 80, 443 }
tcp dport { 22, 80-443, 5432 }
tcp dport { 1-1023 }
tcp dport > 1023
tcp dport <= 1023
tcp sport . tcp dport { 1025 . 80, 20000 . 443 }
tcp sequence 1
tcp sequence > 2147483648
tcp ackseq 0
tcp doff 5
tcp doff > 5
tcp reserved 0
tcp flags syn
tcp flags & syn != 0
tcp flags & (syn | ack) == syn
tcp flags & (fin | syn | rst | ack) == syn | ack
tcp flags == ack
tcp flags != syn
tcp flags ! syn
tcp flags { syn, ack }
tcp flags syn,ack
tcp window 65535
tcp window < 1000
tcp checksum != 0
tcp urgptr 0
tcp option maxseg exists
tcp option maxseg missing
tcp option maxseg size 1460
tcp option maxseg size < 1460
tcp option maxseg size 1000-2000
tcp option window exists
tcp option window count 7
tcp option timestamp exists
tcp option timestamp tsval 1
tcp option sack-perm missing
tcp option 8 exists
th dport 80
th sport { 1025, 40000 }
udp dport 53
icmp type echo-request
@th,0,16 1025
@th,16,16 80
@nh,64,8 64
@nh,160,16 1025
@ll,0,48 0x020000000010
@ih,0,8 1
ct state new
ct state established,related
ct state invalid
ct state untracked
ct state != new
ct state { new, established }
ct state vmap { new : jump one, established : goto one, invalid : continue }
ct state vmap { invalid : drop, new : continue }
ct direction original
ct direction reply
ct status & 2 != 0
ct status seen-reply
ct status ! seen-reply
ct status dnat
ct status & (snat | dnat) == 0
ct status expected
ct mark 0
ct mark != 5
ct mark & 0xf == 0
ct zone 0
ct zone != 5
ct original zone 0
ct l3proto ipv4
ct protocol tcp
ct original ip saddr 10.0.0.9
ct original ip daddr 10.0.0.0/24
ct reply ip saddr 10.0.0.1
ct original ip6 saddr 2001:db8::9
ct original packets 1
ct reply packets 0
ct original packets > 1
ct helper "ftp"
ct label 5
ct count over 1000
fib saddr type local
fib saddr type unicast
fib daddr type local
fib daddr type { local, broadcast }
fib daddr type unicast
numgen random mod 1 == 0
jhash ip saddr mod 1 == 0
quota over 100 mbytes
quota until 100 mbytes
quota name "big"
limit rate 100000/second
add @d { ip saddr }
update @d { ip saddr timeout 1m }
update @d { ip saddr limit rate over 100000/second }
add @e { ip saddr limit rate 100000/second }
ip saddr @d
ip daddr != @e
delete @e { ip saddr }
ip saddr @e
counter name "n"
counter name tcp dport map { 22 : "n", 80 : "n" }
meta mark set meta mark | 0x100
meta mark & 0x100 == 0x100
meta mark set meta mark & 0xff
meta mark set tcp dport map @m
meta mark { 1, 2 }
meta mark set meta mark << 4
meta mark 0x10
meta mark set meta mark >> 4
meta mark 0-3
meta mark set 0
ct mark set 5
ct mark 5
ct mark set meta mark
tcp dport vmap @v
tcp dport vmap @cv
ip daddr . meta l4proto vmap @w
tcp dport vmap { 22 : continue, 80 : jump one }
meta priority set 5
meta priority 0:5
meta priority set 1:1
ip dscp set cs2
ip dscp cs2
ip ttl set 33
ip ttl 33
ip6 hoplimit set 22
ip6 hoplimit 22
tcp option maxseg size set 536
tcp option maxseg size 536
tcp option maxseg size set 9000
tcp window set 1234
tcp window 1234
log prefix "x"
meta nftrace set 0
rt classid 0
rt ip nexthop 10.0.2.254
rt ipsec missing
meta random < 100
continue
meta l4proto tcp ct original proto-dst 80
meta l4proto tcp ct original proto-src > 1024
meta l4proto tcp ct reply proto-src 80
meta l4proto tcp ct reply proto-dst 1025
""".strip().splitlines()

RECEIVING = """
meta ipsec missing
fib daddr . iif type local
fib saddr . iif oif exists
fib saddr . iif oif missing
""".strip().splitlines()

UNROUTED = """
fib saddr oif eth0
fib saddr oifname "eth0"
fib daddr oifname "wan0"
fib saddr oif exists
fib saddr . mark oif exists
""".strip().splitlines()

ROUTED = ["meta sdif 0", "meta sdif != 0"]

RULESET = """
table inet t {
  set a { type ipv4_addr; elements = { 10.0.0.9, 10.0.2.9 } }
  set i { type ipv4_addr; flags interval; elements = { 10.0.0.0/23, 192.0.2.1-192.0.2.9, 224.0.0.0-255.255.255.255 } }
  set i6 { type ipv6_addr; flags interval; elements = { 2001:db8::/48, 2001:db8:3::1-2001:db8:3::9 } }
  set c { type ipv4_addr . inet_service; flags interval
    elements = { 10.0.0.0/24 . 1-443, 10.0.0.1-10.0.3.7 . 5432, 10.0.3.0/28 . 0-65535 } }
  set p { type inet_service . ifname; elements = { 80 . "eth0", 443 . "wan0" } }
  set d { type ipv4_addr; flags dynamic,timeout; timeout 1h; size 65000; }
  set e { type ipv4_addr; size 65000; flags dynamic; }
  set k { type mark; flags interval; elements = { 1-0x10, 0x100 } }
  map m { type inet_service : mark; elements = { 22 : 1, 80 : 2, 443 : 0x10000 } }
  map v { type inet_service : verdict; flags interval; elements = { 22-80 : jump one, 443 : goto one, 5432 : return, 8080 : accept } }
  map w { type ipv4_addr . inet_proto : verdict; elements = { 10.0.0.1 . tcp : jump one, 10.0.1.1 . udp : drop } }
  set ca { type ipv4_addr; flags interval; elements = { 10.0.0.9, * } }
  map cv { type inet_service : verdict; elements = { 22 : jump one, * : continue } }
  counter n { }
  quota big { over 100 mbytes }
  chain one { counter; }
  chain every { EVERYWHERE; }
  chain receiving { RECEIVING; }
  chain unrouted { UNROUTED; }
  chain routed { ROUTED; }
  chain early { type filter hook prerouting priority -310; jump every; }
  chain pre { type filter hook prerouting priority -150; jump receiving; jump unrouted; jump every; }
  chain inp { type filter hook input priority 0; jump receiving; jump routed; jump every; }
  chain on { type filter hook forward priority 0; jump receiving; jump routed; jump every; }
  chain outp { type filter hook output priority 0; jump every; }
  chain last_one { type filter hook postrouting priority 0; jump every; }
}
"""

OPTIONS = ("", "020405b4", "020402180402080a00000001000000000103030701010101")
WAYS = (
    ("in", "10.0.0.9", "10.0.0.1", "eth0"),
    ("in", "10.0.2.9", "10.0.2.1", "wan0"),
    ("in", "2001:db8::9", "2001:db8::1", "eth0"),
    ("in", "10.0.3.3", "10.0.3.1", "port0"),
    ("forward", "10.0.0.9", "10.0.1.9", "eth0"),
    ("forward", "2001:db8:1::9", "2001:db8:3::2", "eth1"),
    ("out", "10.0.1.1", "10.0.1.9", None),
    ("out", "2001:db8::1", "2001:db8:3::9", None),
)
KINDS = (("syn", "new"), ("syn_ack", "established"), ("ack", "established"), ("syn_ack", "invalid"))
PORTS = (22, 80, 443, 5432, 8080, 1023)


def packets() -> list[dict[str, Any]]:
    """Each way with each kind of packet; the other fields go round."""
    made = []
    for number, ((direction, source, destination, interface), (kind, state)) in enumerate(itertools.product(WAYS, KINDS)):
        sent = {
            "packet": kind,
            "direction": direction,
            "source": source,
            "destination": destination,
            "interface": interface,
            "state": state,
        }
        sent.update({"source_port": (1025, 20000, 40000)[number % 3], "port": PORTS[number % len(PORTS)], "options": OPTIONS[number % 3]})
        sent.update({"ttl": (64, 5, 255)[number % 3], "tos": (0, 32, 2)[number % 3], "window": (65535, 512)[number % 2]})
        made.append({**sent, "mark": (0, 7, 65280)[number % 3] if direction == "out" else 0})
    return made


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tests/differential needs Python 3.11")
@pytest.mark.parametrize("part", range(4))
def test_every_expression_is_what_the_kernel_makes_of_it(part: int) -> None:
    text = RULESET
    for name, rules in (("EVERYWHERE", EVERYWHERE), ("RECEIVING", RECEIVING), ("UNROUTED", UNROUTED), ("ROUTED", ROUTED)):
        text = text.replace(name, "; ".join(f"{rule} counter" for rule in rules), 1)
    case = {"seed": f"expressions {part}", "loads": [{"tool": "nft", "text": text}], "packets": packets()[part::4], "stateful": True}
    with Process() as worker:
        answer = worker.ask({"case": case})
    assert "refused" not in answer and "failed" not in answer, answer
    wrong = [(packet["packet"], packet["differences"]) for packet in answer["differing"]]
    assert not wrong, "\n".join(str(each) for each in wrong)
    assert not answer["undecided"], "a packet that is undecided agrees with everything"
