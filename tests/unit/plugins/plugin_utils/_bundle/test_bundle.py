# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle tells the same with other names: over recordings, by what is decided, and by what can be found in it."""

from __future__ import annotations

import ipaddress
import itertools
import json
import random
import re
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle import frames
from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle.compare import differing
from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle.evidence import pseudonymous, pseudonyms_for
from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle.pseudonyms import Pseudonyms
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.slices import Run
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.run_sources import documents
from tests.unit.plugins.plugin_utils.recordings import RECORDED, recorded

NAMES = sorted(file.name.removesuffix(".json.gz") for file in RECORDED.glob("*.json.gz"))
FEW = {
    *NAMES[::12],
    "application_hangs_up.tcp-wrappers",
    "firewall_drop.logged",
    "firewall_drop.of-user",
    "load_balancer_no_backend.firewall",
    "neighbour_unresolved.macvlan",
    "temporary_listener.open-way",
    "undetermined.no-such-user",
    "taken_for_own",
}
TIMES = ("2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z")
ADDRESS = re.compile(r"\b(?:10|192\.168|172\.17)\.[0-9]+\.[0-9]+(?:\.[0-9]+)?\b|\b2001:db8:[0-9a-f:]+")
OF_ROUTERS = ("00:00:5e:00:01:", "00:00:5e:00:02:")  # VRRP's (RFC 9568, 7.3), alike at many places: they stay, as verdicts depend on it
MAC = re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b")


@pytest.mark.parametrize("name", [*(pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in NAMES)])
def test_it_is_decided_as_the_original_is_and_has_no_name_of_it(name: str) -> None:
    plan, answers = recorded(name)
    run = Run(plan=plan, started=TIMES[0], controller="controller.example.org", source="/home/user/report", answers=answers)
    pseudonyms = pseudonyms_for([run], b"secret")
    other = pseudonymous(run, pseudonyms)
    whole, shared = (decide(each.plan, each.answers, *TIMES).report for each in (run, other))
    assert differing(whole, shared, pseudonyms) == []
    was, told = json.dumps(documents(run)), json.dumps([documents(other), shared], default=list)
    for host in plan.parties():
        assert not re.search(rf"\b{re.escape(host)}\b", told), host
    for user in {entry.user for entry in plan.entries if entry.user}:
        assert not re.search(rf"\b{re.escape(user)}\b", told), user
    for secret in {*MAC.findall(was)} - {"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"}:
        assert secret not in told or secret.startswith(OF_ROUTERS), secret
    for address in set(ADDRESS.findall(was)):
        assert not re.search(rf"(?<![0-9a-f:.]){re.escape(address)}(?![0-9a-f:.]|/[0-9])", told) or _prefix(address), address
    assert "controller.example.org" not in told and "/home/user" not in told


def _prefix(address: str) -> bool:
    """What may be the beginning of another one, or a stand-in."""
    return address.count(".") == 2 or address.endswith(":") or address == "2001:db8::1"


def drawn(secret: bytes = b"a") -> Pseudonyms:
    return Pseudonyms(secret)


def test_addresses_keep_their_relations() -> None:
    chance = random.Random(7)
    pseudonyms = drawn()
    for version, bits in ((4, 32), (6, 128)):
        known = {}
        for _value in range(400):
            value = chance.getrandbits(bits)
            for _bit in range(3):
                value ^= chance.getrandbits(chance.randrange(1, bits))
                address = ipaddress.ip_address(value) if version == 4 else ipaddress.IPv6Address(value)
                if not address.is_multicast:
                    known[address] = ipaddress.ip_address(pseudonyms.address(str(address)))
        assert len(set(known.values())) == len(known)
        pairs = list(known.items())
        for (one, first), (other, second) in itertools.pairwise(pairs):
            assert _common(one, other) == _common(first, second)
        for was, now in known.items():
            for what in ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_unspecified", "is_reserved"):
                assert getattr(was, what) == getattr(now, what), (was, now, what)


def _common(one: Any, other: Any) -> int:
    return int(one.max_prefixlen - (int(one) ^ int(other)).bit_length())


@pytest.mark.parametrize("kept", ["0.0.0.0", "127.0.0.1", "::", "::1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "2001:db8::1"])
def test_addresses_that_mean_something_stay(kept: str) -> None:
    assert drawn().address(kept) == kept


def test_networks_and_names_fit_what_they_are_of() -> None:
    pseudonyms = drawn()
    network = ipaddress.ip_network(pseudonyms.network("10.0.2.0/24"))
    assert network.prefixlen == 24 and network.is_private
    assert ipaddress.ip_address(pseudonyms.address("10.0.2.21")) in network
    assert pseudonyms.network("0.0.0.0/0") == "0.0.0.0/0" and pseudonyms.network("::/0") == "::/0"
    assert pseudonyms.domain("db.example.org") == f"{pseudonyms.domain('db')}.{pseudonyms.domain('example.org')}"
    assert drawn(b"b").address("10.0.2.21") != drawn(b"c").address("10.0.2.21")


def test_frames_lose_what_is_behind_their_headers() -> None:
    header = bytes.fromhex("4500003c000040004006") + b"\0\0" + bytes([10, 0, 1, 11, 10, 0, 2, 21])
    tcp = bytes.fromhex("9c4115380000000100000000500200000000") + b"\0\0"
    data = header + tcp + b"password"
    frame = Frame(ts_ns=1, ifindex=2, ethertype=0x0800, vlan=0, pkttype=0, lladdr=b"\2\0\0\0\0\1", wire_length=60, data=data)
    (found,) = unpack(frames.replaced(pack([frame]), drawn()))
    assert b"password" not in found.data and len(found.data) == 40
    assert found.data[12:16] != bytes([10, 0, 1, 11]) and found.data[12] == 10
    assert found.lladdr != frame.lladdr


@pytest.mark.parametrize(
    ("what", "kept"),
    [
        ("hooks.ipsec_policies", "hooks.ipsec_policies"),
        ("links, addresses, rules", "links, addresses, rules"),
        ("other network namespaces (4026531840)", "other network namespaces (4026531840)"),
        ("sysctl net.ipv4.conf.customer0.rp_filter", "sysctl net.ipv4.conf.if1.rp_filter"),
        ("probes as user alice", "probes as user user1"),
        ("probes as user root", "probes as user root"),
        ("route * - 10.0.2.21", None),
        ("route 10.0.1.11 - 2001:db8:7::21", None),
        ("socket options of the listener on fe80::7%customer0 port 22", None),
    ],
)
def test_what_was_not_observed_names_nobody(what: str, kept: str | None) -> None:
    plan, answers = recorded("no_listener")
    answers["web1"]["try"]["evidence"]["absent"] = [{"what": what, "why": "alice may not"}]
    run = Run(plan=plan, started=TIMES[0], controller="", source="", answers=answers)
    other = pseudonymous(run, pseudonyms_for([run], b"secret"))
    ((told,),) = (answer["try"]["evidence"]["absent"] for answer in other.answers.values() if "try" in answer)
    assert told["what"] == kept or not kept
    assert not re.search(r"alice|customer|10\.0\.[12]\.|db8:7|fe80::7", json.dumps(told))
    assert told["what"].split(" ")[0] == what.split(" ")[0]


def test_what_a_recording_says_of_itself_names_nobody() -> None:
    plan, answers = recorded("no_listener")
    recording = answers["web1"]["try"]["evidence"]["recording"]
    recording.update(truncated="deadline", interfaces={**recording["interfaces"], "db1.example.org": "eth0"})
    run = Run(plan=plan, started=TIMES[0], controller="", source="", answers=answers)
    (told,) = (
        answer["try"]["evidence"]["recording"]
        for answer in pseudonymous(run, pseudonyms_for([run], b"secret")).answers.values()
        if "try" in answer
    )
    assert told["truncated"] == "deadline" and "db1.example.org" not in json.dumps(told)
    recording["truncated"] = "db1.example.org is full"
    assert "db1" not in json.dumps(documents(pseudonymous(run, pseudonyms_for([run], b"secret"))))
