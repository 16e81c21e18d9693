# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules in files that let a SYN through and are not loaded, on a host with files of its own, against its kernel's rules."""

from __future__ import annotations

import functools
import shlex
import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.unloaded import LARGEST
from ansible_collections.threeway.handshake.plugins.module_utils._host import traversals
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

RUN = "lambda command, data=None: (lambda done: (done.returncode, done.stdout, done.stderr))("
RUN += "__import__('subprocess').run(command, input=data, capture_output=True, text=True))"
SCENE = """ip link add eth0 type veth peer name peer0; ip link set eth0 up; ip link set peer0 up; ip addr add 192.0.2.1/24 dev eth0
mkdir -p /run/etc/iptables; cp -a /etc/alternatives /etc/services /etc/protocols /etc/passwd /etc/group /run/etc
mount --bind /run/etc /etc"""
CHAIN = "table inet filter {{ chain input {{ type filter hook input priority 0\n ct state vmap {{ established : accept, invalid : drop }}\n"
CHAIN += "tcp dport 22 accept\n{}{}\n}}\n}}\n"
DROPS = "tcp dport 5000-6000 counter drop"
OPEN = CHAIN.format("tcp dport 5432 accept\n", DROPS)
SHUT = CHAIN.format("", DROPS)
FLUSHING = "flush ruleset\n" + OPEN
EARLY = "table inet early { chain in { type filter hook prerouting priority -5; tcp dport 5432 drop; }\n}"
SAVED = "*filter\n:INPUT ACCEPT [0:0]\n"
SAVED += "-A INPUT -p tcp -m tcp --dport 5432 -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 5000:6000 -j DROP\nCOMMIT\n"
BROKEN = SAVED.replace("-A INPUT", "-A INPUT -m nothing --such 5 -j DROP\n-A INPUT", 1)
BY_HAND = "iptables-nft -A INPUT -p tcp --dport 5000:6000 -j DROP"
NFT, V4 = "/etc/nftables.conf", "/etc/iptables/rules.v4"
RULE = {"manager": "nftables", "file": NFT, "line": 5, "text": "tcp dport 5432 accept", "command": f"nft -f {NFT}", "replaces": True}
IN_V4 = {"manager": "iptables", "file": V4, "line": 3, "text": "-A INPUT -p tcp -m tcp --dport 5432 -j ACCEPT", "replaces": True}
IN_V4["command"] = f"iptables-nft-restore {V4}"


variation = functools.partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def host() -> t.Iterator[Rootless]:
    with Rootless() as namespace:
        namespace.sh(SCENE)
        yield namespace


def found(host: Rootless, files: t.Mapping[str, str], loads: str, *ports: int) -> tuple[list[dict[str, t.Any] | None], list[str]]:
    """`unloaded` of the SYNs to the ports, all of which are stopped, and why anything is absent."""
    texts = " ".join(f"printf %s {shlex.quote(text)} > {file};" for file, text in files.items())
    host.sh(f"rm -f /etc/iptables/* {NFT}; nft flush ruleset; {texts} {loads}")
    packets = [traversals.traversal("server", ("192.0.2.2", 40001), ("192.0.2.1", port))[0] for port in ports or (5432,)]
    verdicts = f"firewalled.ask({{'packets': {packets!r}}}, [], {RUN})[0]['verdicts']"
    asked = f"(lambda each: (firewalled.add_unloaded(each, {RUN}), each))({verdicts})"
    absent, told = host.python("_host.firewalled", asked)
    syns = [each for each in told if each["state"] == "new"]
    assert [each["verdict"] for each in syns] == ["drop"] * len(packets)
    return [each["unloaded"] for each in syns], [each["why"] for each in absent]


def nft(text: str) -> str:
    return f"nft {shlex.quote(text)};"


@pytest.mark.parametrize(
    ("file", "loads", "expected"),
    [
        (FLUSHING, nft(SHUT), RULE),
        variation(OPEN, nft(SHUT), {**RULE, "line": 4, "replaces": False}),
        (FLUSHING, nft(OPEN + EARLY), None),  # loaded, and stopped elsewhere
        variation(FLUSHING, nft(SHUT + EARLY), None),  # not loaded, and stopped elsewhere first
        (FLUSHING, nft(OPEN) + 2 * nft("insert rule inet filter input tcp dport 5432 drop"), None),  # loaded, and behind both
        variation(FLUSHING.replace("5432", "{ 5432, 80 }"), nft(OPEN) + 2 * nft("insert rule inet filter input tcp dport 5432 drop"), None),
        variation(FLUSHING.replace("tcp dport 22 accept", "tcp dport 5432 drop"), nft(SHUT), None),  # would be stopped there, too
        variation(FLUSHING.replace("tcp dport 22 accept", "ip ttl < 5 drop"), nft(SHUT), None),  # or may be
        variation(FLUSHING.replace("tcp dport 5432 accept", "tcp dport 80 accept"), nft(SHUT), None),
        variation(OPEN + "flush table inet filter\n", nft(SHUT), None),
        variation(FLUSHING + "insert rule inet filter input tcp dport 5432 drop\n", nft(SHUT), None),
    ],
)
def test_a_file_of_nftables(host: Rootless, file: str, loads: str, expected: dict[str, t.Any] | None) -> None:
    assert found(host, {NFT: file}, loads) == ([expected], [])


@pytest.mark.parametrize(
    ("file", "loads", "expected"),
    [
        (SAVED, BY_HAND, IN_V4),
        (SAVED, f"iptables-nft-restore {V4}; iptables-nft -t raw -A PREROUTING -p tcp --dport 5432 -j DROP", None),
        variation(
            SAVED, f"iptables-nft-restore {V4}; iptables-nft -I INPUT -p tcp --dport 5432 -j DROP; {BY_HAND.replace('-A', '-I')}", None
        ),
        variation(SAVED.replace("-A INPUT", "-A INPUT -p tcp --dport 5432 -j DROP\n-A INPUT", 1), BY_HAND, None),
        variation(BROKEN, BY_HAND, None),
    ],
)
def test_a_file_of_iptables(host: Rootless, file: str, loads: str, expected: dict[str, t.Any] | None) -> None:
    assert found(host, {V4: file}, loads) == ([expected], [])


def test_a_file_that_cannot_be_read_costs_itself(host: Rootless) -> None:
    files = {V4: BROKEN, NFT: FLUSHING.replace("5432", "5433")}
    loads = BY_HAND.replace("5000:6000", "5432") + "; " + nft(SHUT.replace("5000-6000", "5433"))
    assert found(host, files, loads, 5432, 5433) == ([None, {**RULE, "text": "tcp dport 5433 accept"}], [])


def test_a_file_that_is_too_large_costs_itself(host: Rootless) -> None:
    files = {V4: SAVED, NFT: FLUSHING.replace("5432", "5433")}
    loads = (
        f"{BY_HAND.replace('5000:6000', '5432')}; {nft(SHUT.replace('5000-6000', '5433'))} head -c {LARGEST} /dev/zero | tr '\\0' '#' >> "
    )
    (iptables, nothing), (why,) = found(host, files, loads + NFT, 5432, 5433)
    assert (iptables, nothing, why.split()[0]) == (IN_V4, None, NFT)
    (nothing, nftables), (why,) = found(host, files, loads + V4, 5432, 5433)
    assert (nothing, nftables, why.split()[0]) == (None, {**RULE, "text": "tcp dport 5433 accept"}, V4)


def test_there_is_one_time_for_all(host: Rootless) -> None:
    found(host, {NFT: FLUSHING}, nft(SHUT))
    packets = [traversals.traversal("server", ("192.0.2.2", port), ("192.0.2.1", 5432))[0] for port in (40001, 40002)]
    verdicts = f"firewalled.ask({{'packets': {packets!r}}}, [], {RUN})[0]['verdicts'][:2]"
    nothing, (lack,) = host.python("_host.firewalled, _firewall.unloaded", f"unloaded.find({verdicts}, {RUN}, 0)")
    assert (nothing, lack["why"]) == ([None, None], "it takes longer than 0 s to look for all of them")


def test_jumps_that_multiply_take_no_more_than_that_time(host: Rootless) -> None:
    deep = "".join(
        f"chain c{depth} {{\n" + f"jump c{depth + 1}\n" * 40 + "}\n" if depth < 12 else f"chain c{depth} {{ tcp dport 1 accept; }}\n"
        for depth in range(12, 0, -1)
    )
    file = "flush ruleset\ntable inet filter {\n" + deep + "chain input { type filter hook input priority 0; jump c1\n}\n}\n"
    (nothing,), (why,) = found(host, {NFT: file}, nft(SHUT))
    assert (nothing, why) == (None, "it takes longer than 2 s to look for all of them")
