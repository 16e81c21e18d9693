# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules as we write them, and as nft does."""

from __future__ import annotations

import subprocess

import pytest

from .recording import record

SAME = r"""
tcp dport 80 accept
tcp dport { 22, 80-90 } counter drop
tcp dport != 22 drop
tcp sport 1024-65535 accept
tcp flags syn accept
ip saddr 10.0.0.0/8 accept
ip saddr 10.0.0.0/9 accept
ip saddr != 10.0.0.0/8 tcp dport 22 drop
ip saddr 10.0.0.1-10.0.0.9 accept
ip saddr { 10.0.0.0/8, 192.0.2.1 } accept
ip6 saddr fe80::/10 accept
ip6 daddr 2001:db8::1 accept
ip ttl < 5 drop
ip dscp cs1 accept
ct state established,related accept
ct state vmap { invalid : drop, established : accept }
ct status dnat accept
ct original ip daddr 192.0.2.1 accept
iifname "eth0" accept
iifname "eth*" oifname != "lo" accept
iif "lo" accept
meta mark 0x00000001 accept
meta mark & 0x000000f0 == 0x00000010 accept
meta mark set 0x00000007
ct mark set meta mark
meta skuid 1000 accept
meta l4proto { tcp, udp } th dport 53 accept
limit rate 5/second accept
limit rate over 10/minute burst 3 packets drop
numgen random mod 100 < 30 drop
meta random < 9 drop
fib saddr . iif oif missing drop
fib daddr type local accept
tcp option maxseg size 1400 accept
tcp option timestamp exists accept
log prefix "dropped: " drop
reject with tcp reset
reject with icmpx admin-prohibited
tcp dport vmap { 22 : accept, 80 : jump other }
ip saddr . tcp dport { 192.0.2.1 . 22, 192.0.2.2 . 80 } accept
update @d { ip saddr limit rate 5/second } accept
ip saddr @d accept
counter name "n" accept comment "what it is for"
notrack
goto other
""".strip().splitlines()

RULESET = """
table inet t {
  set d { type ipv4_addr; size 9; flags dynamic; }
  counter n { }
  chain other { }
  chain pre { type filter hook prerouting priority -300; RULES; }
}
"""
LIST = "nft -f - && exec nft -s list chain inet t pre"


@pytest.fixture(scope="module")
def both() -> tuple[list[str], list[str]]:
    text = RULESET.replace("RULES", "; ".join(SAME))
    chain = record(text).nftables().base_chains()[0].chain
    ours = [chain.rule(index).reference()["text"] for index in range(len(chain.bodies))]
    run = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", LIST]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    done = subprocess.run(run, input=text, capture_output=True, text=True, env=environment, timeout=60, check=True)
    nfts = [line.strip().replace(" burst 5 packets", "") for line in done.stdout.splitlines()]  # which nft 1.0 does not print
    return ours, nfts[nfts.index(next(line for line in nfts if line.startswith("type "))) + 1 : -2]


@pytest.mark.parametrize("number", range(len(SAME)), ids=SAME)
def test_as_nft_writes_it(both: tuple[list[str], list[str]], number: int) -> None:
    ours, nfts = both
    assert len(ours) == len(nfts) == len(SAME)
    assert ours[number] == nfts[number]
