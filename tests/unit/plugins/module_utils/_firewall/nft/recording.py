# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rulesets as the kernel tells them over nfnetlink, recorded in a network namespace of their own, and read again without a kernel."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.nft.read import Nftables
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import Link

COLLECTIONS = Path(__file__).absolute().parents[6] / "build" / "collections"
LINKS = {1: Link(1, "lo", 772), 2: Link(2, "eth0"), 3: Link(3, "eth1", group=7)}
_SCENE = "ip link add eth0 type veth peer name p0; ip link add eth1 type veth peer name p1; exec " + '"$0" "$@"'


class Recording:
    """A Source of tables.py: what was asked of the kernel, and its answers. Keys are question and names, joined by blanks."""

    def __init__(self, answers: dict[str, list[bytes]]) -> None:
        self.answers = answers

    def rules(self, family: str, table: str, chain: str) -> Sequence[bytes]:
        return self._answer("rules", family, table, chain)

    def set(self, family: str, table: str, name: str) -> bytes:
        return self._answer("set", family, table, name)[0]

    def elements(self, family: str, table: str, name: str) -> Sequence[bytes]:
        return self._answer("elements", family, table, name)

    def object(self, family: str, table: str, name: str, kind: int) -> bytes:
        return self._answer("object", family, table, name, str(kind))[0]

    def objects(self, family: str, table: str) -> Sequence[bytes]:
        return self._answer("objects", family, table)

    def sets(self, family: str, table: str) -> Sequence[bytes]:
        return self._answer("sets", family, table)

    def nftables(self) -> Nftables:
        return Nftables(self.answers["tables"], self.answers["chains"], self, LINKS)

    def _answer(self, *question: str) -> list[bytes]:
        if " ".join(question) not in self.answers:
            raise DecodeError(f"nobody asked for {' '.join(question)} when this was recorded")
        return self.answers[" ".join(question)]


def record(ruleset: str) -> Recording:
    """Load it with nft where nobody else is, and keep everything that can be asked for."""
    run = ["unshare", "--user", "--map-root-user", "--net", "sh", "-ec", _SCENE, sys.executable, __file__]
    environment = {"PYTHONPATH": str(COLLECTIONS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(run, input=ruleset, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return Recording({key: [base64.b64decode(each) for each in several] for key, several in json.loads(done.stdout).items()})


def _main() -> None:
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.nft import read, wire
    from ansible_collections.threeway.handshake.plugins.module_utils._wire.netlink import attributes

    subprocess.run(["nft", "-f", "-"], input=sys.stdin.read().encode(), check=True)
    kernel = read.Kernel()
    answers = {"tables": kernel.dump(wire.NFT_MSG_GETTABLE), "chains": kernel.dump(wire.NFT_MSG_GETCHAIN)}

    def names(kind: int, *attribute: int) -> list[tuple[Any, ...]]:
        found = []
        for body in kernel.dump(kind):
            about = attributes(body[4:])
            found.append((wire.FAMILIES[body[0]], *(wire.name(about, each) for each in attribute), about))
        return found

    for family, table, _about in names(wire.NFT_MSG_GETTABLE, 1):
        answers[f"objects {family} {table}"] = kernel.objects(family, table)
        answers[f"sets {family} {table}"] = kernel.sets(family, table)
    for family, table, chain, _about in names(wire.NFT_MSG_GETCHAIN, 1, 3):
        answers[f"rules {family} {table} {chain}"] = kernel.rules(family, table, chain)
    for family, table, name, _about in names(wire.NFT_MSG_GETSET, 1, 2):
        answers[f"set {family} {table} {name}"] = [kernel.set(family, table, name)]
        answers[f"elements {family} {table} {name}"] = kernel.elements(family, table, name)
    for family, table, name, about in names(wire.NFT_MSG_GETOBJ, 1, 2):
        kind = wire.number(about, 3)
        answers[f"object {family} {table} {name} {kind}"] = [kernel.object(family, table, name, kind)]
    print(json.dumps({key: [base64.b64encode(each).decode() for each in several] for key, several in answers.items()}))


if __name__ == "__main__":
    _main()
