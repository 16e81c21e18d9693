# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes are rehearsed in a copy of the rules; those that are called good are then made, and real connections try them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

COLLECTIONS = Path(__file__).absolute().parents[5] / "build" / "collections"
ON_HOST = str(Path(__file__).with_name("_rehearsal_scene.py"))
SCENE = """
ip link set lo up
unshare --net sleep 60 & other=$!
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
ip link add v0 type veth peer name v1 netns $other
away() { nsenter --target $other --net "$@"; }
ip address add 10.9.0.1/24 dev v0; ip address add 10.9.0.5/32 dev v0; away ip address add 10.9.0.2/24 dev v1
away ip address add 10.9.0.3/24 dev v1; ip link set v0 up; away ip link set v1 up
ip link add w0 type veth peer name w1 netns $other; ip link set w0 up; away ip link set w1 up
ip route add 10.9.0.0/24 dev w0 metric 9; away ip route add 10.9.0.0/24 dev w1 metric 9
for way in all v0 w0; do echo 0 > /proc/sys/net/ipv4/conf/$way/rp_filter; done
sh -ec "$1"
exec "$0" "$2" "$other" "$3"
"""
NFT = "nft 'table inet t { chain input { type filter hook input priority 0; %s }; }'"
INLINE = "tcp dport 5000-6000 jump { tcp dport 5432 counter drop; };"
BY_INDEX = 'iif "v0" tcp dport 5432 counter drop;'
EARLY = "nft 'table inet t { chain early { type filter hook input priority -10; tcp dport 5432 counter drop; }; }'"
SCENES = {
    "nft": NFT % "tcp dport 5432 counter drop;",
    "nft-policy": NFT % "policy drop; ct state established accept;",
    "nft-by-link": NFT % BY_INDEX,
    "nft-goto": "nft 'table inet t { chain in { tcp dport 5000-6000 drop; }; chain input { type filter hook input priority 0; "
    "policy accept; ip protocol tcp goto in; }; }'",
    "nft-return": NFT % "policy drop; ct state established accept; tcp dport 5432 return; tcp dport 5000-6000 accept;",
    "nft-options": NFT % "policy drop; ct state established accept; tcp option maxseg size set 1200; reset tcp option 123;",
    "nft-dynamic": "nft 'table inet t { set s { type ipv4_addr; size 64; flags dynamic; }; chain input { type filter hook input "
    "priority 0; tcp dport 5000-6000 add @s { ip saddr } drop; }; }'",
    "nft-inline": NFT % INLINE,
    "nft-ingress": "nft 'table netdev t { chain i { type filter hook ingress device v0 priority 0; tcp dport 5432 counter drop; }; }'",
    "iptables-legacy": "iptables-legacy -A INPUT -p tcp --dport 5432 -j DROP",
    "iptables-legacy-policy": "iptables-legacy -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables-legacy -P INPUT DROP",
    "iptables-legacy-chain": "iptables-legacy -N web; iptables-legacy -A web -p tcp -m multiport --dports 5431:5433 -j REJECT; "
    "iptables-legacy -A INPUT -j web",
    "iptables-legacy-return": "iptables-legacy -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables-legacy -P INPUT DROP; "
    "iptables-legacy -A INPUT -m connlimit --connlimit-above 3 -j RETURN; iptables-legacy -A INPUT -p tcp -j RETURN",
    "iptables-nft": "iptables-nft -A INPUT -p tcp --dport 5432 -j DROP",
    "iptables-nft-policy": "iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables-nft -P INPUT DROP",
    "iptables-nft-match": "iptables-nft -A INPUT -p tcp -m multiport --dports 5431:5433 -m comment --comment 'closed: here' -j DROP",
}

QUICK = ("nft-by-link", "nft-goto", "nft-dynamic", "iptables-legacy-return", "iptables-nft-policy")  # each way to say it, each backend
TYPED = ("nft-dynamic", "iptables-legacy-return")


def scenes(quick: Sequence[str]) -> list[Any]:
    return [pytest.param(scene, marks=[] if scene in quick else pytest.mark.slow) for scene in SCENES]


ANY = {"flow": None, "way": None}  # a rule that names no interface is opened for all
BY_WAY = {
    "nft": NFT % 'iif "v0" tcp dport 5432 counter drop; iifname "w0" tcp dport 5432 counter drop;',
    "nft-set": NFT % 'iifname { "v0", "x0" } tcp dport 5432 drop; iifname "w0" tcp dport 5432 drop;',
    "iptables-legacy": "for way in v0 w0; do iptables-legacy -A INPUT -i $way -p tcp --dport 5432 -j DROP; done",
    "iptables-nft": "for way in v+ w0; do iptables-nft -A INPUT -i $way -p tcp --dport 5432 -j DROP; done",
}


@pytest.mark.parametrize("scene", scenes(QUICK))
def test_what_opens_in_the_copy_opens_on_the_host_and_nothing_else(scene: str) -> None:
    told = observed(SCENES[scene], "opening")
    assert [fix["result"] for fix in told["rehearsed"]] == ["opens"], told
    assert told["untouched"], "the rehearsal must not change the host's rules"
    assert told["sent"] == [], "nor begin to: others would wait for it"
    assert told["after"]["flow"] is True and told["before"]["flow"] is False, told
    assert {**told["after"], **ANY} == {**told["before"], **ANY}, told


@pytest.mark.parametrize("scene", scenes(TYPED))
def test_the_printed_command_typed_by_hand_opens_the_flow_and_nothing_else(scene: str) -> None:
    told = observed(SCENES[scene], "typing")
    assert told["command"] and told["then"] == "accept", told
    assert told["after"]["flow"] is True and told["before"]["flow"] is False, told
    assert {**told["after"], **ANY} == {**told["before"], **ANY}, told


@pytest.mark.parametrize(
    ("scene", "mode"),
    [
        pytest.param("nft", "typing", marks=pytest.mark.slow),
        ("nft-set", "opening"),
        pytest.param("iptables-legacy", "opening", marks=pytest.mark.slow),
        ("iptables-nft", "typing"),
    ],
)
def test_a_rule_that_names_an_interface_is_opened_for_that_one_alone(scene: str, mode: str) -> None:
    told = observed(BY_WAY[scene], mode)
    assert told["before"]["flow"] is False and told["before"]["way"] is False, told
    assert told["after"]["flow"] is True and told["after"]["way"] is False, told


def test_a_fix_that_comes_too_late_or_opens_more_fails_and_the_next_is_rehearsed_without_it() -> None:
    told = observed(NFT % "tcp dport 5432 counter drop;", "refusing")
    late, gone, wide, good, wider, then = told["rehearsed"]
    assert (late["result"], late["packets"][0]["after"]) == ("fails", "drop") and "would still be dropped" in late["why"]
    assert gone["result"] == "fails" and "diagnose again" in gone["why"]
    assert wide["result"] == "fails" and "it would also change what happens to a SYN" in wide["why"]
    assert (good["result"], good["why"]) == ("opens", "")
    assert wider["result"] == "fails" and then["packets"][0]["before"] == "accept", "what was kept before stays"
    first, second = told["answered"]
    assert first["result"] == "further" and "a SYN-ACK" in first["why"] and "would still be dropped" in first["why"], (
        "its own packet passes"
    )
    assert second["result"] == "fails" and "a SYN-ACK" in second["why"], "the packet that it is for comes first"


def test_the_time_that_copying_takes_counts() -> None:
    told = observed(NFT % "tcp dport 5432 counter drop;", "hurrying")
    assert [(fix["result"], fix["why"]) for fix in told["rehearsed"]] == [
        ("not_rehearsed", "copying the rules took all of the 1.9 s that there are for it")
    ] * 2
    assert told["refused"] == "it takes longer than 1.8 s to rehearse the change"


def test_links_for_which_no_module_is_loaded() -> None:
    """Rules name them, and the copy has them by their numbers."""
    (fix,) = observed(NFT % BY_INDEX, "linkless")["rehearsed"]
    assert fix["result"] == "not_rehearsed" and "no kernel module is loaded to make a link v0" in fix["why"], fix


def test_a_second_firewall_behind_the_first_is_told() -> None:
    told = observed(EARLY + "; iptables-legacy -A INPUT -p tcp --dport 5432 -j DROP", "opening")
    (fix,) = told["rehearsed"]
    assert fix["result"] == "further" and "-A INPUT -p tcp" in fix["why"], fix
    assert told["after"]["flow"] is False


@pytest.mark.parametrize("behind", [pytest.param("iptables-legacy-policy", marks=pytest.mark.slow), "iptables-legacy"])
def test_the_verdict_tells_every_rule_that_the_packet_has_to_pass(behind: str) -> None:
    told = observed(f"{EARLY}; {SCENES[behind]}", "typing")
    assert len(told["command"]) == 2 and told["command"][1].startswith("iptables-legacy -"), told
    assert told["after"] == {**told["before"], "flow": True, "way": True}


def observed(rules: str, mode: str) -> dict[str, Any]:
    run = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    environment = {
        "PYTHONPATH": str(COLLECTIONS),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "XTABLES_LOCKFILE": "/dev/null",
    }
    words = [*run, "sh", "-ec", SCENE, sys.executable, rules, ON_HOST, mode]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
