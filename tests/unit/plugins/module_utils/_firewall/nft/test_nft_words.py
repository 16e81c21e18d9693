# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that nft joins, shortens or sorts when it loads and lists them: told in its own words."""

from __future__ import annotations

import subprocess

import pytest

from .recording import record

INET = r"""
ip6 saddr 2000::/8 accept
ip6 saddr 2001::/16 accept
ip6 saddr 2001:db8::/32 accept
ip6 daddr 2001:db8:1::/48 drop
ip6 saddr fe80::/10 accept
ip saddr 10.0.0.0/8 ip daddr 10.1.2.3 drop
ip saddr 10.0.0.1 ip daddr 10.0.0.2 drop
tcp sport 1000 tcp dport 22 drop
@th,0,32 0x350035 drop
ip protocol . th dport { tcp . 22, udp . 53 } accept
udp length 8 accept
icmp type echo-request accept
icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
ct mark set (meta mark | 0x00000010) << 8
iifname { "lo", "eth0", "abcdef0" } accept
reject
meta nfproto ipv4 reject with icmp host-unreachable
meta nfproto ipv6 reject with icmpv6 admin-prohibited
add @d { ip saddr timeout 30s limit rate 1/second }
update @d { ip saddr limit rate 1/second counter }
ip protocol vrrp drop
meta l4proto { ospf, pim } drop
""".strip().splitlines()
NAT = r"""
dnat ip to 10.0.0.7
dnat ip to 10.0.0.7:80
dnat ip6 to [2001:db8::7]:80
dnat ip to ip saddr map { 10.0.0.1 : 10.0.0.7, 10.0.0.2 : 10.0.0.8 }
dnat ip to tcp dport map { 80 : 10.0.0.7 . 8080, 443 : 10.0.0.8 . 8443 }
redirect to :3129
""".strip().splitlines()
RULESET = """
table inet t {
  set d { type ipv4_addr; size 9; flags dynamic, timeout; }
  chain pre { type filter hook input priority -300; RULES; }
  chain nat { type nat hook prerouting priority -100; NATS; }
}
"""


def listed(text: str, chain: str) -> list[str]:
    """As nft lists what it has loaded."""
    run = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", f"nft -f - && exec nft -s list chain inet t {chain}"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    done = subprocess.run(run, input=text, capture_output=True, text=True, env=environment, timeout=60, check=True)
    return [line.strip() for line in done.stdout.splitlines()[3:-2]]


@pytest.mark.parametrize("chain", ["pre", "nat"])
def test_rules_are_told_as_nft_lists_them(chain: str) -> None:
    prefixed = ["tcp dport 80 " + rule if "tcp dport" not in rule else rule for rule in NAT]
    text = RULESET.replace("RULES", "; ".join(INET)).replace("NATS", "; ".join(prefixed))
    bases = {each.chain.name: each.chain for each in record(text).nftables().base_chains()}
    ours = [bases[chain].rule(index).reference()["text"] for index in range(len(bases[chain].bodies))]
    assert ours == listed(text, chain)
