# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

NETWORK = """
ip link add br0 type bridge; ip link set br0 up
ip link add eth0 mtu 1400 type veth peer name peer0; ip link set eth0 up; ip link set peer0 up; ip link set peer0 master br0
ip link add down0 type veth peer name down1; ip link set down0 up
ip addr add 192.0.2.1/24 dev eth0; ip addr add 192.0.2.9 peer 198.51.100.9/32 dev eth0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad
ip -6 addr add 2001:db8::2/64 dev eth0 nodad preferred_lft 0
ip link add overlay type vxlan id 1 dstport 8472 dev eth0; ip link set overlay up
ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev eth0
ip neigh add 2001:db8::7 lladdr 02:00:00:00:00:07 dev eth0 nud stale
for i in $(seq 50); do ip link show br0 | grep -q "state UP" && break; sleep 0.1; done
"""


@pytest.fixture(scope="module")
def network() -> t.Iterator[Rootless]:
    with Rootless() as namespace:
        namespace.sh(NETWORK)
        yield namespace


def test_links_are_those_of_iproute2(network: Rootless) -> None:
    links = network.python("_host.links, _wire.netlink", "links.links(netlink.Netlink(0))")
    shown = json.loads(network.sh("ip -j -d link"))
    assert [
        (one["index"], one["name"], one["mtu"], one["mac"], one["up"], one["carrier"], one["operstate"], one["kind"], one["master"])
        for one in links
    ] == [
        (
            one["ifindex"],
            one["ifname"],
            one["mtu"],
            one["address"],
            "UP" in one["flags"],
            "LOWER_UP" in one["flags"],
            one["operstate"].lower(),
            one.get("linkinfo", {}).get("info_kind"),
            one.get("master"),
        )
        for one in shown
    ]
    assert not any(one["xdp"] or one["vrf"] for one in links)
    assert [one["arp"] for one in links] == ["NOARP" not in one["flags"] for one in shown]


def test_tunnels_tell_the_port_that_carries_them(network: Rootless) -> None:
    links = network.python("_host.links, _wire.netlink", "links.links(netlink.Netlink(0))")
    shown = {one["ifname"]: one.get("linkinfo", {}).get("info_data", {}) for one in json.loads(network.sh("ip -j -d link"))}
    assert {one["name"]: one["udp_port"] for one in links} == {name: data.get("port") for name, data in shown.items()}
    assert {one["name"]: one["vni"] for one in links} == {name: data.get("id") for name, data in shown.items()}
    assert {one["udp_port"] for one in links} == {None, 8472}


def test_ports_of_bridges_tell_their_state(network: Rootless) -> None:
    def ports() -> dict[str, list[object]]:
        links = network.python("_host.links, _wire.netlink", "links.links(netlink.Netlink(0))")
        return {one["name"]: [one["port_state"], one["hairpin"]] for one in links if one["port_state"] or one["name"] == "eth0"}

    assert ports() == {"eth0": [None, None], "peer0": ["forwarding", False]}
    network.sh("bridge link set dev peer0 hairpin on; bridge link set dev peer0 state 1")
    assert ports()["peer0"] == ["listening", True]
    network.sh("bridge link set dev peer0 hairpin off; bridge link set dev peer0 state 3")


def test_neighbours_that_have_a_link_address_are_known(network: Rootless) -> None:
    index = network.sh("cat /sys/class/net/eth0/ifindex").strip()
    found = network.python("_host.links", f"links.known_neighbours({{'eth0': {index}}})")
    assert [(one["address"], one["mac"]) for one in found] == [("192.0.2.2", "02:00:00:00:00:02"), ("2001:db8::7", "02:00:00:00:00:07")]
    assert network.python("_host.links", "links.known_neighbours({})") == []


def test_lost_packets_are_counted_per_link(network: Rootless) -> None:
    assert network.python("_host.links, _wire.netlink", "links.links(netlink.Netlink(0))[0]['drops']") == {}
    send = 'import socket as s; a = s.socket(s.AF_PACKET, s.SOCK_DGRAM, 0); a.sendto(bytes(50), ("lo", 0x9999))'
    network.sh(f"python3 -c '{send}'")
    shown = json.loads(network.sh("ip -j -s link show lo"))[0]["stats64"]["rx"]["dropped"]
    assert shown == 1  # no protocol wants it
    assert network.python("_host.links, _wire.netlink", "links.links(netlink.Netlink(0))[0]['drops']") == {"rx_dropped": shown}


def test_addresses_are_those_of_iproute2(network: Rootless) -> None:
    found = network.python(
        "_host.links, _wire.netlink",
        "(lambda netlink: links.addresses(netlink, {one['index']: one['name'] for one in links.links(netlink)}))(netlink.Netlink(0))",
    )
    shown = json.loads(network.sh("ip -j addr"))
    expected = {(link["ifname"], address["local"], address["prefixlen"]) for link in shown for address in link["addr_info"]}
    assert {(one["interface"], one["address"], one["prefix"]) for one in found} == expected
    flags = {one["address"]: one["flags"] for one in found}
    assert flags["2001:db8::2"] == ["nodad", "deprecated"]
    assert flags["192.0.2.1"] == []
    assert "192.0.2.9" in flags and "198.51.100.9" not in flags


def test_neighbours_asked_for_are_told_and_unknown_ones_are_missing(network: Rootless) -> None:
    wanted = [("192.0.2.2", "eth0"), ("192.0.2.3", "eth0"), ("2001:db8::7", "eth0"), ("192.0.2.2", "down0")]
    found = network.python(
        "_host.links, _wire.netlink",
        f"(lambda n: links.neighbours(n, {wanted}, {{one['name']: one['index'] for one in links.links(n)}}))(netlink.Netlink(0))",
    )
    assert found == [
        {"address": "192.0.2.2", "interface": "eth0", "mac": "02:00:00:00:00:02", "state": "PERMANENT"},
        {"address": "2001:db8::7", "interface": "eth0", "mac": "02:00:00:00:00:07", "state": "STALE"},
    ]
