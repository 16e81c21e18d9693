# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where redirected packets go, by our word and by the kernel's: who is connected to accepts at the address that we name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COLLECTIONS = Path(__file__).absolute().parents[5] / "build" / "collections"
ON_HOST = str(Path(__file__).with_name("_redirect_scene.py"))
SCENE = """
ip link set lo up
unshare --net sleep 60 & other=$!
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
ip link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02 netns $other
away() { nsenter --target $other --net "$@"; }
ip link set v0 addrgenmode none; away ip link set v1 addrgenmode none
ip link set v0 up; away ip link set v1 up
for address in 10.9.0.1/24 $1; do ip address add $address dev v0 $(case $address in *:*) echo nodad;; esac); done
for address in 10.9.0.2/24 fd09::2/64 fe80::2/64; do away ip address add $address dev v1 $(case $address in *:*) echo nodad;; esac); done
ip neigh add fd09::77 lladdr 02:00:00:00:00:01 dev v0 2>/dev/null
away ip neigh add fd09::77 lladdr 02:00:00:00:00:01 dev v1; away ip neigh add fe80::77 lladdr 02:00:00:00:00:01 dev v1
sh -ec "$2"
exec "$0" "$3" "$other" "$4" "$5"
"""
NFT = "nft 'table inet t { chain c { type nat hook prerouting priority -100; tcp dport 81 redirect to :80; }; }'"
IP6TABLES = "ip6tables-legacy -t nat -A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 80"


@pytest.mark.parametrize("rule", [NFT, IP6TABLES], ids=["nft", "ip6tables"])
@pytest.mark.parametrize(
    ("own", "dialled", "verdict", "reached"),
    [
        ("fd09::1/64 fe80::1/64", "fe80::77", ("accept", "fe80::1"), "fe80::1"),
        ("fd09::1/64 fe80::1/64", "fd09::77", ("accept", "fd09::1"), "fd09::1"),
        ("fd09::1/64", "fe80::77", ("drop", None), None),
        ("fe80::1/64", "fd09::77", ("accept", "fe80::1"), None),  # from there a SYN-ACK does not find its way to a global address
    ],
)
def test_address_of_the_destinations_scope(rule: str, own: str, dialled: str, verdict: tuple[str, str | None], reached: str | None) -> None:
    assert observed(rule, own, dialled) == {"verdict": list(verdict), "kernel": reached}


def observed(rule: str, own: str, dialled: str) -> dict[str, Any]:
    """In namespaces of their own: which verdict we give, where to, and at which address the kernel accepts the connection."""
    run = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    words = [sys.executable, own, rule, ON_HOST, dialled, "fe80::2" if dialled.startswith("fe80") else "fd09::2"]
    environment = {"PYTHONPATH": str(COLLECTIONS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([*run, "sh", "-ec", SCENE, *words], capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
