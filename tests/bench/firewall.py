# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long firewall_info takes for the SYNs of 100 flows, and how much memory, against reading the same ruleset as JSON or iptables-save.

    python tests/bench/firewall.py [--quick]

Rulesets: 10,000 nftables rules, a set of 100,000 elements, 20,000 rules of either iptables. Whole processes in a network namespace of its
own that any user may make. `--quick`: a tenth of each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

COLLECTIONS = Path(__file__).parents[2] / "build" / "collections"
NAMESPACES = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
MODULE = [sys.executable, "-m", "ansible_collections.threeway.handshake.plugins.modules.firewall_info"]
TIMES = 7
# Prints what a child of it took: its exit code, seconds, and the most memory that it or one of its children had, in KiB.
METER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[2:], stdin=open(sys.argv[1]), stdout=open(sys.argv[1] + ".out", "w")).returncode
print(json.dumps([code, time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""
AS_JSON = "import json, subprocess; json.loads(subprocess.run(['nft', '-j', 'list', 'ruleset'], capture_output=True, check=True).stdout)"


CHUNK = 400  # rules or elements in one transaction: the netlink socket of an ordinary user takes no more than some 200 KiB


def pieces(base: str, commands: Sequence[str]) -> list[str]:
    """A ruleset in pieces that nft loads one after the other."""
    return [base, *("\n".join(commands[at : at + CHUNK]) for at in range(0, len(commands), CHUNK))]


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def nft_rules(count: int) -> list[str]:
    base = "table inet bench { chain input { type filter hook input priority 0; policy accept; }\n}"
    rules = [f"ip saddr {address(number)} tcp dport {1024 + number % 60000} counter drop" for number in range(count)]
    return pieces(base, [f"add rule inet bench input {rule}" for rule in rules])


def nft_set(count: int) -> list[str]:
    rule = "chain input { type filter hook input priority 0; policy accept; ip saddr @blocked counter drop; }"
    base = f"table inet bench {{ set blocked {{ type ipv4_addr; }}\n{rule}\n}}"
    return pieces(base, [f"add element inet bench blocked {{ {address(number)} }}" for number in range(count)])


def iptables_rules(count: int) -> list[str]:
    rules = [f"-A INPUT -s {address(number)}/32 -p tcp -m tcp --dport {1024 + number % 60000} -j DROP" for number in range(count)]
    return ["\n".join(["*filter", *rules[at : at + CHUNK], "COMMIT", ""]) for at in range(0, count, CHUNK)]


def packets(flows: int, spread: int) -> list[dict[str, object]]:
    """Half of them stopped by a rule somewhere in the list, the others by none."""
    hits = [{"source": address(number * spread), "port": 1024 + number * spread % 60000} for number in range(flows // 2)]
    misses: list[dict[str, object]] = [{"source": f"192.0.2.{number + 1}", "port": 5432} for number in range(flows - flows // 2)]
    return [{"destination": "127.0.0.1", "source_port": 40000, "direction": "in", "interface": "lo", **one} for one in (*hits, *misses)]


def measured(name: str, command: Sequence[str], stdin: str = "") -> tuple[float, int, str]:
    """(median seconds, KiB, output of the last run)"""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "stdin"
        file.write_text(stdin)
        environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS), "LC_ALL": "C"}
        runs = []
        for _turn in range(TIMES):
            done = subprocess.run(
                [sys.executable, "-c", METER, str(file), *command], capture_output=True, text=True, check=True, env=environment
            )
            code, seconds, memory = json.loads(done.stdout)
            output = file.with_suffix(".out").read_text()
            if code:
                sys.exit(f"{name} failed: {output[-500:]}{done.stderr[-500:]}")
            runs.append((seconds, memory))
    seconds, memory = statistics.median(each for each, _memory in runs), max(each for _seconds, each in runs)
    print(f"  {name:<42} {seconds * 1000:8.0f} ms   {memory / 1024:6.1f} MiB", flush=True)
    return seconds, memory, output


def compare(title: str, prepare: Callable[[], object], peer: tuple[str, Sequence[str]], spread: int) -> None:
    prepare()
    print(f"{title}:", flush=True)
    theirs, their_memory, _output = measured(*peer)
    for flows in (1, 100):
        arguments = {"packets": packets(flows, spread), "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}
        ours, memory, output = measured(f"firewall_info, {flows} flows", MODULE, json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        dropped = sum(verdict["verdict"] == "drop" for verdict in json.loads(output)["verdicts"])
        if dropped != flows // 2:
            sys.exit(f"{dropped} of {flows} packets are said to be dropped, not {flows // 2}")
        print(f"    / {peer[0]} = {ours / theirs:.2f} of the time, {memory / their_memory:.2f} of the memory", flush=True)


def feed(command: Sequence[str], text: str) -> None:
    subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.DEVNULL)


def load(ruleset: Sequence[str], command: Sequence[str] = ("nft", "-f", "-")) -> None:
    for piece in ruleset:
        feed(command, piece)


def inside(quick: bool) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    least = 10 if quick else 1
    rules, elements, xtables = 10_000 // least, 100_000 // least, 20_000 // least
    started = time.perf_counter()
    measured("(an AnsibleModule that does nothing)", MODULE, json.dumps({"ANSIBLE_MODULE_ARGS": {"packets": []}}))
    as_json = ("nft -j list ruleset and json.loads", [sys.executable, "-c", AS_JSON])
    flush = ["nft", "flush", "ruleset"]
    compare(f"{rules} nftables rules", lambda: load(nft_rules(rules)), as_json, rules // 50)
    subprocess.run(flush, check=True)
    compare(f"a set of {elements} elements", lambda: load(nft_set(elements)), as_json, elements // 50)
    subprocess.run(flush, check=True)
    for variant in ("nft", "legacy"):
        save = (f"iptables-{variant}-save -c", [f"iptables-{variant}-save", "-c"])
        restore = [f"iptables-{variant}-restore", "--noflush"]
        compare(f"{xtables} iptables-{variant} rules", lambda to=restore: load(iptables_rules(xtables), to), save, xtables // 50)
        feed([f"iptables-{variant}", "-F"], "")
    print(f"{time.perf_counter() - started:.0f} s in all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of each ruleset")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.quick)
    else:
        sys.exit(subprocess.run([*NAMESPACES, sys.executable, __file__, "--inside", *sys.argv[1:]], check=False).returncode)


if __name__ == "__main__":
    main()
