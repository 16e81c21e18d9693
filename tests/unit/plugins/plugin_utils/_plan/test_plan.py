# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501
"""Flows become work orders; whatever is wrong with them becomes one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan import flows as _flows
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan import options as _options
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan import orders
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Entry, Plan

INVENTORY = {
    "web1": "10.0.1.11",
    "web2": "10.0.1.12",
    "db1": "10.0.2.21",
    "db2": "2001:db8:0::22",
    "r1": "10.0.1.1",
    "named": "named",
    "path": "10.0.9.9",
}
GROUPS = {"web": ["web1", "web2"], "db": ["db1", "db2"], "all": list(INVENTORY), "empty": []}


def hosts(pattern: str) -> list[str]:
    found: list[str] = []
    for name in pattern.split(":"):
        if name not in INVENTORY and name not in GROUPS:
            raise LookupError(f"the inventory has no host or group '{name}'")
        found += GROUPS.get(name, [name])
    return found


def service_port(name: str) -> int:
    if name != "https":
        raise OSError("service/proto not found")
    return 443


def read(flows: object) -> list[_flows.Flow]:
    return _flows.read(flows, service_port)


def plan(*flows: object, play_hosts: Any = None, address_of: Any = INVENTORY.__getitem__, **options: Any) -> Plan:
    return orders.build(
        read(list(flows)),
        run="20261121T040000-3f2a91",
        hosts=hosts,
        address_of=address_of,
        play_hosts=INVENTORY if play_hosts is None else play_hosts,
        options=_options.Options(**options),
    )


def flow(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in {"clients": "web1", "servers": "db1", "port": 5432, **fields}.items() if value != "-"}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.1.1", "::1", "localhost", "Localhost.", "db.localhost"])
def test_no_client_stands_for_a_server_by_dialling_itself(address):
    """As with the inventories of Vagrant, where Ansible reaches hosts by ports of the controller that are forwarded to them."""
    reached = {**INVENTORY, "db1": address}.__getitem__
    with pytest.raises(_flows.PlanError, match=f"by {address.rstrip('.')}.?, web1 would reach itself: give db1 the handshake_address"):
        plan(flow(), address_of=reached)
    assert plan(flow(clients="db1"), address_of=reached).entries[0].address == address
    assert plan(flow(address="127.0.0.1"), address_of=reached).entries[0].address == "127.0.0.1"  # a proxy on the client


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "10.0.1.11"])
def test_a_client_that_is_asked_for_its_own_address_is_the_server(address):
    """Whether the flow says so or not: it records, and is asked for its listeners."""
    alone = plan(flow(servers="-", address=address), address_of={**INVENTORY, "web1": "10.0.1.11"}.__getitem__)
    assert [(entry.client, entry.server, entry.address) for entry in alone.entries] == [("web1", "web1", address)]
    assert (
        alone.orders["web1"]
        == plan(flow(servers="web1", address=address), address_of={**INVENTORY, "web1": "10.0.1.11"}.__getitem__).orders["web1"]
    )
    (other,) = plan(flow(servers="-", address="10.0.1.99")).entries
    assert other.server is None


def test_any_address_that_the_inventory_has_for_a_client_is_its_own():
    """Also where handshake_address is the one to dial, of all hosts, as with -e. No host's are asked for twice: names are looked up."""
    asked = []

    def declared_of(hosts):
        asked.extend(hosts)
        return {host: ("10.0.9.11",) if host == "web1" else () for host in hosts}

    made = orders.build(
        read([flow(clients="web", servers="-", address="10.0.9.11"), flow(clients="web2", servers="-", address="10.0.9.12"), flow()]),
        run="20261121T040000-3f2a91",
        hosts=hosts,
        address_of=INVENTORY.__getitem__,
        play_hosts=INVENTORY,
        declared_of=declared_of,
    )
    assert [(entry.client, entry.server) for entry in made.entries] == [("web1", "web1"), ("web2", None), ("web2", None), ("web1", "db1")]
    assert asked == ["web1", "web2", "db1"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_forwarded_port_is_not_where_a_client_sends_from(address):
    made = plan(flow(), address_of={**INVENTORY, "web1": address}.__getitem__)
    assert address not in str(made.orders["db1"])
    itself = plan(flow(clients="web1", servers="web1"), address_of={**INVENTORY, "web1": address}.__getitem__)
    assert {"local": address, "remote": address, "mark": 0} in itself.orders["web1"]["pairs"]


def test_an_interface_of_the_controller_is_none_of_a_client():
    def made(assumed: bool) -> Plan:
        return orders.build(
            read([flow()]),
            run="20261121T040000-3f2a91",
            hosts=hosts,
            address_of={**INVENTORY, "db1": "fe80::1%eth0"}.__getitem__,
            play_hosts=INVENTORY,
            assumes=lambda host: assumed,
        )

    with pytest.raises(_flows.PlanError, match="fe80::1%eth0 has an interface of the controller, and no client has that one: give db1"):
        made(assumed=True)
    assert [(entry.address, entry.assumed) for entry in made(assumed=False).entries] == [("fe80::1%eth0", False)]


def test_an_end_is_not_on_the_way():
    """Patterns such as `all` take in the router that others' handshakes pass; its own pass no other host."""
    made = plan(flow(clients="web:r1", servers="db1", via=["r1"]), flow(clients="web1", servers="db1:r1", port=22, via=["r1"]))
    assert {(entry.client, entry.server, entry.port): entry.via for entry in made.entries} == {
        ("web1", "db1", 5432): ("r1",),
        ("web2", "db1", 5432): ("r1",),
        ("r1", "db1", 5432): (),
        ("web1", "db1", 22): ("r1",),
        ("web1", "r1", 22): (),
    }
    assert made.orders["r1"]["phases"] == ["open", "try", "close"]


def test_only_servers_that_want_it_listen_where_nothing_does():
    """At what clients dial, and at their own address behind it."""
    wanted = {"db1": _options.Options(temporary_listener=True)}
    made = orders.build(
        read([flow(clients="web", servers="db1:web2", via=["r1"]), flow(servers="db1", port=6000, address="10.0.9.1")]),
        run="20261121T040000-3f2a91",
        hosts=hosts,
        address_of=INVENTORY.__getitem__,
        play_hosts=INVENTORY,
        options=lambda host: wanted.get(host, _options.Options()),
    )
    assert {host: order["temporary_listeners"] for host, order in made.orders.items() if order["temporary_listeners"]} == {
        "db1": [
            {"address": "10.0.2.21", "port": 5432},
            {"address": "10.0.2.21", "port": 6000},
            {"address": "10.0.9.1", "port": 6000},
        ]
    }


def test_orders_of_a_flow_with_a_router():
    made = plan(flow(name="f", via=["r1"], service="postgresql", timeout=1.5), attempts=2)
    assert {host: order["phases"] for host, order in made.orders.items()} == {
        "web1": ["try"],
        "db1": ["open", "close"],
        "r1": ["open", "close"],
    }
    assert made.orders["web1"] == {
        "run": "20261121T040000-3f2a91",
        "host": "web1",
        "phases": ["try"],
        "recorder_seconds": made.orders["db1"]["recorder_seconds"],
        "record": True,
        "temporary_listeners": [],
        "without_python": "auto",
        "patience": 2.0,
        "settle": 0.25,
        "hops": True,
        "hops_back": False,
        "ports": [5432],
        "addresses": ["10.0.1.1", "10.0.1.11", "10.0.2.21"],
        "peers": ["10.0.1.1", "10.0.2.21"],
        "units": {},
        "pairs": [{"local": None, "remote": "10.0.2.21", "mark": 0}],
        "packets": [],
        "packets_left_out": 0,
        "dials": [
            {"id": 0, "address": "10.0.2.21", "port": 5432, "timeout": 1.5, "source": None, "interval": 0.2, "attempts": 2, "further": 8}
        ],
        "interest": None,
    }
    assert made.orders["db1"]["units"] == {"5432": "postgresql.service"}
    assert made.orders["db1"]["pairs"] == [{"local": "10.0.2.21", "remote": "10.0.1.11", "mark": 0}]
    assert made.orders["r1"]["pairs"] == [
        {"local": None, "remote": "10.0.1.11", "mark": 0},
        {"local": None, "remote": "10.0.2.21", "mark": 0},
    ]
    told = [[each[name] for name in ("packet", "direction", "source", "port")] for each in made.orders["db1"]["packets"]]
    assert told == [["syn", "in", "10.0.1.11", 5432], ["syn_ack", "out", "10.0.2.21", None], ["ack", "in", "10.0.1.11", 5432]]
    assert [packet["direction"] for packet in made.orders["r1"]["packets"]] == ["forward"] * 3
    assert made.entries == (
        Entry(flow="f", client="web1", server="db1", address="10.0.2.21", port=5432, dial=0, via=("r1",), timeout=1.5, source=None),
    )
    again = Plan.from_json(json.loads(json.dumps(made.to_json())), made.orders)
    assert again == replace(made, deadlines=None)


def test_patterns_ports_and_default_names():
    made = plan(flow(clients="web", servers="db", port=[80, "https", "80"]))
    assert len(made.entries) == 8
    assert {entry.flow for entry in made.entries} == {"web-db-80", "web-db-https"}
    assert {entry.address for entry in made.entries} == {"10.0.2.21", "2001:db8::22"}
    assert [len(made.orders[host]["dials"]) for host in ("web1", "web2")] == [4, 4]
    assert plan(flow(servers="-", address="db.example.org")).entries[0].flow == "web1-db.example.org-5432"


def test_a_host_does_not_dial_itself_unless_the_flow_means_that():
    assert {(e.client, e.server) for e in plan(flow(clients="web", servers="web")).entries} == {("web1", "web2"), ("web2", "web1")}
    assert plan(flow(servers="web1")).orders["web1"]["phases"] == ["open", "try", "close"]


def test_the_same_handshake_is_tried_once():
    made = plan(
        flow(name="a"), flow(name="b"), flow(name="b"), flow(name="c", timeout=9), flow(name="vip", servers="db", address="10.9.9.9")
    )
    assert [(entry.flow, entry.server, entry.dial) for entry in made.entries] == [
        ("a", "db1", 0), ("b", "db1", 0), ("c", "db1", 1), ("vip", "db1", 2), ("vip", "db2", 2),
    ]  # fmt: skip
    assert [dial["address"] for dial in made.orders["web1"]["dials"]] == ["10.0.2.21", "10.0.2.21", "10.9.9.9"]


def test_as_different_users_the_same_handshake_is_tried_for_each():
    made = plan(flow(name="app", user="app"), flow(name="number", user=1000), flow(name="root"))
    assert [(entry.flow, entry.user, entry.dial) for entry in made.entries] == [("app", "app", 0), ("number", "1000", 1), ("root", None, 2)]
    assert [dial.get("user") for dial in made.orders["web1"]["dials"]] == ["app", "1000", None]


def test_hosts_outside_the_play_are_noted_and_without_any_client_it_ends():
    made = plan(flow(clients="web"), play_hosts=["web1"])
    assert list(made.orders) == ["web1"]
    assert made.not_in_play == ("db1", "web2")
    assert len(made.entries) == 2
    with pytest.raises(
        _flows.PlanError, match=r"^No client of any flow is among this play's hosts \(clients: web1\): .*--limit\. If others run"
    ):
        plan(flow(), play_hosts=["db1"])


def test_without_any_known_address_packets_are_chosen_by_port_alone():
    made = plan(flow(servers="named"), flow(clients="named", servers="-", address="db.example.org"))
    assert made.orders["web1"]["addresses"] == ["10.0.1.11"]
    assert made.orders["named"]["addresses"] == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (flow(clients="wbe"), "Flow handshake_flows[0], field 'clients': the inventory has no host or group 'wbe': correct it, or add it to the inventory."),
        (flow(servers="10.9.9.9"), "Flow handshake_flows[0], field 'servers': the inventory has no host or group '10.9.9.9': correct it, or add it to the "
                                   "inventory, or give it as 'address', in place of 'servers'."),
        (flow(servers="db.example.org"), "Flow handshake_flows[0], field 'servers': the inventory has no host or group 'db.example.org': correct it, or add "
                                         "it to the inventory, or give it as 'address', in place of 'servers'."),
        (flow(servers="empty"), "Flow handshake_flows[0], field 'servers': 'empty' matches no host of the inventory: correct it, or add hosts."),
        (flow(port=70000), "Flow handshake_flows[0], field 'port': 70000 is not a TCP port: give a number from 1 to 65535."),
        (flow(port=[80, -1]), "Flow handshake_flows[0], field 'port': -1 is not a TCP port: give a number from 1 to 65535."),
        (flow(name="n", port=True), "Flow 'n' (handshake_flows[0]), field 'port': True is not a port: give a number from 1 to 65535, a service name, "
                                    "or a list of them."),
        (flow(port="htps"), "Flow handshake_flows[0], field 'port': 'htps' is not a service that this controller knows (/etc/services): "
                            "give the port's number."),
        (flow(port="8000-8003"),
         "Flow handshake_flows[0], field 'port': '8000-8003' is a range, and a port of a flow is one port: give a list, "
         'such as "{{ range(8000, 8004) | list }}".'),
        (flow(port="80, 443"), "Flow handshake_flows[0], field 'port': '80, 443' is several ports: give a list that has each of them, such as [80, 443]."),
        (flow(port="-"), "Flow handshake_flows[0], field 'port': it is missing: every flow needs a port, a service name, or a list of them."),
        (flow(servers="-"), "Flow handshake_flows[0] has neither 'servers' nor 'address': name the servers, or the address to dial."),
        (flow(sevrers="db"), "Flow handshake_flows[0] has the field 'sevrers', which does not exist: did you mean 'servers'?"),
        (flow(via="r1"),
         "Flow handshake_flows[0], field 'via': 'r1' is a string: give a list of inventory hosts, in the order in which the SYN passes them."),
        (flow(via=["web"]),
         "Flow handshake_flows[0], field 'via': 'web' is not one host: name the hosts themselves, in the order in which the SYN passes them."),
        (flow(clients="path"),
         "Flow handshake_flows[0], field 'clients': the host 'path' has a name that means what lies between hosts in reports: name it otherwise."),
        (flow(via=["nobody"]), "Flow handshake_flows[0], field 'via': the inventory has no host or group 'nobody': correct it, or add it to the inventory."),
        (flow(timeout=0), "Flow handshake_flows[0], field 'timeout': 0 seconds will not do: give more than 0 and at most 300."),
        (flow(timeout=True), "Flow handshake_flows[0], field 'timeout': True is not a number of seconds: give one such as 3."),
        (flow(timeout="nan"), "Flow handshake_flows[0], field 'timeout': 'nan' is not a number of seconds: give one such as 3."),
        (flow(source="eth0"), "Flow handshake_flows[0], field 'source': 'eth0' is not an IP address: give an address of the client."),
        (flow(source="2001:db8::1"), "Flow handshake_flows[0], field 'source': 2001:db8::1 and db1's address 10.0.2.21 are of different families: "
                                     "drop it, or correct one."),
        (flow(address="10.0.2.21:5432"), "Flow handshake_flows[0], field 'address': '10.0.2.21:5432' contains a port: write the address alone, "
                                         "and the port in 'port'."),
        (flow(address="x" * 64), f"Flow handshake_flows[0], field 'address': '{'x' * 64}' is neither an IP address nor a host name: correct it."),
        (flow(address="10.0.2.300"), "Flow handshake_flows[0], field 'address': '10.0.2.300' is neither an IP address nor a host name: correct it."),
        (flow(address="0.0.0.0"), "Flow handshake_flows[0], field 'address': 0.0.0.0 is no address of one host: give a unicast address."),
        (flow(address="a\x1b[31m; rm -rf /"), "Flow handshake_flows[0], field 'address': 'a\\x1b[31m; rm -rf /' is neither an IP address nor a host name: "
                                              "correct it."),
        (
            flow(clients=["web1", "web2"]),
            "Flow handshake_flows[0], field 'clients': ['web1', 'web2'] is a list: give one pattern, such as 'web1:web2'.",
        ),
        (flow(clients=5), "Flow handshake_flows[0], field 'clients': 5 is not a string: quote it, or correct it."),
        (flow(clients="-"), "Flow handshake_flows[0], field 'clients': it is missing: every flow needs it."),
        (flow(service="x y"), "Flow handshake_flows[0], field 'service': 'x y' is not the name of a systemd unit: give one such as 'postgresql.service'."),
        (flow(user=""), "Flow handshake_flows[0], field 'user': '' is not a user: give the name of a user of the clients, or a uid."),
        (flow(user=True), "Flow handshake_flows[0], field 'user': True is not a user: give the name of a user of the clients, or a uid."),
        (flow(user=-1), "Flow handshake_flows[0], field 'user': -1 is not a user: give the name of a user of the clients, or a uid."),
        (flow(user=2**32 - 1),
         "Flow handshake_flows[0], field 'user': 4294967295 is not a user: give the name of a user of the clients, or a uid."),
        (flow(user=["app"]), "Flow handshake_flows[0], field 'user': ['app'] is not a user: give the name of a user of the clients, or a uid."),
        ("web", "handshake_flows[0] is 'web': a flow is a mapping with 'clients', 'servers' or 'address', and 'port'."),
    ],
)  # fmt: skip
def test_every_mistake_is_one_sentence(wrong, sentence):
    with pytest.raises(_flows.PlanError) as caught:
        plan(wrong)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("flows", "start"),
    [
        (None, "There are no flows: set handshake_flows"),
        ([], "There are no flows: set handshake_flows"),
        ("", "There are no flows: set handshake_flows"),
        ("[{", "handshake_flows is a string that is not JSON ("),
        (flow(), "handshake_flows is a mapping: make it a list"),
        (7, "handshake_flows is 7: it must be a list of flows."),
    ],
)
def test_what_is_not_a_list_of_flows(flows, start):
    with pytest.raises(_flows.PlanError) as caught:
        read(flows)
    assert str(caught.value).startswith(start)


def test_flows_may_be_json():
    assert read(json.dumps([flow()]))[0].clients == "web1"


def test_a_host_with_a_senseless_address_is_named():
    with pytest.raises(_flows.PlanError) as caught:
        plan(flow(), address_of={**INVENTORY, "db1": ["10.0.2.21"]}.__getitem__)
    assert str(caught.value) == (
        "Flow handshake_flows[0], field 'servers': the handshake_address of host db1: ['10.0.2.21'] is not an address or a host name: give a string."
    )


def test_two_units_for_one_port():
    with pytest.raises(_flows.PlanError, match=r"another flow says that a\.service, not b\.service, listens on port 5432 of db1"):
        plan(flow(service="a"), flow(service="b"))


def test_ad_hoc():
    (found,) = _flows.read_ad_hoc("web1", "db1", None, "5432", service_port)
    assert (found.clients, found.servers, found.ports[0].number) == ("web1", "db1", 5432)
    assert _flows.read_ad_hoc(None, "", "10.0.2.21", None, service_port) == []
    for values, sentence in {
        ("web1", None, None, None): "The ad hoc flow is not complete: there is handshake_client, but not handshake_port: add -e handshake_port=...",
        ("web1", None, None, 1): "The ad hoc flow is not complete: there is handshake_client, handshake_port, but not handshake_server: "
                                 "add -e handshake_server=...",
        ("web1", "db1", None, "0"): "The ad hoc flow, field 'handshake_port': 0 is not a TCP port: give a number from 1 to 65535.",
    }.items():  # fmt: skip
        with pytest.raises(_flows.PlanError) as caught:
            _flows.read_ad_hoc(*values, service_port)
        assert str(caught.value) == sentence


def test_a_mesh_has_a_limit():
    many = [f"h{n}" for n in range(150)]
    with pytest.raises(_flows.PlanError, match="more than 20000 handshakes to try: narrow"):
        orders.build(
            read([flow(name="mesh", clients="all", servers="all")]),
            run="r",
            hosts=lambda _pattern: many,
            address_of=lambda _host: "10.0.0.1",
            play_hosts=many,
        )


def test_options_are_bounded():
    for name, value in {"attempts": 0, "interval": -1, "timeout": 0.0, "patience": float("nan"), "settle": 61}.items():
        with pytest.raises(_flows.PlanError, match=f"^diagnose_{name} is "):
            _options.Options(**{name: value})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["web", "db", "web1", "10.0.2.21", "https"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(_flows.KEYS) | st.text(max_size=8), VALUES, max_size=9))
def test_no_input_makes_anything_but_a_plan_or_a_printable_sentence(raw):
    try:
        json.dumps(plan(raw).orders)
    except _flows.PlanError as error:
        assert str(error).isprintable()
