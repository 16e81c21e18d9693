# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who waits on a listening socket, who has its connections, whose connection has a port, and which namespace has an address: against what
the kernel was told here."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

PREFORK = Path(__file__).parents[4] / "lab" / "prefork.py"
BOUND = "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 7103)); s.connect(('127.0.0.1', 7101)); time.sleep(60)"
PREPARE = f"""
ip link set lo up; ip addr add 127.0.0.9 dev lo
{sys.executable} {PREFORK} 127.0.0.1 7101 --shared >/run/shared 2>/dev/null &
{sys.executable} {PREFORK} 127.0.0.1 7102 >/run/own 2>/dev/null &
{sys.executable} -c "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 7104)); s.listen(); time.sleep(60)" >/dev/null 2>&1 &
for i in $(seq 100); do [ -s /run/shared ] && [ -s /run/own ] && ss -Hltn sport = :7104 | grep -q . && break; sleep 0.05; done
{sys.executable} -c "{BOUND}" >/dev/null 2>&1 & echo $! >/run/bound
ip netns add inner; ip -n inner addr add 172.17.0.2/16 dev lo; ip -n inner link set lo up
for i in $(seq 100); do ss -Htn sport = :7103 | grep -q ESTAB && exit; sleep 0.05; done; exit 1
"""
ATTACHED = "(lambda found: [owners.attach(found), pollers.attach(found), found][2])(sockets.listeners([{port}]))"


@pytest.fixture(scope="module")
def network() -> t.Iterator[Rootless]:
    with Rootless() as made:
        made.sh(PREPARE)
        yield made


def listeners(network: Rootless, port: int) -> list[dict[str, t.Any]]:
    found: list[dict[str, t.Any]] = network.python("_host.owners, _host.pollers, _host.sockets", ATTACHED.format(port=port))
    return found


def numbers(network: Rootless, path: str) -> list[int]:
    return [int(number) for number in network.sh(f"cat {path}").strip(" []\n").split(",")]


def test_workers_wait_on_the_socket_that_the_first_process_only_holds(network: Rootless) -> None:
    (shared,) = listeners(network, 7101)
    workers = numbers(network, "/run/shared")
    assert sorted(shared["pollers"]) == sorted(workers)
    (first,) = (process for process in shared["processes"] if process["pid"] not in workers)
    assert {process["parent"] for process in shared["processes"] if process["pid"] in workers} == {first["pid"]}


def test_each_worker_waits_on_its_own_of_the_sockets_that_share_an_address(network: Rootless) -> None:
    own = listeners(network, 7102)
    assert all(len(one["processes"]) == 3 for one in own)
    assert sorted(one["pollers"] for one in own) == sorted([pid] for pid in numbers(network, "/run/own"))


def test_who_does_not_use_epoll_is_not_told_to_wait_or_not(network: Rootless) -> None:
    assert [one["pollers"] for one in listeners(network, 7104)] == [None]


def test_a_connection_from_a_port_is_told_with_its_process(network: Rootless) -> None:
    (held,) = network.python("_host.port_holders", "port_holders.read([7103])")
    ends = {name: held[name] for name in ("port", "state", "local", "remote", "remote_port")}
    assert ends == {"port": 7103, "state": "ESTABLISHED", "local": "127.0.0.1", "remote": "127.0.0.1", "remote_port": 7101}
    assert [held["process"]["pid"]] == numbers(network, "/run/bound")
    assert network.python("_host.port_holders", "port_holders.read([7105])") == []


UDP = "import socket, time; s = socket.socket({}, socket.SOCK_DGRAM); s.bind(('{}', 7106)); {}; time.sleep(60)"


def test_who_takes_datagrams_on_a_port_is_told(network: Rootless) -> None:
    taking = [(2, "127.0.0.1", "pass"), (10, "::1", "pass"), (2, "127.0.0.9", "s.connect(('127.0.0.1', 9))")]  # the last one has a peer
    for number, how in enumerate(taking):
        network.sh(f'{sys.executable} -c "{UDP.format(*how)}" >/dev/null 2>&1 & echo $! >/run/udp{number}')
    network.sh("for i in $(seq 100); do [ $(ss -Huan sport = :7106 | wc -l) = 3 ] && exit; sleep 0.05; done; exit 1")
    found = network.python("_host.udp_sockets", "udp_sockets.read([7106])")
    told = [(each["port"], each["address"], each["process"]["pid"]) for each in found]
    assert told == [(7106, taking[number][1], numbers(network, f"/run/udp{number}")[0]) for number in (0, 1)]
    assert network.python("_host.udp_sockets", "udp_sockets.read([7105])") == []


def test_connections_are_counted_by_peer(network: Rootless) -> None:
    script = (
        "import socket, time\nkept = [socket.create_connection(('127.0.0.1', 7102), 3, (a, 0)) for a in ['127.0.0.9'] * 3 + ['127.0.0.1']]"
    )
    network.sh(f'{sys.executable} -c "{script}\ntime.sleep(20)" >/dev/null 2>&1 & sleep 0.5')
    assert network.python("_host.sockets", "sockets.peers([7102], 1)") == [{"port": 7102, "address": "127.0.0.9", "count": 3}]
    assert len(network.python("_host.sockets", "sockets.peers([7102])")) == 2


def test_a_namespace_is_told_by_the_addresses_that_it_has(network: Rootless) -> None:
    _listeners, (inner,), absent = network.python("_host.namespaces", "namespaces.other_namespaces([7044], ['172.17.0.2', '172.17.0.3'])")
    assert (inner["addresses"], inner["name"], absent) == (["172.17.0.2"], None, [])
    assert inner["netns"] == int(network.sh("stat -Lc %i /run/netns/inner"))
    assert network.python("_host.namespaces", "namespaces.other_namespaces([7044])")[1] == []


def test_the_port_of_a_listener_is_held_by_no_connection(network: Rootless) -> None:
    """As far as it listens: what others have connected to it is theirs."""
    told = network.python("_host.sockets", "sockets.holders([7101])")
    assert {each["remote_port"] for each in told} == {7103}
    assert all(each["inode"] for each in told)
