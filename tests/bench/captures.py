# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""capture_info against `tcpdump -r` and `tshark -Y` with the same question: which packets have SYN or RST?

    python tests/bench/captures.py [--quick] [--python /usr/bin/python3]

A capture of a million packets (--quick: 100,000) is written, of which 1, 10 or 50 % have SYN or RST, and the others are data and ACKs of
connections under way; that of 10 % also as pcapng. Each reads it in a process of its own, in turn, with a warm cache and compiled modules;
the median counts. The sum of user and system CPU time is compared, and the largest resident set of capture_info is shown. tshark reads a
tenth of the packets, and its time is multiplied.

capture_info runs with the Python of a host: --python names it. One that was built without profile-guided optimisation is slower.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

COLLECTIONS = Path(__file__).parents[2] / "build" / "collections"
QUESTION = "tcp[tcpflags] & (tcp-syn|tcp-rst) != 0"
READ = """
import sys
from ansible_collections.threeway.handshake.plugins.module_utils._capture.handshakes import observe
from ansible_collections.threeway.handshake.plugins.module_utils._capture.wanted import Wanted
observe(sys.argv[1], Wanted())
"""
OPTIONS = bytes.fromhex("020405b40402080a00000001000000000103" + "0307")


def packet(source: bytes, target: bytes, ports: tuple[int, int], numbers: tuple[int, int], flags: int, payload: int) -> bytes:
    options = OPTIONS if flags & 2 else b""
    tcp = struct.pack("!HHIIHHHH", *ports, *numbers, (5 + len(options) // 4) << 12 | flags, 64240, 0, 0) + options
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + payload, 1, 0x4000, 64, 6, 0, source, target)
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0" + ip + tcp + bytes(payload)


def handshake(luck: random.Random, ends: tuple[bytes, bytes, int]) -> list[bytes]:
    """Of two in three, SYN, SYN-ACK and ACK; of the third, SYN and RST."""
    client, server, port = ends
    isn, server_isn = luck.getrandbits(31), luck.getrandbits(31)
    syn = packet(client, server, (port, 443), (isn, 0), 2, 0)
    if luck.random() < 1 / 3:
        return [syn, packet(server, client, (443, port), (0, isn + 1), 20, 0)]
    answer = packet(server, client, (443, port), (server_isn, isn + 1), 18, 0)
    return [syn, answer, packet(client, server, (port, 443), (isn + 1, server_isn + 1), 16, 0)]


def write(path: Path, count: int, share: float) -> None:
    luck = random.Random(1)
    connections: list[tuple[bytes, bytes, int]] = [(bytes((10, 0, 0, 1)), bytes((10, 1, 0, 1)), 40000)]
    written = flagged = 0
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        while written < count:
            if flagged < share * written:
                ends = (bytes((10, 0, luck.randrange(8), luck.randrange(1, 250))), bytes((10, 1, 0, luck.randrange(1, 20))))
                connections = [*connections[-500:], (*ends, luck.randrange(1024, 65536))]
                packets = handshake(luck, connections[-1])
                flagged += 2
            else:
                client, server, port = luck.choice(connections)
                numbers = (luck.getrandbits(32), luck.getrandbits(32))
                size = luck.choice((0, 0, 100, 1448, 1448))
                packets = [packet(client, server, (port, 443), numbers, 16, size)]
                if luck.random() < 0.5:
                    packets = [packet(server, client, (443, port), numbers, 16, size)]
            for each in packets:
                written += 1
                file.write(struct.pack("<IIII", 1_763_697_600 + written // 50_000, written % 50_000 * 20, len(each), len(each)) + each)


def costs(commands: list[list[str]], runs: int) -> list[tuple[float, int]]:
    """Of each command, the median CPU seconds, and the largest resident set in KiB. They run in turn, so that all share what disturbs."""
    times: list[list[float]] = [[] for _command in commands]
    sizes = [0 for _command in commands]
    for turn in range(runs + 1):
        for number, command in enumerate(commands):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                _pid, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"{command[0]} failed")
            if turn:  # the first one fills caches
                times[number].append(used.ru_utime + used.ru_stime)
                sizes[number] = max(sizes[number], used.ru_maxrss)
    return [(statistics.median(each), size) for each, size in zip(times, sizes, strict=True)]


def measure(name: str, path: Path, small: Path | None, python: str, runs: int) -> None:
    tcpdump = ["tcpdump", "-r", str(path), "-w", os.devnull, QUESTION]
    (ours, size), (theirs, _size) = costs([[python, "-c", READ, str(path)], tcpdump], runs)
    line = f"{name:>12} {ours:12.2f}s {size / 1024:6.1f}MiB {theirs:8.2f}s {ours / theirs:6.1f}"
    if small and shutil.which("tshark"):
        shark = ["tshark", "-n", "-r", str(small), "-Y", "tcp.flags.syn == 1 || tcp.flags.reset == 1"]
        ((seconds, _size),) = costs([shark], 1)
        line += f" {seconds * 10:8.1f}s {seconds * 10 / ours:6.1f}"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare capture_info with tcpdump and tshark.")
    parser.add_argument("--quick", action="store_true", help="a smaller capture and fewer runs")
    parser.add_argument("--python", default=sys.executable, help="the Python that capture_info runs with")
    asked = parser.parse_args()
    if not shutil.which("tcpdump"):
        raise SystemExit("this needs tcpdump")
    count, runs = (100_000, 3) if asked.quick else (1_000_000, 9)
    print(f"{count} packets, median of {runs}")
    print(f"{'SYN or RST':>12} {'capture_info':>13} {'memory':>9} {'tcpdump':>9} {'ratio':>6} {'tshark':>9} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as place:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ.update(PYTHONPATH=str(COLLECTIONS), PYTHONPYCACHEPREFIX=f"{place}/compiled")
        for share in (0.01, 0.1, 0.5):
            path, small = Path(place) / "some.pcap", Path(place) / "small.pcap"
            write(path, count, share)
            write(small, count // 10, share)
            measure(f"{share:.0%}", path, small, asked.python, runs)
            if share == 0.1 and shutil.which("editcap"):
                other = Path(place) / "some.pcapng"
                subprocess.run(["editcap", "-F", "pcapng", str(path), str(other)], check=True)
                measure("10%, pcapng", other, None, asked.python, runs)
                other.unlink()


if __name__ == "__main__":
    main()
