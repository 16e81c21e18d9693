# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the rulesets of this directory with the programs that make them on real hosts, and asks the kernel what they do.

    capture.py TREE [SCENARIO ...]

TREE is a Debian file system with the programs in it (firewalld, ufw, fail2ban); nothing in it is changed. Needs root. Everything happens in
namespaces that end with this process. A scenario is a directory of `scenarios/`: `load`, a shell script that runs in the tree and loads the
ruleset, and `dials`, a line for each connection: FROM [SOURCE] TO PORT, where FROM is one of the hosts c1, c2 and here.

For each scenario NAME.* is written: the ruleset as `nft list ruleset`, or as `iptables-save -c` and `ip6tables-save -c` print it, and
NAME.json: links, addresses and routes, and each packet that the kernel traced, with its verdict and the rule that decided.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kernel import Traces

HERE = Path(__file__).parent
NETWORK = """
set -e
mount -t tmpfs none /run
mkdir -p /run/netns
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0 net.ipv4.conf.default.rp_filter=0
for n in 1 2; do
  ip netns add c$n
  ip link add eth$((n-1)) type veth peer name eth0 netns c$n
  ip link set eth$((n-1)) up
  ip address add 10.0.$n.1/24 dev eth$((n-1))
  ip address add fd00:$n::1/64 dev eth$((n-1)) nodad
  ip -n c$n link set lo up
  ip -n c$n link set eth0 up
  for host in 11 12 13; do
    ip -n c$n address add 10.0.$n.$host/24 dev eth0
    ip -n c$n address add fd00:$n::$host/64 dev eth0 nodad
  done
  ip -n c$n route add default via 10.0.$n.1
  ip -n c$n route add default via fd00:$n::1
done
"""
TREE = """
set -e
mkdir -p /run/tree
mount -t tmpfs none /run/tree
mkdir /run/tree/upper /run/tree/work /run/tree/root
mount -t overlay overlay -o lowerdir={tree},upperdir=/run/tree/upper,workdir=/run/tree/work /run/tree/root
mount -t proc none /run/tree/root/proc
mount -t sysfs none /run/tree/root/sys
mount -t tmpfs none /run/tree/root/run
mount --rbind /dev /run/tree/root/dev
"""
ROOT = "/run/tree/root"
LISTEN = """
import selectors, socket, sys
s = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    l = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True); s.register(l, 1)
print("ready", flush=True)
held = []
while True:
    for key, _ in s.select(): held.append(key.fileobj.accept())
"""
DIAL = """
import socket, sys
source, to, port = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET); s.settimeout(0.4)
if source != "-": s.bind((source, 0))
try: s.connect((to, int(port))); print("connected")
except OSError as e: print(e.__class__.__name__, e.errno)
"""


def sh(script: str, *prefix: str) -> str:
    done = subprocess.run([*prefix, "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{script}\n{done.stdout}{done.stderr}")
    return done.stdout


def capture(tree: str, scenario: Path) -> None:
    sh(NETWORK)
    sh(TREE.format(tree=tree))
    sh(f"cp -r {scenario} {ROOT}/run/scenario")
    said = sh(
        "cd /run/scenario && { sh -e ./load </dev/null >/run/log 2>&1 || { cat /run/log; exit 1; }; } && sh ./version", "chroot", ROOT
    ).strip()
    dials = [line.split() for line in (scenario / "dials").read_text().splitlines() if line and not line.startswith("#")]
    header = f"# Made by {said}, see scenarios/{scenario.name}; {time.strftime('%Y-%m-%d')}\n"
    _keep(scenario, header)
    ports = sorted({int(dial[-1]) for dial in dials})
    listeners = [_listen(where, ports) for where in ("here", "c1", "c2")]
    traces = Traces()
    answers: list[dict[str, Any]] = []
    for origin, *source, to, port in dials:
        enter = [] if origin == "here" else ["ip", "netns", "exec", origin]
        told = subprocess.run(
            [*enter, sys.executable, "-c", DIAL, *(source or ["-"]), to, port], capture_output=True, text=True, check=True
        )
        time.sleep(0.05)
        seen: set[str] = set()
        for packet in traces.read():
            if packet["packet"] and packet["packet"] not in seen:
                seen.add(packet["packet"])
                packet["direction"] = _direction(packet)
                answers.append({"dial": " ".join([origin, *source, to, port]), "connect": told.stdout.strip(), **packet})
    for listener in listeners:
        listener.kill()
        listener.wait()
    lines = ",\n".join("  " + json.dumps(answer) for answer in answers)
    scene = {"made_by": said, "links": _links(), "routes": _routes()}
    told = "".join(f"{json.dumps(name)}: {json.dumps(value)},\n" for name, value in scene.items())
    (HERE / f"{scenario.name}.json").write_text(f'{{{told}"packets": [\n{lines}\n]}}\n')
    for answer in answers:
        print(
            scenario.name,
            answer["dial"],
            answer["packet"],
            answer["connect"],
            answer["verdict"],
            (answer["rule"] or {}).get("chain"),
            (answer["rule"] or {}).get("number"),
            (answer["rule"] or {}).get("effect"),
        )


def _links() -> dict[str, list[str]]:
    """Interfaces other than lo, with their addresses."""
    return {
        link["ifname"]: [f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"] if each["scope"] != "link"]
        for link in json.loads(sh("ip -j address"))
        if link["ifname"] != "lo"
    }


def _routes() -> list[str]:
    """Those through gateways; the others come with the addresses."""
    return [f"{route['dst']} via {route['gateway']}" for route in json.loads(sh("ip -j route")) if "gateway" in route]


def _direction(packet: dict[str, Any]) -> str:
    mine = {line.split()[3].split("/")[0] for line in sh("ip -o address").splitlines()}
    if packet["interface"] is None:
        return "out"
    return "in" if packet["destination"] in mine and packet["out_interface"] is None else "forward"


def _keep(scenario: Path, header: str) -> None:
    name = scenario.name
    if sh("iptables-nft-save").strip() or sh("ip6tables-nft-save").strip():
        (HERE / f"{name}.iptables").write_text(header + sh("iptables-save -c", "chroot", ROOT))
        (HERE / f"{name}.ip6tables").write_text(header + sh("ip6tables-save -c", "chroot", ROOT))
    else:
        (HERE / f"{name}.nft").write_text(header + sh("nft -s list ruleset", "chroot", ROOT))


def _listen(where: str, ports: list[int]) -> subprocess.Popen[str]:
    enter = [] if where == "here" else ["ip", "netns", "exec", where]
    listener = subprocess.Popen([*enter, sys.executable, "-c", LISTEN, *map(str, ports)], stdout=subprocess.PIPE, text=True)
    assert listener.stdout is not None and listener.stdout.readline() == "ready\n"
    return listener


if __name__ == "__main__":
    tree, *names = sys.argv[1:]
    if os.environ.get("CAPTURE_INSIDE"):
        capture(tree, HERE / "scenarios" / names[0])
    else:
        for one in names or sorted(path.name for path in (HERE / "scenarios").iterdir()):
            unshare = ["unshare", "--net", "--mount", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child", "--propagation=private"]
            code = subprocess.run([*unshare, sys.executable, __file__, tree, one], env={**os.environ, "CAPTURE_INSIDE": "1"}, check=False)
            if code.returncode:
                sys.exit(code.returncode)
