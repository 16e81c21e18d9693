# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients dialled becomes the interest of the hosts that recorded them; clients may say anything."""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.answers import complete, dialled
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Entry, Plan


def syn(sport: int, dport: int, isn: int) -> Frame:
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0x4000, 64, 6, 0, socket.inet_aton("10.0.1.11"), socket.inet_aton("10.0.2.21"))
    tcp = struct.pack("!HHIIBBHHH", sport, dport, isn, 0, 0x50, 2, 64240, 0, 0)
    return Frame(ts_ns=1, ifindex=2, ethertype=0x0800, vlan=0, pkttype=4, lladdr=b"", wire_length=40, data=ip + tcp)


def probe(**fields: Any) -> dict[str, Any]:
    return {"dial": 0, "address": "10.0.2.21", "port": 5432, "local_address": "10.0.1.11", "local_port": 40001, **fields}


EVIDENCE = {
    "probes": [probe(), probe(local_port=40002), probe(dial=1, port=80, local_address=None, local_port=None)],
    "hops": [{"address": "10.0.2.21", "port": 5432, "local_port": 40009}],
    "recording": {"frames": pack([syn(40001, 5432, 7), syn(40001, 5432, 7), syn(40009, 5432, 9), syn(41000, 5432, 1)])},
}
FIRST = {"dial": 0, "address": "10.0.2.21", "port": 5432, "local": ["10.0.1.11"], "local_ports": [40001, 40002, 40009]}
FIRST.update({"isns": [7, 9], "connected": False, "odd": False})
SECOND = {"dial": 1, "address": "10.0.2.21", "port": 80, "local": [], "local_ports": [], "isns": [], "connected": False, "odd": False}

PLAN = Plan(
    "r",
    (
        Entry(flow="a", client="web1", server="db1", address="10.0.2.21", port=5432, dial=0, via=("r1",), timeout=3.0, source=None),
        Entry(flow="b", client="web1", server="db2", address="x", port=80, dial=1, via=(), timeout=3.0, source=None),
    ),
    {},
)


def order(host: str) -> dict[str, Any]:
    pair = {"local": "10.0.2.21", "remote": "10.0.1.11", "mark": 0}
    return {"host": host, "pairs": [pair], "packets": [], "packets_left_out": 0, "addresses": ["10.0.9.9"], "interest": None}


def test_dialled():
    assert dialled(EVIDENCE) == [FIRST, SECOND]
    assert dialled({**EVIDENCE, "recording": None})[0]["isns"] is None
    assert dialled({**EVIDENCE, "recording": {"frames": "%%%"}})[0]["isns"] is None


def test_a_server_is_asked_for_its_own_handshakes():
    done = complete(order("db1"), PLAN, lambda client: {"web1": [FIRST, SECOND]}[client], 1763697600.5)
    assert done["interest"] == {
        "isns": [7, 9],
        "ports": [40001, 40002, 40009],
        "addresses": ["10.0.1.11", "10.0.2.21", "10.0.9.9"],
        "peers": [],
        "logs_since": 1763697600.5,
    }
    own = {"local": None, "remote": "10.0.2.21", "mark": 0}
    assert [pair for pair in done["pairs"] if pair != own] == order("db1")["pairs"]
    assert own in done["pairs"]  # is the address dialled its own?


def test_a_server_records_what_the_balancer_has_with_it_as_itself_or_as_the_client():
    plan = replace(PLAN, addresses={"r1": ("10.0.2.21",), "db1": ("10.0.2.29",)})
    assert complete(order("db1"), plan, lambda _client: [FIRST])["interest"]["peers"] == ["10.0.1.11", "10.0.2.21"]
    assert complete(order("r1"), plan, lambda _client: [FIRST])["interest"]["peers"] == ["10.0.2.29"]


def test_logs_are_read_only_where_a_handshake_failed():
    done = complete(order("db1"), PLAN, lambda _client: [{**FIRST, "connected": True}], 1763697600.5)
    assert done["interest"]["logs_since"] is None
    assert complete(order("db1"), PLAN, lambda _client: [FIRST])["interest"]["logs_since"] == 0.0
    odd = {**FIRST, "connected": True, "odd": True}
    assert complete(order("db1"), PLAN, lambda _client: [odd], 1763697600.5)["interest"]["logs_since"] == 1763697600.5


@pytest.mark.parametrize(
    ("more", "odd"),
    [
        ({"peer": "open"}, False),
        ({"peer": "data", "ended": False, "awaited_ms": 1.0}, False),
        ({"peer": "data", "ended": True}, True),
        ({"peer": "open", "awaited_ms": 2000.0}, True),
    ],
)
def test_connections_that_are_of_no_use_are_odd(more: dict[str, object], odd: bool) -> None:
    assert [each["odd"] for each in dialled({"probes": [probe(outcome="connected", **more)]})] == [odd]


def test_a_host_on_the_way_is_asked_for_both_directions():
    done = complete(order("r1"), PLAN, lambda _client: [FIRST])
    assert [(pair["local"], pair["remote"]) for pair in done["pairs"]] == [
        ("10.0.2.21", "10.0.1.11"),
        (None, "10.0.2.21"),
        (None, "10.0.1.11"),
    ]


def test_firewalls_are_asked_about_the_packets_that_were_sent_and_first_about_those_that_failed():
    many = [{**FIRST, "local": [f"10.0.{net}.{host}" for host in range(1, 61)], "connected": net == 1} for net in (1, 2)]
    done = complete(order("db1"), PLAN, lambda _client: many)
    ends = [(packet["source"], packet["source_port"], packet["port"]) for packet in done["packets"] if packet["packet"] == "syn"]
    assert (len(ends), done["packets_left_out"]) == (100, 20)
    assert ends[0] == ("10.0.2.1", 40001, 5432)
    assert sum(source.startswith("10.0.2.") for source, *_ports in ends) == 60
    assert [packet["direction"] for packet in complete(order("r1"), PLAN, lambda _client: [FIRST])["packets"]] == ["forward"] * 3


def test_without_sequence_numbers_the_port_decides_and_without_a_client_nothing_is_wanted():
    assert complete(order("db2"), PLAN, lambda _client: [FIRST, SECOND])["interest"]["ports"] == [80]
    assert complete(order("db1"), PLAN, lambda _client: [])["interest"] == {
        **{"isns": [], "ports": [], "addresses": ["10.0.9.9"], "peers": []},
        "logs_since": None,
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["10.0.2.21", "::1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["frames", *FIRST, *probe()]), inner, max_size=6),
    max_leaves=12,
)


@given(st.fixed_dictionaries({}, optional={"probes": JSON | st.lists(JSON), "hops": JSON | st.lists(JSON), "recording": JSON}))
def test_a_client_may_say_anything(evidence):
    found = dialled(evidence)
    json.dumps(complete(order("db1"), PLAN, lambda _client: found))


def test_hosts_on_the_way_are_asked_for_connections_that_hang_and_for_some_that_passed() -> None:
    entry = {"state": "ESTABLISHED", "local": "10.0.1.11", "local_port": 39000, "remote": "10.0.2.21", "remote_port": 5432}
    hangs = {**entry, "retransmits": 5}
    odd = [{**hangs, "local": "localhost"}, {**hangs, "local_port": "x"}, {**hangs, "remote_port": 80}, {**hangs, "remote": 7}, "x"]
    first = dialled({**EVIDENCE, "after": {"sockets": [entry, hangs, *odd]}})[0]
    assert first == {**FIRST, "stalled": [["10.0.1.11", 39000]]}
    assert dialled({**EVIDENCE, "after": {"sockets": 7}}) == dialled({**EVIDENCE, "after": 7}) == [FIRST, SECOND]
    wanted = complete(order("r1"), PLAN, lambda _client: [first, SECOND])["tracked"]
    assert [(each["local_port"], each["remote"], each["remote_port"]) for each in wanted] == [
        (39000, "10.0.2.21", 5432),
        (40001, "10.0.2.21", 5432),
        (40002, "10.0.2.21", 5432),
    ]
    assert complete(order("db1"), PLAN, lambda _client: [first])["tracked"] == []
    assert complete(order("r1"), PLAN, lambda _client: [FIRST])["tracked"] == []
