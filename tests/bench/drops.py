# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to have the kernel tell of dropped packets: CPU a connection with and without, and nanoseconds an event.

    python tests/bench/drops.py [--quick]

Two processes make as many connections as they can over loopback, in pairs of runs with and without the tracer, in random order within a
pair. CPU time is that of both processes, in which the kernel handles the packets. The difference is given with its 95 % confidence
interval (Student's t over the pairs). Then SYNs are dropped as fast as one core can send them, and the kernel's own statistics of its BPF
programs say what an event takes that is a flow's, or another's. Needs root; everything stays in namespaces of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import multiprocessing
import os
import random
import resource
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import recorder

from ansible_collections.threeway.handshake.plugins.module_utils._drops import bpf_call
from ansible_collections.threeway.handshake.plugins.module_utils._drops.tracer import Flow, Tracer, own_namespace

CLIENT, PORT = "127.0.0.1", 5432
SERVERS = [f"127.0.0.{number}" for number in range(2, 250)]  # many, so that the client never runs out of ports
T_95 = {4: 2.776, 14: 2.145}  # by degrees of freedom
BPF_ENABLE_STATS, BPF_PROG_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD, RUN_TIME_AT = 32, 13, 15, 192


def serve(ready: multiprocessing.synchronize.Event) -> None:
    with socket.create_server(("0.0.0.0", PORT), backlog=4096) as listener:
        ready.set()
        while True:
            listener.accept()[0].close()


def dial(seconds: float, made: multiprocessing.Queue[int]) -> None:
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for server in SERVERS:
            with socket.socket() as dialler:
                dialler.connect((server, PORT))
                dialler.recv(1)  # the server closes first, and has the socket in TIME_WAIT
        count += len(SERVERS)
    made.put(count)


def connections(seconds: float) -> tuple[float, float]:
    """(connections a second, microseconds of CPU a connection)"""
    context = multiprocessing.get_context("fork")
    ready, made = context.Event(), context.Queue()
    server = context.Process(target=serve, args=(ready,))
    server.start()
    ready.wait()
    before = cpu_of(server.pid)
    client = context.Process(target=dial, args=(seconds, made))
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    client.start()
    count = made.get()
    took = time.monotonic() - began
    client.join()
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime + cpu_of(server.pid) - before
    server.kill()
    server.join()
    return count / took, cpu / count * 1e6


def cpu_of(pid: int | None) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


@contextlib.contextmanager
def traced() -> Iterator[None]:
    with Tracer([Flow(CLIENT, server, PORT) for server in SERVERS], own_namespace(), seconds=600) as tracer:
        yield
        drops = [event for event in tracer.events() if event.kind == "drop" and event.flags and "SYN" in event.flags]
        if drops or tracer.lost:
            raise SystemExit(f"healthy connections were told as dropped: {len(drops)}, lost {tracer.lost}, first {drops[:1]}")


def pair(seconds: float) -> dict[bool, tuple[float, float]]:
    result = {}
    for on in random.sample([False, True], 2):
        with traced() if on else contextlib.nullcontext():
            result[on] = connections(seconds)
    return result


def compare(seconds: float, pairs: int) -> Iterator[str]:
    connections(seconds)  # warm
    results = [pair(seconds) for _turn in range(pairs)]
    for on, name in ((False, "without"), (True, "with")):
        rate, cpu = (statistics.median(result[on][column] for result in results) for column in (0, 1))
        yield f"{name:8} {rate:8.0f} connections/s  {cpu:7.2f} us CPU a connection (medians of {pairs})"
    for column, name in ((1, "CPU a connection"), (0, "connections/s")):
        changes = [(result[True][column] / result[False][column] - 1) * 100 for result in results]
        error = T_95[pairs - 1] * statistics.stdev(changes) / pairs**0.5
        yield f"{name}: {statistics.mean(changes):+.2f} % with the tracer, 95 % interval {error:.2f} to either side"


def run_statistics(program: int) -> tuple[int, int]:
    """(nanoseconds, runs) of a program, which the kernel counts while somebody asks for it."""
    descriptor = bpf_call.command(BPF_PROG_GET_FD_BY_ID, struct.pack("=III", program, 0, 0))
    info = ctypes.create_string_buffer(RUN_TIME_AT + 16)
    bpf_call.command(BPF_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(info)))
    os.close(descriptor)
    nanoseconds, runs = struct.unpack_from("=QQ", info.raw, RUN_TIME_AT)
    return nanoseconds, runs


def of_kfree_skb() -> int:
    """The program of the tracer in this process that sees drops."""
    files = [Path(f"/proc/self/fdinfo/{descriptor}") for descriptor in os.listdir("/proc/self/fd")]
    texts = [file.read_text(encoding="ascii") for file in files if file.exists()]
    return next(int(text.split("prog_id:")[1].split()[0]) for text in texts if "kfree_skb" in text)


def send(seconds: float) -> float:
    """Transmit SYNs as fast as one core can, to an address that is not the receiver's. Returns packets a second.

    Not with a ring, as the benchmark of the recorder does: its packets have no headers where the tracer looks, see docs/drops.md.
    """
    tcp = struct.pack("!HHIIHHHH", 1024, recorder.PORT, 1, 0, 5 << 12 | 2, 64240, 0, 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, bytes((192, 0, 2, 11)), bytes((192, 0, 2, 21)))
    frame = b"\x02\0\0\0\0\x99" + b"\x02\0\0\0\0\x11" + b"\x08\0" + ip + tcp
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("va", 0))
        began, sent = time.perf_counter(), 0
        while (now := time.perf_counter() - began) < seconds:
            for _packet in range(1000):
                sender.send(frame)
            sent += 1000
        return sent / now


def drops(seconds: float) -> Iterator[str]:
    """The kernel's own figures of the program, for drops that are no flow's, and for drops that are."""
    yield f"{'dropped':>16} {'sent/s':>9} {'events':>9} {'told':>6} {'lost':>9} {'ns an event':>12}"
    counting = bpf_call.command(BPF_ENABLE_STATS, struct.pack("=I", 0))
    for name, server in (("another's SYNs", "192.0.2.99"), ("a flow's SYNs", "192.0.2.21")):
        with Tracer([Flow("192.0.2.11", server, recorder.PORT)], seconds=600) as tracer:
            program = of_kfree_skb()
            rate = send(seconds)
            nanoseconds, runs = run_statistics(program)
            told = len(tracer.events())
            yield f"{name:>16} {rate:9.0f} {runs:9} {told:6} {tracer.lost:9} {nanoseconds / max(1, runs):12.0f}"
    os.close(counting)


def startup() -> Iterator[str]:
    def seconds(what: Callable[[], object]) -> float:
        began = time.process_time()
        what()
        return time.process_time() - began

    begin = statistics.median(seconds(lambda: Tracer([Flow(CLIENT, CLIENT, PORT)]).close()) for _turn in range(5))
    yield f"to begin and end a trace: {begin * 1000:.0f} ms of CPU"


def main() -> None:
    parser = argparse.ArgumentParser(description="What the tracer of drops costs.")
    parser.add_argument("--quick", action="store_true", help="five short pairs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        subprocess.run(
            ["sh", "-ec", recorder.SETUP + "ip link set lo up; echo 1000000 > /proc/sys/net/ipv4/tcp_max_tw_buckets"], check=True
        )
        for line in (*startup(), *compare(*((0.5, 5) if asked.quick else (2.0, 15))), *drops(1.0 if asked.quick else 3.0)):
            print(line, flush=True)
    elif os.geteuid():
        raise SystemExit("this needs root")
    else:
        raise SystemExit(
            subprocess.run([*recorder.NAMESPACES, sys.executable, __file__, "--inside", *sys.argv[1:]], check=False).returncode
        )


if __name__ == "__main__":
    main()
