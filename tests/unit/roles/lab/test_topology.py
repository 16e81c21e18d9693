# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology as text: what `ip -batch` is told, and what is said about mistakes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[4]
sys.path.append(str(CHECKOUT / "roles" / "lab" / "files"))

from inventory import inventory_text  # noqa: E402
from topology import LabError, fabric_batch, host_batch, hosts_file, parse  # noqa: E402

ROUTED = {
    "hosts": {
        "web1": {
            "groups": ["clients"],
            "interfaces": {"eth0": {"segment": "front", "addresses": ["10.0.1.11/24", "2001:db8:1::11/64"]}},
            "routes": ["default via 10.0.1.1"],
            "vars": {"colour": "{{ not_a_template }}"},
        },
        "r1": {"forward": True, "interfaces": {"eth0": {"segment": "front", "addresses": ["10.0.1.1/24"]}}},
        "alone": None,
    }
}


def test_wires_go_from_switch_ports_into_hosts() -> None:
    assert fabric_batch(parse(ROUTED), {"web1": "7", "r1": "8", "alone": "9"}).splitlines() == [
        "link add name front up type bridge mcast_snooping 0",
        "link add name web1.eth0 up master front type veth peer name eth0 netns 7",
        "link add name r1.eth0 up master front type veth peer name eth0 netns 8",
    ]


def test_a_host_is_configured_in_one_batch() -> None:
    assert host_batch(parse(ROUTED)[0]).splitlines() == [
        "link set lo up",
        "link set eth0 up",
        "address add 10.0.1.11/24 dev eth0",
        "address add 2001:db8:1::11/64 dev eth0 nodad",
        "route add default via 10.0.1.1",
    ]


def test_forwarding_is_for_both_families() -> None:
    assert parse(ROUTED)[1].sysctls == {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}


def test_every_host_knows_every_name() -> None:
    assert hosts_file(parse(ROUTED)).splitlines() == [
        "127.0.0.1 localhost",
        "::1 localhost",
        "10.0.1.11 web1",
        "2001:db8:1::11 web1",
        "10.0.1.1 r1",
    ]


def test_the_inventory_is_yaml_with_everything_on_each_host() -> None:
    processes = {name: {"pid": number, "started": 100 + number} for number, name in enumerate(("web1", "r1", "alone"), start=7)}
    inventory = yaml.safe_load(inventory_text(parse(ROUTED), processes, "/usr/bin/python3"))
    assert inventory["all"]["children"] == {"clients": {"hosts": {"web1": {}}}}
    assert inventory["all"]["hosts"]["web1"] == {
        "ansible_connection": "threeway.handshake.netns",
        "ansible_pipelining": True,
        "diagnose_depth": "quick",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_become": False,
        "ansible_netns_pid": 7,
        "ansible_netns_started": 107,
        "handshake_address": "10.0.1.11",
        "handshake_addresses": ["10.0.1.11", "2001:db8:1::11"],
        "colour": "{{ not_a_template }}",
    }
    assert "handshake_address" not in inventory["all"]["hosts"]["alone"]


@pytest.mark.parametrize(
    ("topology", "sentence"),
    [
        (None, "The topology has no hosts: it must be a mapping with the key 'hosts', host names to descriptions."),
        ({"hosts": []}, "The topology has no hosts: it must be a mapping with the key 'hosts', host names to descriptions."),
        (
            {"hosts": {"Web-1": {}}},
            "Host 'Web-1' of the topology: a name is made of a-z, 0-9 and _, begins with a letter, and is not 'fabric'.",
        ),
        (
            {"hosts": {"fabric": {}}},
            "Host 'fabric' of the topology: a name is made of a-z, 0-9 and _, begins with a letter, and is not 'fabric'.",
        ),
        ({"hosts": {"a": "b"}}, "Host 'a' of the topology must be a mapping, not 'b'."),
        (
            {"hosts": {"a": {"route": []}}},
            "Host 'a' of the topology has the unknown field 'route'; known are forward, groups, interfaces, listen, routes, sysctls, vars.",
        ),
        (
            {"hosts": {"a": {"interfaces": {"eth0": {}}}}},
            "Host 'a' of the topology: interface 'eth0' needs 'segment' and may have 'addresses', nothing else.",
        ),
        (
            {"hosts": {"a": {"interfaces": {"eth0": {"segment": "s", "addresses": ["10.0.0.1/33"]}}}}},
            "Host 'a' of the topology: interface 'eth0' has the address '10.0.0.1/33', which is none: "
            "'10.0.0.1/33' does not appear to be an IPv4 or IPv6 interface.",
        ),
        (
            {"hosts": {"a_long_name": {"interfaces": {"eth10": {"segment": "s"}}}}},
            "Host 'a_long_name' of the topology: 'a_long_name.eth10' names a switch port and may not be longer than 15 characters.",
        ),
        ({"hosts": {"a": {"listen": [70000]}}}, "Host 'a' of the topology: 70000 in 'listen' is not a TCP port (1 to 65535)."),
        (
            {"hosts": {"a": {"routes": ["default\nlink delete eth0"]}}},
            "Host 'a' of the topology: the route 'default\\nlink delete eth0' must be one line as for 'ip route add'.",
        ),
        ({"hosts": {"a": {"interfaces": ["eth0"]}}}, "Host 'a' of the topology: 'interfaces' must be a mapping, not ['eth0']."),
        ({"hosts": {"a": {"routes": "default"}}}, "Host 'a' of the topology: 'routes' must be a list, not 'default'."),
    ],
)
def test_a_mistake_is_one_sentence_with_the_value(topology: Any, sentence: str) -> None:
    with pytest.raises(LabError) as caught:
        parse(topology)
    assert str(caught.value) == sentence
