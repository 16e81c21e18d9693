# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways through chains, what is unknown, and what is told of it. What expressions mean is compared in test_each_expression."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall import prose
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.effect import Evaluated
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import (
    LIMIT,
    UNKNOWN,
    UNSUPPORTED,
    Explored,
    Part,
    Undecided,
    explore,
)
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.nft.read import Nftables
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import Link, Packet, Tracking, packed
from tests.unit.plugins.module_utils._firewall.host import Host

from .recording import Recording, record

PORTS = "tcp dport"


def syn(port: int = 80, source: str = "192.0.2.9", source_port: int | None = None) -> Packet:
    packet = Packet("syn", packed(source), packed("192.0.2.1" if "." in source else "2001:db8::1"))
    packet.rewrite(source_port=source_port, destination_port=port)
    packet.iif = Link(2, "eth0")
    packet.tracking = Tracking("new", "original")
    return packet


def recorded(rules: str, before: str = "", policy: str = "accept") -> Recording:
    return record(f"table inet t {{\n{before}\nchain i {{ type filter hook input priority 0; policy {policy};\n{rules}\n}}\n}}")


def evaluated(what: Recording | Nftables, packet: Packet) -> Explored:
    tables = what.nftables() if isinstance(what, Recording) else what
    chain = tables.base_chains(tables.tables["inet", "t"].compat)[0]
    return explore(lambda evaluation, mine: chain.run(mine, evaluation), packet, Host())


def verdict(found: Explored) -> str:
    return found.outcome.verdict if found.outcome else "undecided"


def test_jump_return_goto_and_policy() -> None:
    ruleset = recorded(
        f"{PORTS} 1 jump a; {PORTS} 2 goto a; {PORTS} 3 return; {PORTS} 4 jump b; {PORTS} 1-4 meta mark 0x11 accept",
        f"chain c {{ {PORTS} 4 return; drop; }}\nchain b {{ meta mark set 0x10; goto c; }}\n"
        f"chain a {{ meta mark set 0x11; {PORTS} 1-2 return; drop; }}",
        "drop",
    )
    ends = [verdict(evaluated(ruleset, syn(port))) for port in (1, 2, 3, 4, 5)]
    assert ends == ["accept", "drop", "drop", "drop", "drop"]
    told = [
        (step.rule.reference()["chain"] if step.rule else None, prose.effect(step.effects, step.rule is None))
        for step in evaluated(ruleset, syn(2)).first.path
        if step.matched
    ]
    assert told == [("i", "goto a"), ("a", "set mark 0x11"), ("a", "return"), (None, "policy drop")]


def test_path_tells_which_part_failed_and_what_the_packet_has() -> None:
    ruleset = recorded('ip saddr 192.0.2.0/24 tcp dport { 22, 80-90 } iifname "eth1" counter drop comment "hello"')
    step = evaluated(ruleset, syn()).first.path[0]
    assert step.rule is not None and step.stopped == Part(2, 'iifname "eth0"')
    assert step.rule.parts() == ["ip saddr 192.0.2.0/24", "tcp dport { 22, 80-90 }", 'iifname "eth1"']
    about = step.rule.reference()
    assert about["text"] == 'ip saddr 192.0.2.0/24 tcp dport { 22, 80-90 } iifname "eth1" counter drop comment "hello"'
    assert (about["number"], about["packets"]) == (1, 0) and about["handle"]
    assert evaluated(ruleset, syn(443)).first.path[0].stopped == Part(1, "tcp dport 443")
    assert evaluated(ruleset, syn(source="2001:db8::9")).first.path[0].stopped == Part(0, "meta nfproto ipv6")


@pytest.mark.parametrize(
    ("rules", "because"),
    [
        ("limit rate 5/second accept", "it depends on limit rate 5/second: drop if not, accept if so"),
        ("tcp sport 1024-65535 accept", "it depends on tcp sport 1024-65535: drop if not, accept if so"),
        ("tcp sport { 1-5, 8 } accept", "it depends on tcp sport { 1-5, 8 }: drop if not, accept if so"),
        ("numgen random mod 100 < 30 accept", "it depends on numgen random mod 100 < 30: drop if not, accept if so"),
        ("ct count over 5 accept", "it depends on ct count over 5: drop if not, accept if so"),
        ("tcp option sack-perm exists accept", "it depends on tcp option sack-perm exists: drop if not, accept if so"),
        ("ip ttl < 5 accept", "it depends on ip ttl < 5: drop if not, accept if so"),
        ("numgen inc mod 9 < 3 drop; numgen inc mod 9 < 3 accept", "it depends on numgen inc mod 9 < 3: drop if not, accept if so"),
        ("meta random < 9 drop; meta random < 9 accept", "it depends on meta random < 9: drop if not, accept if so"),
        ("numgen inc mod 2 vmap { 0 : accept, 1 : drop }", "it depends on numgen inc mod 2 being 0: drop if not, accept if so"),
    ],
)
def test_unknowns_are_named(rules: str, because: str) -> None:
    found = evaluated(recorded(rules, policy="drop"), syn())
    assert (found.outcome, prose.because(found.undecided)) == (None, because)


@pytest.mark.parametrize(
    "rules",
    [
        "limit rate 5/second tcp dport 22 accept",  # fails in any case
        "limit rate 5/second log; limit rate 5/second counter; " * 6,  # nothing comes of them
        "tcp sport 1024-65535 accept; tcp sport != 1024-65535 accept",  # both ways lead to the same end
        "tcp window < 1000 accept; tcp window >= 1000 accept",
        "tcp sequence 7 accept; tcp sequence != 7 accept",
        "numgen random mod 3 vmap { 0 : accept, 1 : accept, 2 : accept }",
        "ip ttl 0-255 accept",
        "tcp sport . tcp dport { 1 . 2, 3 . 4 } drop; accept",
        "update @s { ip saddr limit rate over 5/second } drop; accept",  # its first packet is within the limit
        "add @s { ip saddr }; ip saddr @s accept",
        "quota until 1 mbytes accept",
    ],
)
def test_unknowns_that_do_not_matter(rules: str) -> None:
    policy = "accept" if "limit rate 5" in rules else "drop"
    found = evaluated(recorded(rules, "set s { type ipv4_addr; size 9; flags dynamic,timeout; }", policy), syn())
    assert verdict(found) == "accept", prose.because(found.undecided)


@pytest.mark.parametrize(
    ("source", "size", "rules", "expected"),
    [
        ("192.0.2.9", 2, "update @s { ip saddr limit rate 5/second } accept", "accept"),
        ("192.0.2.9", 1, "update @s { ip saddr limit rate 5/second } accept", "drop"),
        ("192.0.2.9", 1, "limit rate 5/second update @s { ip saddr } accept", "drop"),
        ("192.0.2.7", 1, "update @s { ip saddr } accept", "accept"),  # it is there
        ("192.0.2.9", 1, "update @s { ip saddr } drop; accept", "accept"),
        ("192.0.2.9", 2, "delete @s { ip saddr }; add @s { ip saddr } accept", "accept"),  # nothing is deleted
        ("192.0.2.7", 2, "delete @s { ip saddr }; add @s { ip saddr } accept", "accept"),
        ("192.0.2.7", 1, "delete @s { ip saddr }; add @s { ip saddr } accept", "drop"),  # nft_rhash_delete() leaves it to be collected
    ],
)
def test_a_rule_that_adds_to_a_full_set_does_not_match(source: str, size: int, rules: str, expected: str) -> None:
    """nft_dynset_new(): no element is added, and the rule ends."""
    before = f"set s {{ type ipv4_addr; size {size}; flags dynamic,timeout; elements = {{ 192.0.2.7 }}; }}"
    found = evaluated(recorded(rules, before, "drop"), syn(source=source))
    assert verdict(found) == expected, prose.because(found.undecided)


@pytest.mark.parametrize(("size", "expected"), [(1, "drop"), (2, "accept")])
def test_a_key_that_is_added_does_not_meet_the_catch_all(size: int, expected: str) -> None:
    before = f"set s {{ type ipv4_addr; size {size}; flags dynamic; elements = {{ 192.0.2.7, * }}; }}"
    assert verdict(evaluated(recorded("add @s { ip saddr } accept", before, "drop"), syn(source="192.0.2.9"))) == expected


def test_an_unknown_source_port_in_a_map_is_tried_for_each_verdict() -> None:
    found = evaluated(recorded("tcp sport vmap { 1-1000 : accept, 1001-2000 : drop }", policy="accept"), syn())
    assert found.undecided == ("unknown", "which element of set __map0 it meets", "accept", "drop") or found.outcome is None


def test_xtables_without_iptables_is_undecided_only_where_it_counts() -> None:
    ruleset = recorded("tcp dport 22 accept")
    body = ruleset.answers["rules inet t i"][0]
    ruleset.answers["rules inet t i"] = [body.replace(b"immediate\0", b"mysterium\0")]
    assert verdict(evaluated(ruleset, syn(80))) == "accept"
    assert evaluated(ruleset, syn(22)).undecided == Undecided(UNSUPPORTED, "the expression mysterium is not known here")


def test_rules_of_iptables_nft_are_evaluated_by_the_xtables_part() -> None:
    asked, count = [], 1

    class Foreign:
        def evaluate(self, packet: Packet, evaluation: object, hook: str | None = None, *, supposed: object = ()) -> Evaluated:
            return Evaluated(True, None, "drop")

        def reference(self) -> dict[str, object]:
            return {"text": "-A i -m recent -j DROP"}

        def parts(self) -> list[str]:
            return ["-m recent"]

    def compat(family: str, table: str, chain: str, index: int) -> Foreign | None:
        asked.append((family, table, chain, index))
        return Foreign() if index < count else None

    ruleset = recorded("tcp dport 80 accept")
    body = ruleset.answers["rules inet t i"][0]
    ruleset.answers["rules inet t i"] = [body.replace(b"\x0e\0\1\0immediate\0\0\0", b"\x0a\0\1\0match\0\0\0\x04\0\5\0")]
    tables = ruleset.nftables()
    chain = tables.base_chains(compat)[0]  # type: ignore[arg-type]
    found = explore(lambda evaluation, mine: chain.run(mine, evaluation), syn(), Host())
    assert verdict(found) == "drop" and ("inet", "t", "i", 0) in asked
    rule = found.first.path[0].rule
    assert rule is not None and rule.reference()["text"] == "-A i -m recent -j DROP" and rule.parts() == ["-m recent"]
    count = 2  # a rule more than the kernel has: which is which?
    chain = ruleset.nftables().base_chains(compat)[0]
    assert explore(lambda evaluation, mine: chain.run(mine, evaluation), syn(), Host()).outcome is None


def test_long_chains_give_the_same_answers_as_short_ones() -> None:
    """Rules that write between rules that read, around an index."""
    rules = [f"ip saddr 192.0.2.{number % 250} tcp dport {number} counter" for number in range(300)]
    rules[150:150] = ["tcp dport 80 meta mark set 7", "meta mark 7 tcp dport 80 ip saddr 192.0.2.0/25 meta mark set 9"]
    rules += [f"meta mark {number} accept" for number in range(1, 200)]
    found = evaluated(recorded("\n".join(rules), policy="drop"), syn(source="192.0.2.80"))
    matched = [step.rule.reference()["number"] for step in found.first.path if step.matched and step.rule]
    assert verdict(found) == "accept" and matched == [81, 151, 152, 302 + 9]
    assert found.first.passed + len(found.first.path) == 302 + 9


def test_ignored_rules_are_passed_over() -> None:
    tables = recorded("tcp dport 80 drop; tcp dport 80 accept").nftables()
    chain = tables.base_chains()[0]
    rule = explore(lambda evaluation, mine: chain.run(mine, evaluation), syn(), Host()).first.path[0].rule
    assert rule is not None
    found = explore(lambda evaluation, mine: chain.run(mine, evaluation), syn(), Host(), [rule])
    assert verdict(found) == "accept"


def test_base_chains_stand_youngest_first_and_sleeping_tables_are_left_out() -> None:
    chains = "".join(f"chain {name} {{ type filter hook input priority 0; counter; }}\n" for name in ("a", "b", "c"))
    tables = record(f"table ip t {{\n{chains}}}\ntable ip z {{ flags dormant;\n{chains}}}\ntable arp y {{ chain a {{ }}\n}}").nftables()
    assert [chain.reference["chain"] for chain in tables.base_chains()] == ["c", "b", "a"]
    assert not tables.translates


def test_devices_of_netdev_chains() -> None:
    tables = record("table netdev n { chain c { type filter hook ingress devices = { eth0, eth1 } priority 5; policy drop; }\n}").nftables()
    (chain,) = tables.base_chains()
    assert (chain.family, chain.hook, sorted(chain.devices), chain.priority) == ("netdev", "ingress", ["eth0", "eth1"], 5)


def test_what_cannot_be_read_makes_undecided() -> None:
    ruleset = recorded("tcp dport @s accept", "set s { type inet_service; }")
    del ruleset.answers["elements inet t s"]
    assert "set s of table inet t could not be read" in (prose.because(evaluated(ruleset, syn()).undecided) or "")
    with pytest.raises(DecodeError):
        Nftables([b"\1\0\0\0\xff\xff\1\0"], [], ruleset, {})


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        ("limit rate 5/second accept", LIMIT),
        ("ct count over 5 accept", LIMIT),
        ("numgen random mod 100 < 30 accept", LIMIT),
        ("meta random < 9 accept", LIMIT),
        ("numgen random mod 100 vmap { 0-29 : accept, 30-99 : drop }", LIMIT),
        ("ip saddr @over-limit tcp sport 9 accept", UNKNOWN),
        ("jhash ip saddr . tcp sport mod 9 < 3 accept", UNKNOWN),
    ],
)
def test_the_kind_of_an_unknown_is_no_matter_of_names(rules: str, kind: str) -> None:
    found = evaluated(recorded(rules, "set over-limit { type ipv4_addr; elements = { 192.0.2.9 }; }", policy="drop"), syn())
    assert found.undecided and found.undecided.kind == kind


def test_effects_are_data_whatever_chains_are_called() -> None:
    ruleset = recorded(f"{PORTS} 1-4 meta mark set 0x11 jump after-dnat", "chain after-dnat {\ncounter reject with tcp reset\n}")
    path = evaluated(ruleset, syn(1)).first.path
    assert [tuple(step.effects) for step in path] == [(("set", "mark 0x11"), ("jump", "after-dnat")), (("reject", "tcp-reset"),)]
