# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._firewall import prose
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import Evaluation, Explored, explore
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import Packet, Tracking, packed, text
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.xt import read
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.xt.chains import BuiltIn
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.xt.index import Index
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.xt.matches import rate
from tests.unit.examples import examples
from tests.unit.plugins.module_utils._firewall.host import LINKS, Host


def syn(port: int = 80, source: str = "198.51.100.7", destination: str = "192.0.2.1", source_port: int | None = 40001) -> Packet:
    packet = Packet("syn", packed(source), packed(destination))
    packet.rewrite(source_port=source_port, destination_port=port)
    packet.iif = LINKS["eth0"]
    packet.tracking = Tracking("new", "original")
    return packet


def base(table: str, rules: str, chain: str = "INPUT", family: str = "ip") -> BuiltIn:
    policies = "".join(f":{name} ACCEPT [0:0]\n" for name in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"))
    own = "".join(f":{name} - [0:0]\n" for name in ("one", "two"))
    lines = "".join(f"[{number}:60] {line.strip()}\n" for number, line in enumerate(rules.strip().splitlines()))
    xtables = read.from_text({family: f"*{table}\n{policies}{own}{lines}COMMIT\n"})
    assert xtables.absent == []
    return next(each for each in xtables.base_chains() if each.name == chain)


def run(table: str, rules: str, packet: Packet, chain: str = "INPUT", family: str = "ip", **host: t.Any) -> Explored:
    entered = base(table, rules, chain, family)
    return explore(lambda evaluation, mine: entered.run(mine, evaluation), packet, Host(**host))


def test_a_rule_says_what_it_is_and_where_it_stopped() -> None:
    rules = "-A INPUT -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset"
    explored = run("filter", rules, syn())
    assert explored.outcome is not None and explored.outcome.rule is not None
    assert (explored.outcome.verdict, explored.outcome.reject_with) == ("reject", "tcp-reset")
    assert explored.outcome.rule.reference() == {
        "family": "ip", "table": "filter", "chain": "INPUT", "handle": None, "number": 2, "packets": 1,
        "text": "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
    }  # fmt: skip
    assert explored.outcome.chain == {
        "family": "ip",
        "table": "filter",
        "chain": "INPUT",
        "hook": "input",
        "priority": 0,
        "manager": None,
        "legacy": True,
    }
    first, second = explored.first.path
    assert first.rule is not None and first.rule.parts() == ["-s 198.51.100.0/24", "-p tcp", "--dport 22"]
    assert (first.matched, first.stopped, first.effects) == (False, (2, "port 80"), [])
    assert (second.matched, second.effects) == (True, [("reject", "tcp-reset")])


def test_jumps_return_and_gotos_do_not() -> None:
    rules = """-A INPUT -j one
               -A INPUT -j DROP
               -A one -g two
               -A one -j ACCEPT
               -A two -m mark --mark 0x1"""
    explored = run("filter", rules, syn())
    assert explored.outcome is not None and explored.outcome.verdict == "drop"
    assert [prose.effect(step.effects, step.rule is None) for step in explored.first.path] == ["jump one", "goto two", None, "drop"]


def test_return_in_a_built_in_chain_ends_in_its_policy() -> None:
    explored = run("filter", "-A INPUT -j RETURN\n-A INPUT -j DROP", syn())
    assert explored.outcome is not None
    assert (explored.outcome.verdict, explored.outcome.rule) == ("accept", None)


def test_an_unknown_that_does_not_matter_leaves_the_verdict() -> None:
    assert run("filter", "-A INPUT -m limit --limit 5/sec -j LOG\n-A INPUT -j DROP", syn()).outcome is not None


def test_an_unknown_that_matters_is_told() -> None:
    explored = run("filter", "-A INPUT -m limit --limit 5/sec -j ACCEPT\n-A INPUT -j DROP", syn())
    assert prose.because(explored.undecided) == "it depends on the rate of -m limit --limit 5/sec: drop if not, accept if so"


def test_a_match_that_we_do_not_model_matches_or_not() -> None:
    explored = run("filter", "-A INPUT -m hypothetical --with 5 -j DROP", syn())
    assert prose.because(explored.undecided) == "it depends on -m hypothetical --with 5: we do not model it: accept if not, drop if so"


def test_a_target_that_we_do_not_model_decides_nothing() -> None:
    assert run("filter", "-A INPUT -p udp -j HYPOTHETICAL", syn()).outcome is not None
    assert prose.because(run("filter", "-A INPUT -p tcp -j HYPOTHETICAL", syn()).undecided) == "the target HYPOTHETICAL: we do not model it"


def test_rules_that_are_to_be_ignored() -> None:
    entered = base("filter", "-A INPUT -p tcp -j DROP")
    rule = entered.rules("INPUT")[0]
    assert entered.run(syn(), Evaluation(Host(), ignored=[rule])).verdict == "accept"


@pytest.mark.parametrize(
    ("chain", "rule", "ends"),
    [
        ("PREROUTING", "-j DNAT --to-destination 203.0.113.9:8080", "198.51.100.7:40001 203.0.113.9:8080"),
        ("PREROUTING", "-j DNAT --to-destination :8080", "198.51.100.7:40001 192.0.2.1:8080"),
        ("PREROUTING", "-j DNAT --to-destination 203.0.113.9:80-90", "198.51.100.7:40001 203.0.113.9:80"),
        ("PREROUTING", "-j DNAT --to-destination 203.0.113.9:8000-8010", "198.51.100.7:40001 203.0.113.9:None"),
        ("PREROUTING", "-j DNAT --to-destination 203.0.113.9:8000-8010/78", "198.51.100.7:40001 203.0.113.9:8002"),
        ("PREROUTING", "-j REDIRECT --to-ports 3128", "198.51.100.7:40001 192.0.2.1:3128"),
        ("PREROUTING", "-d 192.0.2.0/24 -j NETMAP --to 203.0.113.0/24", "198.51.100.7:40001 203.0.113.1:80"),
        ("INPUT", "-j SNAT --to-source 203.0.113.5:50-60", "203.0.113.5:None 192.0.2.1:80"),
        ("INPUT", "-j SNAT --to-source 198.51.100.1-198.51.100.9", "198.51.100.7:40001 192.0.2.1:80"),
        ("INPUT", "-d 192.0.2.0/24 -j NETMAP --to 203.0.113.0/24", "203.0.113.7:40001 192.0.2.1:80"),
    ],
)
def test_translations(chain: str, rule: str, ends: str) -> None:
    explored = run("nat", f"-A {chain} -p tcp {rule}".replace("-p tcp -d 192.0.2.0/24", "-d 192.0.2.0/24 -p tcp"), syn(), chain)
    source, source_port, destination, port = explored.packet.ends
    assert f"{text(source)}:{source_port} {text(destination)}:{port}" == ends
    assert explored.packet.tracking.destination_translated is (chain == "PREROUTING")
    assert explored.packet.tracking.source_translated is (chain == "INPUT" and "198.51.100.1-" not in rule)


def test_a_destination_from_a_range_is_not_guessed() -> None:
    explored = run("nat", "-A PREROUTING -p tcp -j DNAT --to-destination 203.0.113.1-203.0.113.9", syn(), "PREROUTING")
    assert prose.because(explored.undecided) == "which address dnat picks from its range cannot be known"


def test_a_masqueraded_packet_has_the_address_that_is_near_the_next_hop() -> None:
    packet = syn()
    packet.oif = LINKS["eth1"]
    assert text(run("nat", "-A POSTROUTING -o eth1 -j MASQUERADE", packet, "POSTROUTING").packet.source) == "198.51.100.1"


def test_translations_of_ipv6() -> None:
    packet = syn(80, "2001:db8:5::7", "2001:db8::1")
    explored = run("nat", "-A PREROUTING -p tcp -j DNAT --to-destination [2001:db8::9]:8080", packet, "PREROUTING", "ip6")
    assert (text(explored.packet.destination), explored.packet.destination_port) == ("2001:db8::9", 8080)


def test_queues_without_a_reader() -> None:
    assert run("filter", "-A INPUT -p tcp -j NFQUEUE --queue-num 5 --queue-bypass", syn()).outcome is not None
    queued = run("filter", "-A INPUT -p tcp -j NFQUEUE --queue-num 5", syn()).outcome
    assert queued is not None and (queued.verdict, queued.queue) == ("drop", 5)


def test_recent_lists_remember_within_a_packet() -> None:
    rules = (
        "-A INPUT -m recent --set --name nobody-has-this --rsource\n-A INPUT -m recent --rcheck --name nobody-has-this --rsource -j DROP"
    )
    explored = run("filter", rules, syn())
    assert explored.outcome is not None or explored.undecided is not None


def test_recent_lists_are_not_read_where_only_what_lasts_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `ufw limit` makes answers the same, whoever connected a moment ago."""
    monkeypatch.setattr(rate, "_RECENT", f"{tmp_path}/")
    rules = "-A INPUT -m recent --update --seconds 30 --hitcount 1 --name seen --rsource -j DROP\n-A INPUT -j ACCEPT"
    answers = []
    for seen in ("", "src=198.51.100.7 ttl: 64 last_seen: 4295 oldest_pkt: 1 4295\n"):
        (tmp_path / "seen").write_text(seen)
        answers += [prose.because(run("filter", rules, syn(), lasting=lasting).undecided) for lasting in (False, True)]
    assert answers[0] is None
    assert answers[1] == answers[2] == answers[3]
    assert answers[1] is not None


def test_notrack() -> None:
    packet = syn()
    packet.tracking = None
    explored = run("raw", "-A PREROUTING -p tcp -j CT --notrack", packet, "PREROUTING")
    assert explored.packet.tracking.state == "untracked"


# -- the index

_ADDRESSES = st.sampled_from(
    ["198.51.100.7/32", "198.51.100.8/32", "198.51.100.0/24", "192.0.2.1/32", "0.0.0.0/0", "198.0.100.7/255.0.255.255"]
)
_PORTS = st.sampled_from(["22", "80", "79:81", "1:65535", "40001", "40000:40010", "1024:"])


@st.composite
def _rules(draw: st.DrawFn) -> str:
    def maybe(option: str, value: st.SearchStrategy[str]) -> str:
        return f"{draw(st.sampled_from(['', '', f' {option}', f' ! {option}']))} {draw(value)}"

    parts = [maybe("-s", _ADDRESSES), maybe("-d", _ADDRESSES), maybe("-i", st.sampled_from(["eth0", "eth+", "eth1"]))]
    words = "".join(part if part.strip().startswith(("-", "!")) else "" for part in parts)
    protocol = draw(st.sampled_from(["", " -p tcp", " -p udp", " ! -p udp"]))
    ports = [maybe("--sport", _PORTS), maybe("--dport", _PORTS)]
    match = "".join(part for part in ports if part.strip().startswith(("-", "!")))
    later = ["", "", " -m state --state NEW", ' -m comment --comment "x --dport 22 y"', " -m comment --comment --dport"]
    match = f" -m tcp{match}" if match else ""
    ports = [maybe("--dports", st.sampled_from(["22", "80,81", "1:3,80", "1:65535,5"])), maybe("--sports", st.just("40001,5"))]
    several = draw(st.sampled_from(["", *(f" -m multiport {part.strip()}" for part in ports if part.strip().startswith(("-", "!")))]))
    return f"-A INPUT{words}{protocol}{draw(st.sampled_from(later))}{match + several if protocol == ' -p tcp' else ''}"


@examples(150, always=50)
@given(st.lists(_rules(), min_size=20, max_size=40), st.sampled_from([22, 80, 81]), st.sampled_from([40001, None]))
def test_the_index_leaves_out_only_what_cannot_match(rules: list[str], port: int, source_port: int | None) -> None:
    packet = syn(port, source_port=source_port)
    candidates = set(Index(rules).candidates(packet))
    entered = base("filter", "\n".join(rules))
    for at in range(len(rules)):
        evaluated = entered.rules("INPUT")[at].evaluate(packet, Evaluation(Host()))
        assert at in candidates or evaluated.matched is False, rules[at]


def test_rules_that_cannot_match_are_told_up_to_a_limit() -> None:
    rules = "\n".join(f"-A INPUT -s 10.0.{at // 256}.{at % 256}/32 -j DROP" for at in range(2000))
    explored = run("filter", rules, syn())
    assert len(explored.first.path) + explored.first.passed == 2001
    assert explored.first.passed > 1000
