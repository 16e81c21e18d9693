# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host.policy_rules import TABLES
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

NETWORK = """
for i in 0 1; do
  ip link add eth$i type veth peer name peer$i
  ip link set peer$i up; ip link set eth$i up
  ip addr add 10.$i.0.1/24 dev eth$i; ip -6 addr add 2001:db8:$i::1/64 dev eth$i nodad
done
ip route add default via 10.0.0.254
ip route add blackhole 203.0.113.0/24; ip route add prohibit 198.51.100.0/24; ip route add unreachable 192.0.2.0/24
ip route add 192.0.2.128/25 via 10.0.0.253 mtu 1400
ip route add 10.99.0.0/16 nexthop via 10.0.0.254 nexthop via 10.1.0.254 weight 3
ip route add 10.98.0.0/16 via inet6 2001:db8::fe dev eth0
ip route add throw 100.64.0.0/10 table 100; ip route add default via 10.1.0.254 table 100
ip route add default via 10.1.0.253 table 101
ip route add default via 10.1.0.251 table 106
ip route add default via 10.1.0.250 table 107
ip rule add pref 90 lookup 254 suppress_prefixlength 0
ip rule add pref 100 fwmark 7/0xff lookup 100
ip rule add pref 101 from 10.1.0.1 lookup 101
ip rule add pref 103 to 10.66.0.0/16 prohibit
ip rule add pref 104 to 10.67.0.0/16 unreachable
ip rule add pref 105 to 10.68.0.0/16 blackhole
ip rule add pref 106 ipproto tcp dport 5432-5433 lookup 106
ip rule add pref 107 uidrange 0-0 oif eth1 lookup 107
ip rule add pref 108 iif peer0 lookup 107
ip rule add pref 109 not from all to 0.0.0.0/0 lookup 107
ip -6 route add default via 2001:db8::fe
ip -6 route add blackhole 2001:db8:b::/48; ip -6 route add prohibit 2001:db8:c::/48; ip -6 route add unreachable 2001:db8:d::/48
ip -6 route add 2001:db8:99::/48 nexthop via 2001:db8::fe nexthop via 2001:db8:1::fe
ip -6 route add default via 2001:db8:1::fe table 101
ip -6 rule add pref 101 from 2001:db8:1::1 lookup 101
ip -6 rule add pref 105 to 2001:db8:e::/48 blackhole
"""


def passed_over(gateway: str, table: int) -> dict[str, t.Any]:
    """The way by eth1 without a source."""
    return {"interface": "eth1", "gateway": gateway, "table": table, "prefix": "0.0.0.0/0"}


ERRORS = {
    "Network is unreachable": "ENETUNREACH",
    "No route to host": "EHOSTUNREACH",
    "Invalid argument": "EINVAL",
    "Permission denied": "EACCES",
    "Invalid cross-device link": "EXDEV",
}
# The question, and what must be told beyond what `ip route get` tells.
CASES: list[tuple[dict[str, t.Any], dict[str, t.Any]]] = [
    ({"remote": "192.0.2.200"}, {"prefix": "192.0.2.128/25", "rule": 90, "mtu": 1400}),
    ({"remote": "198.18.0.1"}, {"prefix": "0.0.0.0/0", "rule": 32766, "type": "unicast"}),
    ({"remote": "198.18.0.1", "local": "10.0.0.1"}, {"rule": 32766, "source": "10.0.0.1"}),
    ({"remote": "198.18.0.1", "local": "10.1.0.1"}, {"rule": 101, "table": 101}),
    ({"remote": "198.18.0.1", "mark": 0x107}, {"rule": 100, "table": 100}),
    ({"remote": "100.64.1.1", "mark": 7}, {"rule": 32766, "table": 254}),
    ({"remote": "198.18.0.1", "oif": "eth1", "uid": 0}, {"rule": 101, "sourceless": passed_over("10.1.0.250", 107)}),
    ({"remote": "198.18.0.1", "remote_port": 5433}, {"rule": 101, "table": 101, "sourceless": passed_over("10.1.0.251", 106)}),
    ({"remote": "198.18.0.1", "local": "10.0.0.1", "remote_port": 5433}, {"rule": 106, "table": 106, "sourceless": None}),
    ({"remote": "198.18.0.1", "remote_port": 5434}, {"rule": 32766}),
    ({"remote": "10.98.1.1"}, {"gateway": "2001:db8::fe"}),
    ({"remote": "10.0.0.1"}, {"type": "local", "rule": 0, "prefix": "10.0.0.1/32"}),
    ({"remote": "10.0.0.255"}, {"type": "broadcast"}),
    ({"remote": "203.0.113.5"}, {"type": "blackhole", "prefix": "203.0.113.0/24", "rule": 90, "error": "EINVAL"}),
    ({"remote": "198.51.100.1"}, {"type": "prohibit", "prefix": "198.51.100.0/24", "rule": 90, "error": "EACCES"}),
    ({"remote": "192.0.2.1"}, {"type": "unreachable", "prefix": "192.0.2.0/24", "rule": 90, "error": "EHOSTUNREACH"}),
    ({"remote": "10.66.0.1"}, {"type": "prohibit", "rule": 103, "table": None}),
    ({"remote": "10.67.0.1"}, {"type": "unreachable", "rule": 104, "error": "ENETUNREACH"}),
    ({"remote": "10.68.0.1"}, {"type": "blackhole", "rule": 105}),
    ({"remote": "198.18.0.1", "local": "198.18.5.5"}, {"type": None}),
    ({"remote": "10.0.0.77", "local": "10.0.0.1", "iif": "eth0"}, {"type": "local", "rule": 0}),
    ({"remote": "10.1.0.77", "local": "10.0.0.1", "iif": "eth0"}, {"type": None}),  # rp_filter: EXDEV before Linux 6.13, then EINVAL
    ({"remote": "127.0.0.5", "local": "10.0.0.1", "iif": "eth0"}, {"error": "EINVAL", "type": None}),
    ({"remote": "10.0.0.5", "local": "10.9.0.1", "iif": "eth0"}, {"error": "EHOSTUNREACH"}),
    ({"remote": "2001:db8:77::1"}, {"rule": 32766, "prefix": "::/0"}),
    ({"remote": "2001:db8:77::1", "local": "2001:db8:1::1"}, {"rule": 101, "gateway": "2001:db8:1::fe"}),
    ({"remote": "2001:db8:b::1"}, {"type": "blackhole", "prefix": "2001:db8:b::/48", "error": "EINVAL"}),
    ({"remote": "2001:db8:c::1"}, {"type": "prohibit", "prefix": "2001:db8:c::/48", "error": "EACCES"}),
    ({"remote": "2001:db8:d::1"}, {"type": "unreachable", "error": "EHOSTUNREACH"}),
    ({"remote": "2001:db8:e::1"}, {"type": "blackhole", "rule": 105}),
    ({"remote": "2001:db8:1::7", "local": "2001:db8::1", "iif": "eth0"}, {"type": "local"}),
]
ANSWERS = """(lambda netlink: (lambda indices, rules: [
    routes.answer(netlink, routes.Question(**{**dict(local=None), **question}), indices, rules) for question in QUESTIONS
])({link['name']: link['index'] for link in links.links(netlink)}, policy_rules.rules(netlink)))(netlink.Netlink(0))"""


@pytest.fixture(scope="module")
def network() -> t.Iterator[Rootless]:
    with Rootless() as namespace:
        namespace.sh(NETWORK)
        namespace.sh("sysctl -qw net.ipv4.conf.eth0.rp_filter=1")
        yield namespace


@pytest.fixture(scope="module")
def answers(network: Rootless) -> list[dict[str, t.Any]]:
    questions = repr([question for question, _expected in CASES])
    return list(network.python("_host.links, _wire.netlink, _host.routes, _host.policy_rules", ANSWERS.replace("QUESTIONS", questions)))


def ip_route_get(network: Rootless, question: dict[str, t.Any]) -> dict[str, t.Any] | str:
    """What iproute2 answers: an object, or the name of the error."""
    local, remote = question.get("local"), question["remote"]
    source, destination = (remote, local) if "iif" in question else (local, remote)
    words = ["ip", "-j", "route", "get", destination, *(["from", source] if source else []), "ipproto", "tcp"]
    for word, name in (("mark", "mark"), ("uid", "uid"), ("iif", "iif"), ("oif", "oif"), ("dport", "remote_port")):
        words += [word, str(question[name])] if name in question else []
    text = network.sh(" ".join(words), check=False)
    for sentence, error in ERRORS.items():
        if sentence in text:
            return error
    return dict(json.loads(text)[0])


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: " ".join(map(str, CASES[number][0].values())))
def test_the_answer_is_what_iproute2_prints(number: int, network: Rootless, answers: list[dict[str, t.Any]]) -> None:
    question, expected = CASES[number]
    answer = answers[number]
    passed_over = answer["sourceless"]
    if passed_over:  # connect() looks the route up once more for the source that it has chosen
        assert passed_over["gateway"] == ip_route_get(network, question)["gateway"]  # type: ignore[index]
    shown = ip_route_get(network, {**question, "local": answer["source"]} if passed_over else question)
    if isinstance(shown, str):
        assert answer["error"] == shown
    else:
        assert answer["error"] is None
        assert answer["type"] == shown.get("type", "unicast")
        assert answer["interface"] == shown["dev"]
        assert answer["gateway"] == shown.get("gateway", shown.get("via", {}).get("host"))
        assert TABLES.get(answer["table"], str(answer["table"])) == shown.get("table", "main")
        if "prefsrc" in shown:
            assert answer["source"] == shown["prefsrc"]
        assert answer["mtu"] == next((metric["mtu"] for metric in shown.get("metrics", []) if "mtu" in metric), None)
    assert {name: answer[name] for name in expected} == expected
    assert {name: answer[name] for name in question} == question


@pytest.mark.parametrize(
    ("remote", "gateways"), [("10.99.1.1", ["10.0.0.254", "10.1.0.254"]), ("2001:db8:99::1", ["2001:db8::fe", "2001:db8:1::fe"])]
)
def test_all_next_hops_of_a_multipath_route_are_told(remote: str, gateways: list[str], network: Rootless) -> None:
    expression = ANSWERS.replace("QUESTIONS", repr([{"remote": remote}]))
    answer = network.python("_host.links, _wire.netlink, _host.routes, _host.policy_rules", expression)[0]
    assert [hop["gateway"] for hop in answer["multipath"]] == gateways
    assert [hop["interface"] for hop in answer["multipath"]] == ["eth0", "eth1"]
    assert answer["gateway"] in gateways
    assert sum(hop["weight"] for hop in answer["multipath"]) == (4 if "." in remote else 2)


def test_next_hops_stand_in_one_order_whichever_of_them_the_kernel_chose(network: Rootless) -> None:
    remotes = [f"2001:db8:99::{number:x}" for number in range(1, 65)]
    expression = ANSWERS.replace("QUESTIONS", repr([{"remote": remote} for remote in remotes]))
    answers = network.python("_host.links, _wire.netlink, _host.routes, _host.policy_rules", expression)
    assert len({answer["gateway"] for answer in answers}) == 2
    assert len({repr(answer["multipath"]) for answer in answers}) == 1


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"remote": "192.0.2.1", "local": "2001:db8::1"}, "address families"),
        ({"remote": "192.0.2.1", "oif": "eth9"}, "no interface eth9"),
        ({"remote": "192.0.2.1", "iif": "eth0"}, "local is missing"),
    ],
)
def test_a_question_that_cannot_be_put_says_why(question: dict[str, t.Any], sentence: str, network: Rootless) -> None:
    with pytest.raises(AssertionError, match=sentence):
        network.python("_host.links, _wire.netlink, _host.routes, _host.policy_rules", ANSWERS.replace("QUESTIONS", repr([question])))


def test_rules_read_like_those_of_iproute2(network: Rootless) -> None:
    rules = network.python(
        "_wire.netlink, _host.policy_rules", "[(r.family, r.priority, r.text()) for r in policy_rules.rules(netlink.Netlink(0))]"
    )
    for family, option in (("ipv4", "-4"), ("ipv6", "-6")):
        shown = [line.split(":\t") for line in network.sh(f"ip {option} rule").splitlines()]
        assert [[str(priority), text] for of, priority, text in rules if of == family] == [
            [priority, " ".join(text.split())] for priority, text in shown
        ]


INWARD = """
ip link add eth0 type veth peer name peer0; ip link set peer0 up; ip link set eth0 up; ip addr add 10.0.0.1/24 dev eth0
ip route add default via 10.0.0.254
"""
BEHIND = "ip rule add pref 100 from 10.9.0.0/16 lookup 1; ip rule add pref 100 lookup local; ip rule del pref 0 lookup local"
WAY = (
    "routes.answer(link, routes.Question(local='10.0.0.1', remote=remote), {one['name']: one['index'] for one in links.links(link)}, rules)"
)
TAKEN_IN = (
    f"(lambda link, rules: [routes.inward({WAY}, rules) for remote in ('10.9.0.1', '10.8.0.1')])"
    "(netlink.Netlink(0), policy_rules.rules(netlink.Netlink(0)))"
)


def test_how_a_packet_is_taken_in_is_asked_only_behind_a_policy_rule() -> None:
    modules = "_host.links, _wire.netlink, _host.routes, _host.policy_rules"
    with Rootless() as network:
        network.sh(INWARD)
        assert network.python(modules, TAKEN_IN) == [[], []]
        network.sh(f"ip route add default via 10.0.0.254 table 1; {BEHIND}")
        (ruled, *_of_the_gateway), other = network.python(modules, TAKEN_IN)
        assert (ruled[0], ruled[1], ruled[4], other) == ("10.0.0.1", "10.9.0.1", "eth0", [])
        question = {"local": "10.0.0.1", "remote": "10.9.0.1", "iif": "eth0"}
        asked = network.python(modules, ANSWERS.replace("QUESTIONS", repr([question])))[0]
        assert (asked["error"], asked["rule"], asked["table"]) == ("EHOSTUNREACH", 100, 1)  # it does not forward
        network.sh("echo 1 > /proc/sys/net/ipv4/ip_forward; ip route add 10.9.0.0/16 via 10.0.0.254")
        asked = network.python(modules, ANSWERS.replace("QUESTIONS", repr([question])))[0]
        assert (asked["error"], asked["type"], asked["rule"], asked["table"]) == (None, "unicast", 100, 1)


def test_two_tables_with_one_way_pass_nothing_over() -> None:
    """As on a host that is routed by its source, with the default gateway in its own table, too."""
    with Rootless() as namespace:
        namespace.sh("""
            ip link add eth0 type veth peer name peer0; ip link set peer0 up; ip link set eth0 up; ip addr add 10.0.1.5/24 dev eth0
            for table in main 100; do
              ip route add default via 10.0.1.1 table $table
              ip route add 10.9.0.0/16 table $table nexthop via 10.0.1.1 nexthop via 10.0.1.2 weight 2
            done
            ip route add 10.8.0.0/16 nexthop via 10.0.1.1 nexthop via 10.0.1.2
            ip rule add from 10.0.1.5 lookup 100""")
        questions = [{"remote": f"10.{net}.0.{host}"} for net in (7, 9, 8) for host in range(1, 9)]
        expression = ANSWERS.replace("QUESTIONS", repr(questions))
        answers = namespace.python("_host.links, _wire.netlink, _host.routes, _host.policy_rules", expression)
    assert {(each["table"], each["sourceless"] is None) for each in answers[:16]} == {(100, True)}
    assert {(each["table"], (each["sourceless"] or {}).get("table")) for each in answers[16:]} == {(100, 254)}


def test_routes_for_certain_sources_are_told_where_there_is_no_other() -> None:
    with Rootless() as namespace:
        namespace.sh("""
            ip link add eth0 type veth peer name peer0; ip link set peer0 up; ip link set eth0 up
            ip -6 addr add 2001:db8:1::5/64 dev eth0 nodad; ip -6 addr add 2001:db8:9::5/64 dev eth0 nodad
            ip -6 route add default from 2001:db8:9::/64 via 2001:db8:1::1; ip -6 route add default from 2001:db8:8::/64 via 2001:db8:1::1
            ip -6 route add unreachable 2001:db8:7::/64 from 2001:db8:9::/64""")
        asked = [{"remote": "2001:db8:2::1"}, {"remote": "2001:db8:2::1", "local": "2001:db8:9::5"}, {"remote": "2001:db8:1::7"}]
        expression = ANSWERS.replace("QUESTIONS", repr([*asked, {"remote": "2001:db8:7::1"}]))
        answers = namespace.python("_host.links, _wire.netlink, _host.routes, _host.policy_rules", expression)
    both = ["2001:db8:8::/64", "2001:db8:9::/64"]
    told = [(each["error"], sorted(each["only_from"]), each["type"]) for each in answers]
    assert told == [("ENETUNREACH", both, None), (None, [], "unicast"), (None, [], "unicast"), ("ENETUNREACH", both, None)]


def test_a_route_that_leaves_it_to_others_is_told_where_they_lead_nowhere() -> None:
    with Rootless() as namespace:
        namespace.sh("""
            ip link add eth0 type veth peer name peer0; ip link set peer0 up; ip link set eth0 up; ip addr add 10.0.1.5/24 dev eth0
            ip route add default via 10.0.1.1 table 100; ip route add throw 10.9.0.0/16 table 100; ip route add throw 10.0.1.0/24 table 100
            ip rule add lookup 100 priority 90""")
        expression = ANSWERS.replace("QUESTIONS", repr([{"remote": f"10.{net}.7"} for net in ("9.0", "8.0", "0.1")]))
        answers = namespace.python("_host.links, _wire.netlink, _host.routes, _host.policy_rules", expression)
    told = [(each["error"], each["type"], each["prefix"], each["table"], each["rule"]) for each in answers]
    assert told == [
        ("ENETUNREACH", "throw", "10.9.0.0/16", 100, 90),
        (None, "unicast", "0.0.0.0/0", 100, 90),
        (None, "unicast", "10.0.1.0/24", 254, 32766),
    ]
