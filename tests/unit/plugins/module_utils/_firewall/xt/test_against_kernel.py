# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every match, alone in a rule, on real packets: the rule's counter says what the kernel thinks of it."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.unit.plugins.module_utils.rootless import Rootless

_COLLECTIONS = Path(__file__).parents[6] / "build" / "collections"

BOTH = """
-p tcp
! -p tcp
-p udp
! -p 17
-p tcp -m tcp --dport 22
-p tcp -m tcp ! --dport 22
-p tcp -m tcp --sport 1024:2000 --dport 5000:
-p tcp -m tcp --sport :443
-p tcp -m tcp --syn
-p tcp -m tcp ! --syn
-p tcp -m tcp --tcp-flags ALL SYN,ACK
-p tcp -m tcp --tcp-flags ACK ACK
-p tcp -m tcp --tcp-flags SYN,ACK NONE
-p tcp -m tcp --tcp-option 4
-p tcp -m tcp ! --tcp-option 8
-p tcp -m tcp --syn -m tcpmss --mss 1400:1500
-p tcp -m tcp --tcp-flags SYN SYN -m tcpmss ! --mss 1:600
-p tcp -m multiport --dports 22,80,5000:6000
-p tcp -m multiport ! --sports 443,1024
-p tcp -m multiport --ports 443
-p tcp -m multiport ! --ports 22,443
-m mark --mark 0
-m mark ! --mark 0x1/0x1
-m conntrack --ctstate NEW
-m conntrack --ctstate RELATED,ESTABLISHED
-m conntrack ! --ctstate INVALID,UNTRACKED
-m conntrack --ctstate DNAT
-m conntrack ! --ctstate SNAT,NEW
-m conntrack --ctdir ORIGINAL
-m conntrack --ctdir REPLY
-m conntrack --ctstate ESTABLISHED --ctdir REPLY
-m conntrack --ctproto tcp
-m conntrack --ctstatus ASSURED
-m conntrack --ctstatus SEEN_REPLY
-m conntrack ! --ctstatus CONFIRMED
-m conntrack --ctstatus NONE
-m conntrack --ctorigdstport 443
-m conntrack ! --ctorigsrcport 50000:60000
-m conntrack --ctreplsrcport 22
-m conntrack --ctrepldstport 50001
-m state --state NEW
-m state ! --state ESTABLISHED
-m connmark --mark 0
-m connmark ! --mark 0
-m connmark ! --mark 5
-m comment --comment "a \\"quoted\\" word"
-m dscp --dscp 46
-m dscp ! --dscp 4
-m dscp --dscp-class EF
-m tos --tos 0x10/0x10
-m tos ! --tos 0x10/0xff
-m ecn --ecn-ip-ect 1
-m ecn ! --ecn-ip-ect 0
-p tcp -m ecn --ecn-tcp-cwr
-p tcp -m ecn ! --ecn-tcp-ece
-m length --length 60
-m length --length 0:59
-m length ! --length 44:
-m pkttype --pkt-type unicast
-m cpu --cpu 4095
-m pkttype ! --pkt-type broadcast
-m addrtype --dst-type LOCAL
-m addrtype ! --dst-type LOCAL
-m addrtype --src-type LOCAL
-m addrtype --src-type UNICAST
-m addrtype --dst-type UNICAST ! --src-type LOCAL
-m addrtype --dst-type MULTICAST
-m physdev --physdev-is-bridged
-m physdev ! --physdev-is-bridged
-m physdev ! --physdev-in port1
-m statistic --mode random --probability 1
-m time --datestart 2020-01-01
-m time --datestart 2030-01-01T00:00:00
-m time --datestart 2000-01-01 --datestop 2010-12-31T23:59:59
-m time --timestart 00:00 --timestop 23:59:59
-m time --weekdays Mon,Tue,Wed
-m time ! --weekdays Mon,Tue,Wed
-m time --weekdays Thu,Fri,Sat,Sun
-m time --monthdays 1,2,3,4,5,6,7,8,9,10
-m time --monthdays 11,12,13,14,15,16,17,18,19,20
-m time --monthdays 21,22,23,24,25,26,27,28,29,30,31
-m time --timestart 12:00 --timestop 02:00 --contiguous --weekdays Mon,Tue,Wed
-m time --timestart 02:00 --timestop 12:00
-m time --timestart 12:00 --timestop 02:00
-m helper --helper ftp
-m connlabel --label 5
-m connlabel ! --label 5
-m string --string nowhere-to-be-found --algo bm
-m string ! --string nowhere-to-be-found --algo kmp
-m string --hex-string "|0402080a|" --algo bm
-m string --hex-string "|0402080a|" --algo bm --to 50
-m string --hex-string "|0402080a|" --algo bm --from 70
-m recent --rcheck --name NOBODY
-m recent ! --rcheck --name NOBODY
-m limit --limit 1/second
""".strip().splitlines()

V4 = """
-s 192.0.2.2
! -s 192.0.2.2
-d 192.0.2.0/24
-s 192.0.0.2/255.0.0.255
! -d 192.0.2.1/32
-s 192.0.2.2/31 -d 192.0.2.1
-s 0.0.0.0/0
-f
! -f
-m iprange --src-range 192.0.2.2-192.0.2.9
-m iprange ! --dst-range 10.0.0.0-192.0.2.1
-m conntrack --ctorigsrc 192.0.2.2
-m conntrack ! --ctorigdst 192.0.2.9/24
-m conntrack --ctreplsrc 192.0.2.1 --ctrepldst 192.0.2.0/30
-m ttl --ttl-eq 64
-m ttl ! --ttl-eq 64
-m ttl --ttl-lt 60
-m ttl --ttl-gt 60
-p tcp -m u32 --u32 "0>>22&0x3C@0>>16=22"
-p tcp -m u32 --u32 "0>>22&0x3C@0&0xFFFF=22,443:500"
-p tcp -m u32 ! --u32 "6&0xFF=6 && 4&0x1FFF=0 && 8&0xFF00>>8=0:20"
-m u32 --u32 "100=0"
-m u32 ! --u32 "1000=0"
-m u32 --u32 "12=0xc0000202"
-m set --match-set addresses src
-m set ! --match-set addresses src
-m set --match-set ports dst
-m set --match-set networks src
-m set --match-set networks src --return-nomatch
-m set --match-set networks dst
-m set --match-set pairs src,dst
-m set --match-set pairs src,src
-m set --match-set pairs dst,src
-m set ! --match-set pairs src
-m set --match-set interfaces src,src
-m set --match-set interfaces src,dst
-m set --match-set triples src,dst,dst
-m set --match-set lists src
-m set --match-set lists src,dst
-m set --match-set range src
-m set --match-set macs src,src
-m set --match-set blocks src
-m set --match-set timed src
-m addrtype --dst-type LOCAL,BROADCAST
-m addrtype --dst-type UNSPEC
-m addrtype --dst-type BROADCAST
""".strip().splitlines()

V6 = """
-s 2001:db8::2
! -s 2001:db8::/64
-d 2001:db8::/127
-m iprange --src-range 2001:db8::2-2001:db8::9
-m iprange ! --dst-range 2001:db8::-2001:db8::1
-m conntrack --ctorigsrc 2001:db8::2
-m conntrack ! --ctorigdst 2001:db8::/120
-m hl --hl-eq 64
-m hl ! --hl-eq 63
-m hl --hl-lt 60
-m ipv6header --header prot --soft
-m ipv6header --header frag --soft
-m ipv6header ! --header frag
-m ipv6header --header prot
-m frag --fragfirst
-m rt --rt-type 0
-m u32 --u32 "4&0xFFFF=0x063f"
-m u32 --u32 "40>>16=22:443"
-m set --match-set six src
-m set ! --match-set six dst
-m addrtype --dst-type UNREACHABLE
-m addrtype --src-type LOCAL,UNICAST
""".strip().splitlines()

INPUT = """
-i near
-i ne+
! -i near
! -i lo+
-i +
-m mac --mac-source 02:00:00:00:00:02
-m mac ! --mac-source 02:00:00:00:00:02
-m mac ! --mac-source 02:00:00:00:00:03
-m devgroup --src-group 3
-m devgroup ! --src-group 0x2/0x2
-m addrtype --dst-type LOCAL --limit-iface-in
-m addrtype --src-type LOCAL --limit-iface-in
-p tcp -m tcp --dport 22 -m recent --set --name SEEN --rsource
-p tcp -m tcp --dport 22 -m recent --rcheck --name SEEN --rsource
-p tcp -m recent --rcheck --hitcount 20 --name SEEN --rsource
-p tcp -m recent ! --rcheck --name SEEN --rdest
-m policy --dir in --pol none
-m policy --dir in --pol ipsec
-m socket
""".strip().splitlines()

OUTPUT = """
-o near
-o near+
! -o near
! -o eth0
-m owner --uid-owner 0
-m owner ! --uid-owner 0
-m owner --gid-owner 0
-m owner --socket-exists
-m owner ! --socket-exists
-m owner --uid-owner root ! --gid-owner 0
-m devgroup --dst-group 3
-m addrtype --src-type LOCAL --limit-iface-out
-m connbytes --connbytes 1000: --connbytes-mode packets --connbytes-dir both
""".strip().splitlines()

SETS = """
ipset create addresses hash:ip; ipset add addresses 192.0.2.2; ipset add addresses 192.0.2.77
ipset create ports bitmap:port range 0-1023; ipset add ports 22; ipset add ports 443
ipset create networks hash:net; ipset add networks 192.0.0.0/8; ipset add networks 192.0.2.2/32 nomatch; ipset add networks 192.0.2.0/24
ipset create pairs hash:ip,port; ipset add pairs 192.0.2.2,22; ipset add pairs 192.0.2.2,udp:5432; ipset add pairs 192.0.2.1,443
ipset create interfaces hash:net,iface; ipset add interfaces 192.0.2.0/24,near; ipset add interfaces 192.0.2.2,ot wildcard || true
ipset create triples hash:ip,port,net; ipset add triples 192.0.2.2,5432,192.0.0.0/16; ipset add triples 192.0.2.2,22,192.0.2.1/32 nomatch
ipset create lists list:set; ipset add lists pairs; ipset add lists ports
ipset create range bitmap:ip range 192.0.2.0/24; ipset add range 192.0.2.2
ipset create six hash:ip family inet6; ipset add six 2001:db8::2; ipset create macs bitmap:ip,mac range 192.0.2.0/24
ipset add macs 192.0.2.2,02:00:00:00:00:02; ipset add macs 192.0.2.1; ipset create blocks hash:ip netmask 28; ipset add blocks 192.0.2.9
ipset create timed hash:ip timeout 600; ipset add timed 192.0.2.2 timeout 500 -exist
"""

# Conditions that nobody can know, on which the evaluation has to try both ways.
UNKNOWN = ("-m limit", "-m socket", "-m connbytes", "-m helper", "-m connlabel")

TARGETS = (
    "-j MARK --set-xmark 0x1/0xff", "-j MARK --or-mark 0x6", "-j MARK --and-mark 0xfffffff0", "-j MARK --xor-mark 0x3",
    "-j MARK --set-mark 5/4", "-j CONNMARK --set-xmark 0x7/0xffffffff", "-j CONNMARK --save-mark",
    "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0x3",
    "-j RETURN",
    "-j TOS --set-tos 0x10/0x3f", "-j DSCP --set-dscp 46", "-j ACCEPT", "-j DROP", "-j one", "-j two", "-j three", "-g one", "-g three",
    "-j LOG", "-j TCPOPTSTRIP --strip-options 2,8",
)  # fmt: skip
MARKS = (
    "-m mark --mark 0x1/0x1",
    "-m mark --mark 0x4/0x6",
    "-m mark --mark 5",
    "-m connmark --mark 7",
    "-m connmark ! --mark 0",
    "-m mark ! --mark 0",
)
TTL = {
    "ip": ("-j TTL --ttl-set 64", "-j TTL --ttl-inc 250", "-j TTL --ttl-dec 5"),
    "ip6": ("-j HL --hl-set 64", "-j HL --hl-inc 250", "-j HL --hl-dec 5"),
}


def ask(tool: str, **asked: t.Any) -> list[dict[str, t.Any]]:
    if not shutil.which(tool) or not shutil.which("ipset"):
        pytest.skip(f"{tool} or ipset is not installed")
    with Rootless() as host:
        done = subprocess.run(
            [*host._enter, sys.executable, str(Path(__file__).with_name("against_kernel.py"))],
            input=json.dumps({"tool": tool, "setup": SETS, **asked}),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env={"PYTHONPATH": str(_COLLECTIONS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, t.Any]] = json.loads(done.stdout)
    return answers


def disagreements(answers: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    return [each for each in answers if each["ours"] is not None and each["ours"] is not each["kernel"]]


@pytest.mark.parametrize("tool", ["iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft"])
def test_rules_match_what_the_kernel_says_they_match(tool: str) -> None:
    both = BOTH + (V6 if tool.startswith("ip6") else V4)
    chains = {"INPUT": both + INPUT, "OUTPUT": both + OUTPUT}
    rules = "".join(f"-A {chain} {rule}\n" for chain in chains for rule in chains[chain])
    answers = ask(tool, alone=True, text=f"*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n{rules}COMMIT\n")
    assert len(answers) == 3 * len(both + INPUT) + 2 * len(both + OUTPUT)
    assert disagreements(answers) == []
    assert [each for each in answers if each["ours"] is None and not any(known in each["rule"] for known in UNKNOWN)] == []
    assert sum(each["kernel"] for each in answers) > 100


def plausible(tool: str, chance: random.Random) -> str:
    """Tables with chains of the user's own, of matches that everybody can know and targets that change the packet."""
    family = "ip6" if tool.startswith("ip6") else "ip"
    known = [each for each in BOTH + (V6 if family == "ip6" else V4) if not any(unknown in each for unknown in (*UNKNOWN, "-m recent"))]
    text = ""
    for table, bases in (("mangle", ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]), ("filter", ["INPUT", "OUTPUT"])):
        rules = []
        for chain in (*bases, "one", "two", "three"):
            later = {"one": ("one", "two", "three"), "two": ("one", "two"), "three": ("one", "two", "three")}.get(chain, ())
            for _rule in range(chance.randint(2, 10)):
                target = chance.choice(["", *TARGETS, *TTL[family]])
                if table == "filter" and any(name in target for name in ("TTL", "HL", "TOS", "DSCP", "TCPOPT")):
                    target = chance.choice(["-j REJECT", "-j ACCEPT", ""])
                if target[3:] in later or (table == "mangle" and "REJECT" in target):
                    target = "-j RETURN"
                match = chance.choice([*MARKS, *MARKS, *known, "", "", ""])
                if "TCPOPT" in target or "REJECT" in target:
                    match = "-p tcp " + match.replace("! -p tcp", "").replace("-p tcp", "").replace("-p udp", "").replace("! -p 17", "")
                rules.append(f"-A {chain} {match} {target}\n")
        policies = "".join(f":{base} {chance.choice(['ACCEPT', 'ACCEPT', 'DROP'])}\n" for base in bases)
        text += f"*{table}\n{policies}:one -\n:two -\n:three -\n{''.join(rules)}COMMIT\n"
    return text


@pytest.mark.parametrize("tool", ["iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_packets_take_the_way_through_chains_that_the_kernel_takes(tool: str, seed: int) -> None:
    chance = random.Random(f"{tool} {seed}")
    packets = [
        [
            "syn",
            chance.random() < 0.6,
            chance.choice((22, 443, 1024, 40000)) + at,
            chance.choice((22, 443, 5432, 50000)),
            chance.choice((1, 3, 60, 64, 255)),
        ]
        for at in range(12)
    ]
    answers = ask(tool, alone=False, text=plausible(tool, chance), packets=packets)
    assert disagreements(answers) == [], f"seed {tool} {seed}"
    assert sum(each["ours"] is not None for each in answers) > len(answers) / 2
