# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to tell listeners with their owners on a host with 50,000 TCP sockets, 2,000 of them listening.

    python tests/bench/listeners.py [--quick] [--late]

Compares whole commands and whole modules (a new process each) with `ss -ltnp` and community.general.listen_ports_facts, in a network
namespace of its own that any user may make. `--quick`: 5,000 sockets and 200 listeners. `--late`: the listeners are opened after the
connections, the worst order for a walk that begins with the files opened first. No listen_ports_facts: --without-facts (it takes minutes).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
COLLECTIONS = CHECKOUT / "build" / "collections"
NAMESPACES = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
SERVERS = 4
COLLECTOR = """
import json
from ansible_collections.threeway.handshake.plugins.module_utils._host import owners, sockets
listeners = sockets.listeners()
absent = owners.attach(listeners)
print(json.dumps([listeners, absent]))
"""


def listen(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(4096)
    return made


def serve(ports: range, connections: int, late: bool, say: int) -> None:
    first = listen(ports[0])
    kept = [] if late else [listen(port) for port in ports[1:]]
    os.write(say, b"1")
    kept += [first.accept()[0] for _turn in range(connections)]
    kept += [listen(port) for port in ports[1:]] if late else []
    os.write(say, b"2")
    time.sleep(10_000)


def dial(port: int, connections: int, say: int) -> None:
    kept = [socket.create_connection(("127.0.0.1", port)) for _turn in range(connections)]
    os.write(say, b"3")
    time.sleep(10_000 + len(kept))


def populate(sockets: int, listeners: int, late: bool) -> None:
    """Start the servers and their clients, and wait until all is open; they end with the namespace."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = (sockets - listeners) // 2 // SERVERS
    if connections + listeners // SERVERS + 100 > hard:
        sys.exit(f"a process may open {hard} files only: raise the limit (ulimit -Hn) or use --quick")
    for number in range(SERVERS):
        base = 10_000 + number * (listeners // SERVERS)
        hear, say = os.pipe()
        if os.fork() == 0:
            serve(range(base, base + listeners // SERVERS), connections, late, say)
        os.read(hear, 1)
        if os.fork() == 0:
            dial(base, connections, say)
        os.close(say)
        for _turn in range(2):
            if not os.read(hear, 1):
                sys.exit("a process of the scene died")
        os.close(hear)


def run(command: list[str | Path], path: Path | None = None, stdin: str = "") -> tuple[float, str]:
    """(seconds, what the command printed)"""
    environment = {**os.environ, "LC_ALL": "C"}
    if path:
        environment["PYTHONPATH"] = str(path)
    started = time.perf_counter()
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=environment, timeout=1200)
    elapsed = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{command} failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return elapsed, done.stdout


def several(name: str, times: int, measure: t.Callable[[], tuple[float, str]]) -> tuple[float, str]:
    results = [measure() for _turn in range(times)]
    seconds = sorted(elapsed for elapsed, _output in results)
    middle = statistics.median(seconds)
    print(f"  {name:<58} {middle * 1000:10.1f} ms   (fastest {seconds[0] * 1000:.1f}, {times} times)", flush=True)
    return middle, results[0][1]


def inside(options: argparse.Namespace) -> None:
    sockets, listeners = (5_000, 200) if options.quick else (50_000, 2_000)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("20000 65000")
    populate(sockets, listeners, options.late)
    counted = len(run(["ss", "-Htan"])[1].splitlines())
    order = "after" if options.late else "before"
    print(f"{counted} sockets, {listeners} of them listening, opened {order} the connections of {SERVERS} servers; whole processes:")

    times = 11
    ours, told = several("listeners with owners, by our collector", times, lambda: run([sys.executable, "-c", COLLECTOR], COLLECTIONS))
    theirs, table = several("ss -ltnp", times, lambda: run(["ss", "-Hltnp"]))
    bare, _nothing = several(
        "(a Python that imports json, re and socket)", times, lambda: run([sys.executable, "-c", "import json, re, socket"])
    )
    found, absent = json.loads(told)
    pids = {(one["port"], process["pid"]) for one in found for process in one["processes"]}
    if absent or len(found) != listeners or any(f":{port} " not in table or f"pid={pid}," not in table for port, pid in list(pids)[:50]):
        sys.exit("our collector and ss disagree")
    print(f"  ss -ltnp / collector = {theirs / ours:.1f}; without the start of Python {theirs / max(ours - bare, 1e-9):.1f}")

    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {"_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}})
    module: list[str | Path] = [sys.executable, "-m", "ansible_collections.threeway.handshake.plugins.modules.listener_info"]
    ours, told = several("threeway.handshake.listener_info", 5, lambda: run(module, COLLECTIONS, arguments))
    if len(json.loads(told)["listeners"]) != listeners:
        sys.exit("listener_info does not tell all listeners")
    if options.without_facts:
        return
    if importlib.util.find_spec("ansible_collections.community.general.plugins.modules.listen_ports_facts") is None:
        print("  community.general is not installed: pip install ansible")
        return
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {"command": "ss", "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}})
    module = [sys.executable, "-m", "ansible_collections.community.general.plugins.modules.listen_ports_facts"]
    theirs, told = several("community.general.listen_ports_facts (command: ss)", 1, lambda: run(module, None, arguments))
    if len(json.loads(told)["ansible_facts"]["tcp_listen"]) < listeners:
        sys.exit("listen_ports_facts does not tell all listeners")
    print(f"  listen_ports_facts / listener_info = {theirs / ours:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="5,000 sockets and 200 listeners")
    parser.add_argument("--late", action="store_true", help="open the listeners after the connections")
    parser.add_argument("--without-facts", action="store_true", help="leave listen_ports_facts out")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options)
    else:
        sys.exit(subprocess.run([*NAMESPACES, sys.executable, __file__, "--inside", *sys.argv[1:]], check=False).returncode)


if __name__ == "__main__":
    main()
