# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder against `tcpdump -w` with the same filter and a ring of the same size: lost packets and CPU time.

    python tests/bench/recorder.py [--quick]

A sender in one network namespace transmits small TCP packets over a veth pair; one or all of a hundred match the filter. CPU time is that
of the recording process while packets are sent (from its scheduler statistics, so the kernel's work on its behalf counts as well); the
column `finish` has the time that the recorder needs afterwards to read, cut and pack its frames. Lost packets are what the kernel counted
as dropped for lack of room. As tcpdump cannot run in rootless namespaces, this needs root; everything stays in namespaces of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import mmap
import os
import re
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

COLLECTIONS = Path(__file__).parents[2] / "build" / "collections"
NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
PORT, OTHER_PORT = 5432, 80
BATCH, SLOT = 1024, 128  # packets that one system call sends; bytes of ring for each
SETUP = """
mount -t tmpfs none /run
ip netns add receiver
ip link add va type veth peer name vb netns receiver
ip link set va up; ip -n receiver link set vb up; ip -n receiver link set lo up
"""


class Result(NamedTuple):
    """One run: packets a second that were sent, matching packets seen and lost, seconds of CPU time."""

    rate: float
    seen: int
    lost: int
    cpu: float
    finish: float


def send(rate: int, seconds: float, matching: int) -> float:
    """Transmit from namespace to namespace; `rate` 0: as fast as possible. Returns packets a second.

    A PACKET_TX_RING (Documentation/networking/packet_mmap.rst) is filled with one copy of memory and sent with one call.
    """
    sol_packet, tx_ring, version, bypass, send_request = 263, 13, 10, 20, 1
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.setsockopt(sol_packet, version, 1)  # TPACKET_V2
        sender.setsockopt(sol_packet, bypass, 1)
        sender.setsockopt(sol_packet, tx_ring, struct.pack("4I", BATCH * SLOT, 1, SLOT, BATCH))
        sender.bind(("va", 0))
        batch = bytearray()
        for number in range(BATCH):
            port = PORT if number % 100 < matching else OTHER_PORT
            tcp = struct.pack("!HHIIHHHH", 1024 + number, port, number, 0, 5 << 12 | 2, 64240, 0, 0)
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, number, 0, 64, 6, 0, bytes((192, 0, 2, 11)), bytes((192, 0, 2, 21)))
            frame = b"\x02\0\0\0\0\x99" + b"\x02\0\0\0\0\x11" + b"\x08\0" + ip + tcp
            # struct tpacket2_hdr: status, len, ...; the frame follows at TPACKET_ALIGN(sizeof(struct tpacket2_hdr))
            batch += (struct.pack("=II24x", send_request, len(frame)) + frame).ljust(SLOT, b"\0")
        ring = mmap.mmap(sender.fileno(), len(batch))
        began, sent = time.perf_counter(), 0
        while (now := time.perf_counter() - began) < seconds:
            if rate and sent > rate * now:
                time.sleep(sent / rate - now)
            ring[:] = bytes(batch)
            sender.send(b"")
            sent += BATCH
        ring.close()
        return sent / (time.perf_counter() - began)


def record() -> None:
    """The recorder's process: record until standard input ends, tell what happened."""
    from ansible_collections.threeway.handshake.plugins.module_utils._record.recorder import Recording

    recording = Recording([PORT], [], seconds=60, max_packets=100_000_000, max_bytes=2 << 30)
    print("ready", flush=True)
    poll = select.poll()
    poll.register(recording.fileno(), select.POLLIN)
    poll.register(0, select.POLLIN)
    while not any(descriptor == 0 for descriptor, _event in poll.poll()):
        recording.collect()
    recording.collect()
    busy = time.process_time()
    if os.read(0, 9) == b"finish\n":
        told = recording.result()
        print(told["count"], told["dropped"], time.process_time() - busy, flush=True)
    else:
        recording._take_latest()
        print(recording._taken, recording._ring.statistics()[1], 0, flush=True)


def cpu_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def run_recorder(rate: int, seconds: float, matching: int) -> Result:
    inside = ["ip", "netns", "exec", "receiver", sys.executable, __file__, "--record"]
    with subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        before = cpu_seconds(process.pid)
        achieved = send(rate, seconds, matching)
        time.sleep(0.7)
        cpu = cpu_seconds(process.pid) - before
        # Nobody wants all of millions of packets read; a recording has bounds.
        process.stdin.write("finish\n" if matching == 1 else "count\n")
        process.stdin.flush()
        seen, lost, finish = process.stdout.readline().split()
        return Result(achieved, int(seen), int(lost), cpu, float(finish))


def run_tcpdump(rate: int, seconds: float, matching: int) -> Result:
    command = [
        "ip",
        "netns",
        "exec",
        "receiver",
        "tcpdump",
        "-n",
        "-i",
        "any",
        "-B",
        str(16 << 10),
        "-Z",
        "root",
        "-w",
        "/run/tcpdump.pcap",
        f"tcp port {PORT}",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while "listening" not in (line := process.stderr.readline()):
            if not line:
                raise SystemExit("tcpdump does not start")
        time.sleep(0.1)
        before = cpu_seconds(process.pid)
        achieved = send(rate, seconds, matching)
        time.sleep(1.2)  # libpcap hands blocks over once a second
        cpu = cpu_seconds(process.pid) - before
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    counts = {words: int(number) for number, words in re.findall(r"(\d+) packets (captured|dropped by kernel)", said)}
    return Result(achieved, counts["captured"], counts["dropped by kernel"], cpu, 0.0)


def median(results: list[Result]) -> Result:
    return Result(*(statistics.median(column) for column in zip(*results, strict=True)))


def compare(seconds: float, runs: int) -> Iterator[str]:
    yield f"{'sent/s':>9} {'match':>5}  {'':8} {'seen':>9} {'lost':>7} {'CPU':>7} {'per match':>10} {'finish':>8}"
    for rate in (100_000, 0):
        for matching in (1, 100):
            medians = {}
            for name, run in (("recorder", run_recorder), ("tcpdump", run_tcpdump)):
                result = medians[name] = median([run(rate, seconds, matching) for _turn in range(runs)])
                cost = result.cpu / result.seen * 1e6 if result.seen else 0.0
                finish = f"{result.finish:7.3f}s" if result.finish else ""
                yield (
                    f"{result.rate:9.0f} {matching:4}%  {name:8} {result.seen:9.0f} {result.lost:7.0f} {result.cpu / seconds:6.1%} "
                    f"{cost:8.2f}us {finish:>8}"
                )
            yield f"{'':17}recorder/tcpdump CPU: {medians['recorder'].cpu / medians['tcpdump'].cpu:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the recorder with tcpdump.")
    parser.add_argument("--quick", action="store_true", help="one short run of each")
    parser.add_argument("--record", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.record:
        record()
    elif asked.inside:
        subprocess.run(["sh", "-ec", SETUP], check=True)
        for line in compare(*((1.0, 1) if asked.quick else (3.0, 5))):
            print(line, flush=True)
    elif os.geteuid() or not shutil.which("tcpdump"):
        raise SystemExit("this needs root, and tcpdump")
    else:
        with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
            environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
            raise SystemExit(
                subprocess.run([*NAMESPACES, sys.executable, __file__, "--inside", *sys.argv[1:]], env=environment, check=False).returncode
            )


if __name__ == "__main__":
    main()
