# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""capture_info against `tcpdump -r` and `tshark -Y` with the same question: which packets have SYN or RST?

    python tests/bench/captures.py [--quick]

A capture of a million packets (--quick: 100,000) is written, of which 1, 10 or 50 % have SYN or RST, and the others are data and ACKs of
connections under way. Each reads it in a process of its own, with a warm cache; the median counts. The sum of user and system CPU time is
compared, and the largest resident set of capture_info is shown. tshark reads a tenth of the packets, and its time is multiplied.
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
from ansible_collections.threeway.handshake.plugins.module_utils._capture.handshakes import Wanted, observe
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


def cost(command: list[str], runs: int) -> tuple[float, int]:
    """Median CPU seconds of a command, and the largest resident set in KiB."""
    times, size = [], 0
    for _turn in range(runs):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _pid, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command[0]} failed")
        times.append(used.ru_utime + used.ru_stime)
        size = max(size, used.ru_maxrss)
    return statistics.median(times), size


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare capture_info with tcpdump and tshark.")
    parser.add_argument("--quick", action="store_true", help="a smaller capture and fewer runs")
    asked = parser.parse_args()
    if not shutil.which("tcpdump"):
        raise SystemExit("this needs tcpdump")
    os.environ["PYTHONPATH"] = str(COLLECTIONS)
    count, runs = (100_000, 3) if asked.quick else (1_000_000, 9)
    print(f"{count} packets, median of {runs}")
    print(f"{'SYN or RST':>10} {'capture_info':>13} {'memory':>9} {'tcpdump':>9} {'ratio':>6} {'tshark':>9} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as place:
        for share in (0.01, 0.1, 0.5):
            path, small = Path(place) / "some.pcap", Path(place) / "small.pcap"
            write(path, count, share)
            write(small, count // 10, share)
            ours, size = cost([sys.executable, "-c", READ, str(path)], runs)
            theirs, _size = cost(["tcpdump", "-r", str(path), "-w", os.devnull, QUESTION], runs)
            line = f"{share:10.0%} {ours:12.2f}s {size / 1024:6.1f}MiB {theirs:8.2f}s {ours / theirs:6.1f}"
            if shutil.which("tshark"):
                shark, _size = cost(["tshark", "-n", "-r", str(small), "-Y", "tcp.flags.syn == 1 || tcp.flags.reset == 1"], 1)
                line += f" {shark * 10:8.1f}s {shark * 10 / ours:6.1f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
