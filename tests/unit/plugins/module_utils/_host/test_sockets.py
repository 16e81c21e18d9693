# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listeners and sockets of a scene that has every kind of them, against what ss says, and against what the scene made."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import time
import typing as t
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._host import inet_diag, owners, sockets
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

WITHOUT = Path(__file__).parents[1] / "without_socket.py"
SCENE = Path(__file__).with_name("listening_scene.py")
FLOOD = Path(__file__).parents[4] / "lab" / "flood.py"
PREPARE = f"""
ip link add wire type veth peer name eriw; ip link set wire up; ip link set eriw up
nft add table inet lab
nft 'add chain inet lab output {{ type filter hook output priority 0; }}'
nft 'add rule inet lab output tcp sport 7013 tcp flags & (syn | ack) == syn | ack drop'
sysctl -qw net.ipv4.tcp_syncookies=0
{sys.executable} {SCENE} /run/ready >/run/log 2>&1 &
for i in $(seq 100); do if [ -s /run/ready ]; then exit; fi; sleep 0.1; done
cat /run/log >&2; exit 1
"""


@pytest.fixture(scope="module")
def network() -> t.Iterator[Rootless]:
    with Rootless() as made:
        made.sh(PREPARE)
        yield made


def ask(network: Rootless, expression: str) -> t.Any:
    return network.python("_host.sockets", f"sockets.{expression}")


def as_ss_says(one: dict[str, t.Any]) -> tuple[int, int, str]:
    address = one["address"]
    if one["family"] == "ipv6":
        address = "*" if address == "::" and not one["v6only"] else f"[{address}]"
    elif one["port"] == 7004:
        address = f"[::ffff:{address}]"  # we tell such a socket as what it is to its clients: IPv4
    device = f"%{one['device']}" if one["device"] else ""
    return one["recv_q"], one["send_q"], f"{address}{device}:{one['port']}"


def test_listeners_are_those_that_ss_tells(network: Rootless) -> None:
    told = Counter(map(as_ss_says, ask(network, "listeners()")))
    rows = [line.split() for line in network.sh("ss -H -ltn").splitlines()]
    assert told == Counter((int(row[1]), int(row[2]), row[3].replace("[::]%wire", "*%wire")) for row in rows)
    assert len(rows) == 13


def test_a_listener_is_told_with_all_that_decides_who_may_connect(network: Rootless) -> None:
    by_port = {(one["port"], one["family"]): one for one in ask(network, "listeners()")}
    assert by_port[7002, "ipv4"]["send_q"] == 3
    assert by_port[7003, "ipv6"]["mark"] == 5
    assert by_port[7004, "ipv4"]["address"] == "127.0.0.1"
    assert not by_port[7005, "ipv6"]["v6only"] and by_port[7006, "ipv6"]["v6only"]
    assert [by_port[7007, family]["device"] for family in ("ipv4", "ipv6")] == ["lo", "wire"]
    assert by_port[7010, "ipv4"]["recv_q"] > by_port[7010, "ipv4"]["send_q"] == 1
    assert by_port[7011, "ipv4"]["md5"] == ["10.9.0.0/16"]
    assert all(one["md5"] == [] for (port, _family), one in by_port.items() if port != 7011)
    assert "secret" not in str(by_port)


def test_ports_are_selected_by_the_kernel_and_by_us_alike(network: Rootless) -> None:
    everything = ask(network, "listeners()")
    for ports in ([7005], [7001, 7013, 9], list(range(7000, 7011)), [*range(1, 2000), 7002]):
        assert ask(network, f"listeners({ports})") == [one for one in everything if one["port"] in ports]
    assert ask(network, "listeners([])") == []


def test_counts_are_those_of_ss(network: Rootless) -> None:
    names = {"SYN-RECV": "SYN_RECV", "ESTAB": "ESTABLISHED", "TIME-WAIT": "TIME_WAIT"}
    expected: dict[str, Counter[str]] = {"7010": Counter(), "7013": Counter(), "7020": Counter(), "9": Counter()}
    for line in network.sh("ss -H -tan state connected").splitlines():
        state, _recv, _send, local = line.split()[:4]
        if local.rpartition(":")[2] in expected:
            expected[local.rpartition(":")[2]][names[state]] += 1
    assert ask(network, "socket_counts([7010, 7013, 7020, 9])") == expected
    assert expected["7013"]["SYN_RECV"] == 2 and expected["7020"]["ESTABLISHED"] == 3 and not expected["9"]


def test_sockets_are_found_by_either_end_and_by_their_peer(network: Rootless) -> None:
    found, complete = ask(network, "sockets([7020])")
    assert complete
    states = Counter((one["state"], one["local_port"] == 7020) for one in found)
    assert states == {("ESTABLISHED", True): 3, ("ESTABLISHED", False): 3, ("TIME_WAIT", False): 1}
    assert {one["remote"] for one in found} == {"127.0.0.1"}, "IPv4 through a dual-stack socket is told as IPv4"
    assert ask(network, "sockets([7020], ['127.0.0.1'])") == [found, True]
    assert ask(network, "sockets([7020], ['10.9.9.9', '2001:db8::1'])") == [[], True]
    some, complete = ask(network, "sockets([7020], None, 2)")
    assert len(some) == 2 and not complete


def test_a_port_that_is_bound_and_no_more_is_told_where_the_kernel_tells_it(network: Rootless) -> None:
    found, _complete = ask(network, "sockets([7030], ['192.0.2.1'])")
    expected = {"state": "BOUND_INACTIVE", "local": "127.0.0.1", "local_port": 7030, "remote": "0.0.0.0", "remote_port": 0}
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    assert found == ([expected] if release >= (6, 8) else [])


def test_local_ports_in_use_are_counted_per_destination(network: Rootless) -> None:
    used = ask(network, "ephemeral([('127.0.0.1', 7020), ('127.0.0.1', 7013), ('2001:db8::1', 80)])")
    assert used == [
        {"remote": "127.0.0.1", "port": 7020, "used": 4, "time_wait": 1, "listening": 0},
        {"remote": "127.0.0.1", "port": 7013, "used": 2, "time_wait": 0, "listening": 0},
        {"remote": "2001:db8::1", "port": 80, "used": 0, "time_wait": 0, "listening": 0},
    ]


@given(st.binary(max_size=200), st.sampled_from([socket.AF_INET, socket.AF_INET6, 0]))
def test_an_answer_of_arbitrary_bytes_is_decoded_or_refused(data: bytes, family: int) -> None:
    for decode in (sockets._listener, inet_diag.ends_of, sockets._md5_peers):
        with contextlib.suppress(DecodeError):
            decode(bytes([family]) + data)  # type: ignore[operator]


# The same scene, with a kernel that has no inet_diag.

SOCK_DIAG = 4  # linux/netlink.h NETLINK_SOCK_DIAG


def ask_without(network: Rootless, expression: str, number: int = errno.EPROTONOSUPPORT) -> t.Any:
    refusing = [sys.executable, str(WITHOUT), str(int(socket.AF_NETLINK)), str(SOCK_DIAG), str(number)]
    return network.python("_host.sockets", f"sockets.{expression}", *refusing)


@pytest.mark.parametrize("number", [errno.EPROTONOSUPPORT, errno.EACCES])
def test_proc_stands_in_for_inet_diag(network: Rootless, number: int) -> None:
    unknown: dict[str, t.Any] = {"send_q": None, "device": None, "md5": None, "mark": None, "cgroup": None}
    expected = [{**one, **unknown, "v6only": None if one["family"] == "ipv6" else False} for one in ask(network, "listeners()")]
    assert ask_without(network, "listeners()", number) == sorted(expected, key=order)
    assert ask_without(network, "listeners([7002, 7006])") == [one for one in sorted(expected, key=order) if one["port"] in (7002, 7006)]


def order(one: dict[str, t.Any]) -> tuple[t.Any, ...]:
    return one["port"], one["family"], one["address"], one["inode"]


@pytest.mark.parametrize(
    "expression",
    [
        "socket_counts([7010, 7013, 7020, 9])",
        "ephemeral([('127.0.0.1', 7020), ('127.0.0.1', 7013)])",
        "peers([7020])",
        "holders([7020])",
        "sockets([7020], ['127.0.0.1'])",
        "sockets([7020], ['10.9.9.9'])",
    ],
)
def test_proc_has_the_same_connections(network: Rootless, expression: str) -> None:
    def sorted_deep(value: t.Any) -> t.Any:
        return sorted(map(str, map(sorted_deep, value))) if isinstance(value, list) else value

    assert sorted_deep(ask_without(network, expression)) == sorted_deep(ask(network, expression))


def test_any_other_refusal_is_an_error(network: Rootless) -> None:
    with pytest.raises(AssertionError, match="ENOBUFS"):
        ask_without(network, "listeners()", errno.ENOBUFS)


# Owners, options and other namespaces of the same scene.


def test_every_listener_has_the_process_that_made_it_and_the_child_that_inherited_it(network: Rootless) -> None:
    parent = int(network.sh("cat /run/ready"))
    listeners, absent = network.python("_host.owners, _host.sockets", "(lambda found: [found, owners.attach(found)])(sockets.listeners())")
    assert absent == []
    for one in listeners:
        first, second = one["processes"]
        assert first["pid"] == parent and second["pid"] > parent
        assert first["name"].startswith("python") and first["state"] == "S"
        assert first["fds"] == int(network.sh(f"ls /proc/{parent}/fd | wc -l"))
        assert f"{first['fd_limit']} " in network.sh(f"grep 'Max open files' /proc/{parent}/limits")
        assert first["netns"] == int(network.sh(f"stat -Lc %i /proc/{parent}/ns/net"))


def test_the_walk_comes_to_the_end_of_large_tables_of_open_files() -> None:
    fillers = [os.dup(0) for _turn in range(1500)]
    try:
        with socket.socket() as last:
            last.bind(("127.0.0.1", 0))
            last.listen()
            inode = os.fstat(last.fileno()).st_ino
            assert last.fileno() > 1024
            assert owners.find([inode])[0] == {inode: [os.getpid()]}
            assert owners.file_number(os.getpid(), inode) == last.fileno()
    finally:
        for filler in fillers:
            os.close(filler)


def test_a_socket_that_nobody_holds_has_no_owner_and_time_is_bounded() -> None:
    assert owners.find([1], pids=[os.getpid()]) == ({}, None)
    started = time.monotonic()
    holders, why = owners.find([1], seconds=0.0)
    assert holders == {} and why == "looking through the open files of all processes took longer than 0 s"
    assert time.monotonic() - started < 1


def test_options_that_drop_a_syn_in_silence_are_read_from_the_socket(network: Rootless) -> None:
    imports = "_host.listener_options, _host.owners, _host.sockets"
    expression = "(lambda found: [owners.attach(found), listener_options.attach(found), found])(sockets.listeners([7011, 7012]))"
    _nobody_missing, absent, (plain, special) = network.python(imports, expression)
    assert absent == []
    assert (plain["filtered"], plain["min_ttl"], plain["defer_accept"]) == (False, 0, 0)
    assert (special["filtered"], special["min_ttl"], special["defer_accept"]) == (True, 200, 7)


def test_a_listener_in_another_network_namespace_is_found_from_outside(network: Rootless) -> None:
    network.sh("ip netns add other; ip -n other link set lo up; ip netns add empty")
    script = "import socket, time; kept = socket.socket(); kept.bind(('%s', %d)); kept.listen(); time.sleep(60)"
    for end in (("127.0.0.1", 7044), ("0.0.0.0", 7045), ("0.0.0.0", 7046)):
        network.sh(f'ip netns exec other {sys.executable} -c "{script % end}" >/dev/null 2>&1 & sleep 0.5')
    before = network.sh("stat -Lc %i /proc/self/ns/net").strip()
    (found,), _with_address, absent = network.python("_host.namespaces", "namespaces.other_namespaces([7044])")
    assert absent == []
    assert (found["port"], found["address"], found["container"]) == (7044, "127.0.0.1", None)
    assert found["netns"] == int(network.sh("stat -Lc %i /run/netns/other")) != int(before)
    assert network.sh(f"cat /proc/{found['pid']}/comm").strip() == found["name"]
    others = network.python("_host.namespaces", "[namespaces.other_namespaces([], more=more)[0] for more in (0, 1)]")
    assert [[one["port"] for one in each] for each in others] == [[], [7045]]
    assert network.python("_host.namespaces", "namespaces.other_namespaces([7044], most=0)")[2][0]["why"].startswith(
        "only 0 of 2 were visited"
    )


@pytest.mark.parametrize(
    ("text", "unit", "container"),
    [
        ("0::/system.slice/nginx.service\n", "nginx.service", None),
        (
            "12:pids:/x\n1:name=systemd:/system.slice/system-postgresql.slice/postgresql@15-main.service\n0::/\n",
            "postgresql@15-main.service",
            None,
        ),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", "user@1000.service/web.service", None),
        ("0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope", None),
        (f"0::/system.slice/docker-{'ab' * 32}.scope\n", f"docker-{'ab' * 32}.scope", "ab" * 32),
        (f"4:memory:/docker/{'0f' * 32}\n1:name=systemd:/docker/{'0f' * 32}\n", None, "0f" * 32),
        (f"0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-{'1a' * 32}.scope\n", f"cri-containerd-{'1a' * 32}.scope", "1a" * 32),
        ("0::/machine.slice/systemd-nspawn@db.service/payload/system.slice/mysql.service\n", "systemd-nspawn@db.service", None),
        ("0::/\n", None, None),
        ("", None, None),
        ("nonsense", None, None),
    ],
)
def test_units_and_containers_are_read_from_the_control_groups(text: str, unit: str | None, container: str | None) -> None:
    assert owners.unit_of(text) == (unit, container)


def test_of_whom_half_open_connections_are(network: Rootless) -> None:
    """The SYN-ACKs go to addresses that nobody has."""
    network.sh("ip address add 192.0.2.77 dev lo")
    network.sh("for n in 100 101; do ip route add 198.51.$n.0/24 dev wire; done")
    listen = "import socket, time; kept = socket.socket(); kept.bind(('192.0.2.77', 7055)); kept.listen(99); time.sleep(60)"
    network.sh(f'{sys.executable} -c "{listen}" >/dev/null 2>&1 & sleep 0.5')
    for sources, count in (("198.51.100.0/24", 12), ("198.51.101.7/32", 9)):
        order = json.dumps({"address": "192.0.2.77", "port": 7055, "count": count, "rate": 1000, "sources": sources, "seed": 1})
        network.sh(f"{sys.executable} -B {FLOOD} '{order}'")
    (found,) = network.python("_host.sockets", "sockets.half_open([7055, 7056])")
    assert (found["port"], found["count"]) == (7055, 21)
    assert 10 < found["addresses"] <= 13
    assert found["networks"] == [{"network": "198.51.100.0/24", "count": 12}, {"network": "198.51.101.0/24", "count": 9}]
    assert network.python("_host.sockets", "sockets.half_open([7055], 22)") == []
