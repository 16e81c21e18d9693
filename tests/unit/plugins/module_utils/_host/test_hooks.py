# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

READ = "(lambda netlink: hooks.read(netlink, links.links(netlink)))(netlink.Netlink(0))"


@pytest.fixture
def namespace() -> t.Iterator[Rootless]:
    with Rootless() as rootless:
        rootless.sh("ip link add eth0 type veth peer name peer0; ip link set eth0 up; ip link set peer0 up")
        yield rootless


def read(namespace: Rootless, *prefix: str) -> tuple[dict[str, t.Any], list[dict[str, str]]]:
    hooks, absent = namespace.python("_host.hooks, _host.links, _wire.netlink", READ, *prefix)
    return hooks, absent


def test_a_namespace_without_hooks_says_so(namespace: Rootless) -> None:
    hooks, absent = read(namespace)
    assert absent == []
    assert hooks == {
        "netfilter": [],
        "iptables_legacy": [],
        "tc": [],
        "ipsec_policies": {"in": 0, "out": 0, "forward": 0},
    }


def test_base_chains_are_those_that_nft_lists(namespace: Rootless) -> None:
    namespace.sh("""nft '
    table inet f {
      chain i { type filter hook input priority -5; policy drop; tcp dport 1 drop; jump x; }
      chain x { tcp dport 2 drop; }
      chain n { type nat hook postrouting priority 100; }
    }
    table ip6 s { chain o { type route hook output priority mangle; tcp dport 1 counter; }; }
    table bridge b { chain c { type filter hook forward priority 1; }; }
    table arp a { chain c { type filter hook output priority 1; }; }
    table netdev d { chain g { type filter hook ingress devices = { eth0, peer0 } priority 0; }; }'
    """)
    hooks, absent = read(namespace)
    assert absent == []
    listed = json.loads(namespace.sh("nft -j list ruleset"))["nftables"]
    rules = [(one["rule"]["family"], one["rule"]["table"], one["rule"]["chain"]) for one in listed if "rule" in one]
    expected = set()
    for chain in (one["chain"] for one in listed if "chain" in one and "hook" in one["chain"]):
        place = (chain["family"], chain["table"], chain["name"])
        for device in ("eth0", "peer0") if chain["family"] == "netdev" else (None,):  # nft 1.0 leaves several devices out of its JSON
            expected.add((*place, chain["type"], chain["hook"], device, chain["prio"], chain["policy"], rules.count(place)))
    fields = ("family", "table", "chain", "type", "hook", "device", "priority", "policy", "rules")
    assert {tuple(chain[field] for field in fields) for chain in hooks["netfilter"]} == expected
    assert len(expected) == 7


def test_legacy_tables_are_named(namespace: Rootless) -> None:
    namespace.sh("iptables-legacy -A INPUT -p tcp --dport 99 -j DROP; ip6tables-legacy -t mangle -L")
    hooks, _absent = read(namespace)
    assert hooks["iptables_legacy"] == ["ip:filter", "ip6:mangle"]
    assert hooks["netfilter"] == []


def test_traffic_control_names_filters(namespace: Rootless) -> None:
    namespace.sh("""
    tc qdisc add dev eth0 clsact
    tc filter add dev eth0 egress protocol all prio 2 bpf da bytecode '1,6 0 0 4294967295'
    tc qdisc add dev peer0 root tbf rate 1mbit burst 1540 latency 10ms
    """)
    hooks, _absent = read(namespace)
    assert sorted(hooks["tc"], key=lambda one: (one["interface"], one["direction"])) == [
        {"interface": "eth0", "direction": "egress", "kind": "clsact", "filters": ["bpf"], "redirects": [], "drops": 0, "waiting": 0},
    ]


def test_where_a_filter_sends_packets_is_named(namespace: Rootless) -> None:
    namespace.sh("""
    ip link add mon type veth peer name far; tc qdisc add dev eth0 clsact
    tc filter add dev eth0 egress protocol ip prio 1 u32 match u32 0 0 action mirred egress mirror dev mon
    tc filter add dev eth0 ingress protocol ip prio 2 u32 match u32 0 0 action mirred egress redirect dev mon
    """)
    found = {each["direction"]: each["redirects"] for each in read(namespace)[0]["tc"]}
    sent = {"to": "mon", "towards": "egress", "packets": 0}
    assert found == {"egress": [{**sent, "copies": True}], "ingress": [{**sent, "copies": False}]}


def test_what_a_shaper_dropped_is_counted(namespace: Rootless) -> None:
    # Without IPv6, whose own messages would join the queue between the two looks at it.
    namespace.sh("""
    echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6
    ip addr add 192.0.2.1/24 dev eth0; ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev eth0
    tc qdisc add dev eth0 root tbf rate 8bit burst 1540 limit 1600
    """)
    namespace.send("192.0.2.2", count=8, size=1000)
    shown = json.loads(namespace.sh("tc -s -j qdisc show dev eth0"))[0]
    assert shown["drops"] > 0
    counted = {"drops": shown["drops"], "waiting": shown["qlen"]}
    assert read(namespace)[0]["tc"] == [
        {"interface": "eth0", "direction": "egress", "kind": "tbf", "filters": [], "redirects": [], **counted}
    ]


def test_ipsec_policies_are_counted(namespace: Rootless) -> None:
    namespace.sh("ip xfrm policy add src 198.51.100.0/24 dst 192.0.2.0/24 dir in action block")
    assert read(namespace)[0]["ipsec_policies"] == {"in": 1, "out": 0, "forward": 0}


def test_without_privileges_hooks_are_absent_and_not_empty(namespace: Rootless) -> None:
    hooks, absent = read(namespace, "setpriv", "--bounding-set=-net_admin", "--inh-caps=-all", "--ambient-caps=-all")
    assert {one["what"] for one in absent} == {"hooks.netfilter", "hooks.ipsec_policies"}
    assert all("become" in one["why"] for one in absent)
    assert "netfilter" not in hooks and "ipsec_policies" not in hooks
    assert hooks["tc"] == []


def test_ipsec_policies_are_told_in_the_kernels_order(namespace: Rootless) -> None:
    namespace.sh("""
    ip xfrm policy add src 198.51.100.0/24 dst 192.0.2.1 dir in priority 200 action block
    ip xfrm policy add src 198.51.100.7 dst 192.0.2.1 proto tcp dir in priority 100 tmpl proto esp mode transport level required
    ip xfrm policy add src 2001:db8::/64 dst ::/0 dir fwd tmpl src 2001:db8::1 dst 2001:db8::2 proto ah mode tunnel level use
    ip xfrm policy add src 192.0.2.1 dst 198.51.100.7 dir out tmpl proto esp mode transport
    """)
    told = namespace.python("_host.ipsec_policies", "ipsec_policies.read()")
    assert told == [
        {
            "direction": "forward",
            "source": "2001:db8::/64",
            "destination": "::/0",
            "protocol": None,
            "priority": 0,
            "blocks": False,
            "templates": [{"protocol": "ah", "mode": "tunnel", "optional": True}],
        },
        {
            "direction": "in",
            "source": "198.51.100.7/32",
            "destination": "192.0.2.1/32",
            "protocol": 6,
            "priority": 100,
            "blocks": False,
            "templates": [{"protocol": "esp", "mode": "transport", "optional": False}],
        },
        {
            "direction": "in",
            "source": "198.51.100.0/24",
            "destination": "192.0.2.1/32",
            "protocol": None,
            "priority": 200,
            "blocks": True,
            "templates": [],
        },
    ]
