# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates the packets of a ruleset of this directory, in a network namespace that it gives the interfaces and routes of that host.

    evaluate.py NAME

prints the answer of firewall_info as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.verdicts import observe

HERE = Path(__file__).parent
ASKED = ("packet", "source", "source_port", "destination", "port")


def run(command: list[str], data: str | None = None) -> tuple[int, str, str]:
    done = subprocess.run(command, input=data, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def furnish(scene: dict[str, dict[str, list[str]]]) -> None:
    commands = ["link set lo up"]
    for name, addresses in scene["links"].items():
        commands += [f"link add {name} type veth peer name {name}-peer", f"link set {name} up", f"link set {name}-peer up"]
        commands += [f"address add {address} dev {name}" + (" nodad" if ":" in address else "") for address in addresses]
    commands += [f"route add {route}" for route in scene["routes"]]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
    for path in Path("/proc/sys/net/ipv6/conf").glob("*/forwarding"):
        path.write_text("1")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


if __name__ == "__main__":
    name = sys.argv[1]
    scene = json.loads((HERE / f"{name}.json").read_text())
    furnish(scene)
    if name == "firewalld-iptables":  # whose set is not part of what iptables-save tells
        for command in ("create blocked hash:ip", "add blocked 10.0.1.13"):
            subprocess.run(["ipset", *command.split()], check=True)
    files = [path for path in (HERE / f"{name}.{kind}" for kind in ("nft", "iptables", "ip6tables")) if path.exists()]
    questions = [{key: packet[key] for key in ASKED} for packet in scene["packets"]]
    print(json.dumps(observe(questions, run, "".join(path.read_text() for path in files))))
