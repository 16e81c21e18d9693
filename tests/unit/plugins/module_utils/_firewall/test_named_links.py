# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which interfaces a saved ruleset names: nft itself loads each of these once they exist, and not before."""

from __future__ import annotations

import json
import subprocess

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.named_links import names_in

CHAIN = "table inet t {\n chain a { }\n chain b {\n type filter hook input priority 0;\n %s\n }\n}\n"
RULES = {
    'iif "wan5" accept': ["wan5"],
    "iif wan5 oif != dmz6 accept": ["wan5", "dmz6"],
    'iif { "wan5", "dmz6" } accept': ["wan5", "dmz6"],
    "iif { wan5, dmz6 } accept": ["wan5", "dmz6"],
    'iif != { "wan5", "dmz6" } drop': ["wan5", "dmz6"],
    'iif vmap { "wan5" : jump a, "dmz6" : drop }': ["wan5", "dmz6"],
    'iif . tcp dport { "wan5" . 22, "dmz6" . 80 } accept': ["wan5", "dmz6"],
    'iifname "other" tcp dport 22 accept': [],
    'fib saddr . iif oif missing drop comment "iif wan9"': [],
}
TEXTS = {
    "define wan = wan5\ndefine inside = { $wan, dmz6 }\n" + CHAIN % "iif $inside accept": ["wan5", "dmz6"],
    'define wan = "wan5"\n' + CHAIN % "iif $wan accept": ["wan5"],
    'table inet t {\n set s {\n type iface_index\n elements = { "wan5", "dmz6" }\n }\n}\n': ["wan5", "dmz6"],
    'table netdev t {\n chain c { type filter hook ingress device "wan5" priority 0; }\n}\n': ["wan5"],
    "table netdev t {\n chain c { type filter hook ingress devices = { wan5, dmz6 } priority 0; }\n}\n": ["wan5", "dmz6"],
}
EVERY = {**{CHAIN % rule: names for rule, names in RULES.items()}, **TEXTS}
MADE = "for name in $NAMES; do ip link add $name type bridge; done; exec nft $KIND -f -"


def loads(text: str, names: list[str], kind: str = "") -> bool:
    run = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", MADE]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "NAMES": " ".join(names), "KIND": kind}
    return subprocess.run(run, input=text, capture_output=True, text=True, env=environment, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("text", EVERY)
def test_nft_needs_these_and_no_others(text: str) -> None:
    names = names_in(text)
    assert sorted(names) == sorted(EVERY[text])
    assert loads(text, names)
    if names and "netdev" not in text:  # newer kernels wait for devices
        assert not loads(text, [])


MATCH = {"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": {"set": ["wan5", "dmz6"]}}}
VMAP = {"vmap": {"key": {"meta": {"key": "iif"}}, "data": {"set": [["wan5", {"jump": {"target": "a"}}], ["dmz6", {"drop": None}]]}}}


@pytest.mark.parametrize("expression", [MATCH, VMAP])
def test_json_names_them_as_well(expression: dict[str, object]) -> None:
    place = {"family": "inet", "table": "t"}
    commands = [{"table": {"family": "inet", "name": "t"}}, {"chain": {**place, "name": "a"}}, {"chain": {**place, "name": "b"}}]
    text = json.dumps({"nftables": [{"add": each} for each in (*commands, {"rule": {**place, "chain": "b", "expr": [expression]}})]})
    assert names_in(text) == ["wan5", "dmz6"]
    assert loads(text, ["wan5", "dmz6"], "-j")
