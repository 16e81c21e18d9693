# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of nft as they are written are read as `nft` and the kernel read them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.nft_statements import Read, read
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.nft_words import tokens
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

SYN = {
    "packet": "syn", "direction": "in", "source": "10.0.1.11", "source_port": 40001, "destination": "10.0.2.21", "port": 5432,
    "interface": "eth0", "out_interface": None, "state": "new", "uid": None, "gid": None,
}  # fmt: skip
KNOWN = """\
tcp dport 5432 accept
tcp dport postgresql accept
tcp dport { 22, 5432 } accept
tcp dport != 5432 accept
tcp dport { 22, 80 } drop
tcp dport 5000-5999 ip saddr 10.0.1.0/24 counter accept comment "drop"
tcp dport 5432 ip saddr 10.0.1.12-10.0.1.20 accept
ip saddr != { 10.0.1.0/24, 192.0.2.1 } accept
ip6 saddr ::/0 accept
ct state established,related accept
ct state { established, new } accept
ct state vmap { established : accept, related : accept, invalid : drop }
ct state vmap { established : accept, new : jump other }
tcp dport vmap { 22 : accept, 5432 : drop }
iifname "eth*" accept
iif lo accept
iifname != "eth0" accept
iifname { "eth1", "eth0" } tcp dport 5432 accept
meta l4proto tcp accept
meta l4proto { udp, icmp } drop
meta nfproto ipv6 drop
ip6 nexthdr tcp drop
ip6 nexthdr != udp accept
ip6 saddr != fe80::/10 tcp dport 5432 accept
udp dport 5432 drop
icmp type echo-request drop
log prefix "drop " level info counter tcp dport 5432 accept
tcp dport 5432 reject with tcp reset
ip daddr 10.0.2.21 goto other
th sport 40001 return""".splitlines()
UNKNOWN = {
    "tcp flags & (fin|syn|rst|ack) == syn accept": Read(None, "accept"),
    "limit rate 5/second accept": Read(None, "accept"),
    "meta mark set 5": Read(None, None),
    "ip saddr . tcp dport { 10.0.1.11 . 5432 } accept": Read(None, "accept"),
    "ip saddr @friends accept": Read(None, "accept"),
    "ip saddr $somebody drop": Read(None, "?"),
    "ip ttl < 5 drop": Read(None, "?"),
    "tcp dport vmap @ports": Read(None, "?"),
    "tcp dport { 22-23, lots } vmap { 1 : drop }": Read(None, "?"),
    "tcp dport 5432 jump { accept; }": Read(True, "?"),
    "tcp dport": Read(None, None),
}
TABLE = "table inet t {{ chain other {{ accept\n}}\nchain input {{ type filter hook input priority 0; policy drop\n{}\n}}\n}}"
RUN = "lambda command, data=None: (lambda done: (done.returncode, done.stdout, done.stderr))("
RUN += "__import__('subprocess').run(command, input=data, capture_output=True, text=True))"


@pytest.fixture(scope="module")
def answers() -> t.Iterator[dict[str, dict[str, t.Any]]]:
    """What happens to the SYN where nft has loaded the rule, in front of a policy that drops."""
    with Rootless() as namespace:
        asked = f"[verdicts.observe([{SYN!r}], {RUN}, saved=text)['verdicts'][0] for text in {[TABLE.format(rule) for rule in KNOWN]!r}]"
        answers = namespace.python("_firewall.verdicts", asked)
    assert len(answers) == len(KNOWN)
    yield dict(zip(KNOWN, answers))


@pytest.mark.parametrize("rule", KNOWN)
def test_a_rule_is_read_as_nft_reads_it(answers: dict[str, dict[str, t.Any]], rule: str) -> None:
    matches, end, target = read(tokens(rule), SYN)
    assert matches is not None and end != "?"
    by_rule = answers[rule]["rule"]["number"] is not None
    assert matches is (by_rule or end == "return")
    if matches and end in ("jump", "goto"):
        assert answers[rule]["rule"]["chain"] == target
    elif matches and end != "return":
        assert answers[rule]["verdict"] == end


@pytest.mark.parametrize("rule", UNKNOWN)
def test_what_is_not_understood_is_unknown(rule: str) -> None:
    assert read(tokens(rule), SYN) == UNKNOWN[rule]


@pytest.mark.parametrize("rule", ["tcp sport 40001 drop", "iifname eth0 drop"])
def test_what_is_not_known_of_the_syn_is_unknown(rule: str) -> None:
    assert read(tokens(rule), {**SYN, "source_port": None, "interface": None}) == Read(None, "?")
