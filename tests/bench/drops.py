# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to have the kernel tell of dropped packets: CPU a connection with and without, and nanoseconds an event.

    python tests/bench/drops.py [--quick]

Two processes make as many connections as they can over loopback, in pairs with and without the tracer, in random order. CPU time is that
of both, in which the kernel handles the packets as well. The difference is given with its 95 % confidence interval (Student's t over the
pairs). Then SYNs are dropped as fast as one core can send them, and the kernel's own statistics of its BPF programs say what an event
takes: of another flow, of one of ours when there is no room any more, and of one that is told. Needs root; everything stays in namespaces
of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import itertools
import multiprocessing
import os
import random
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple, Protocol

import recorder

from ansible_collections.threeway.handshake.plugins.module_utils._drops import bpf_call
from ansible_collections.threeway.handshake.plugins.module_utils._drops.tracer import Flow, Tracer, own_namespace

CLIENT, PORT = "127.0.0.1", 5432
SERVERS = [f"127.0.0.{number}" for number in range(2, 250)]  # many, so that the client never runs out of ports
SLICE = 0.3  # seconds
T_95 = {4: 2.776, 14: 2.145}  # by degrees of freedom
BPF_ENABLE_STATS, BPF_PROG_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD, RUN_TIME_AT = 32, 13, 15, 192


class Made(Protocol):
    """A number that processes share."""

    value: int


class Load:
    """Two processes that make as many connections as they can."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._made = context.RawValue("Q", 0)
        ready = context.Event()
        self._processes = [context.Process(target=serve, args=(ready,)), context.Process(target=dial, args=(ready, self._made))]
        for process in self._processes:
            process.start()
        ready.wait()
        time.sleep(0.5)

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.join()

    def so_far(self) -> Sample:
        cpu = sum(int(Path(f"/proc/{process.pid}/schedstat").read_text(encoding="ascii").split()[0]) for process in self._processes)
        return Sample(time.monotonic(), self._made.value, cpu / 1e3)


class Sample(NamedTuple):
    """Seconds, connections, and microseconds of CPU time."""

    seconds: float
    connections: int
    cpu: float

    def since(self, before: Sample) -> tuple[float, float]:
        """(connections a second, microseconds of CPU a connection)"""
        seconds, connections, cpu = (now - then for now, then in zip(self, before, strict=True))
        return connections / seconds, cpu / connections


def serve(ready: Event) -> None:
    with socket.create_server(("0.0.0.0", PORT), backlog=4096) as listener:
        ready.set()
        while True:
            listener.accept()[0].close()


def dial(ready: Event, made: Made) -> None:
    ready.wait()
    while True:
        for server in SERVERS:
            with socket.socket() as dialler:
                dialler.connect((server, PORT))
                dialler.recv(1)  # the server closes first, and has the socket in TIME_WAIT
            made.value += 1


@contextlib.contextmanager
def traced() -> Iterator[None]:
    with Tracer([Flow(CLIENT, server, PORT) for server in SERVERS], own_namespace(), seconds=600) as tracer:
        yield
        drops = [event for event in tracer.events() if event.kind == "drop" and event.flags and "SYN" in event.flags]
        if drops or tracer.lost:
            raise SystemExit(f"healthy connections were told as dropped: {len(drops)}, lost {tracer.lost}, first {drops[:1]}")


def pair(load: Load, slices: int) -> dict[bool, tuple[float, float]]:
    """(connections a second, microseconds of CPU a connection) with and without.

    Each is the median of so many short slices, which take turns: on a machine that is busy otherwise, seconds differ.
    """
    taken: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _slice in range(slices):
        for on in random.sample([False, True], 2):
            with contextlib.ExitStack() as trace:
                trace.enter_context(traced())
                if not on:  # to begin one has the same effect on caches either way
                    trace.close()
                before = load.so_far()
                time.sleep(SLICE)
                taken[on].append(load.so_far().since(before))
    return {
        on: (statistics.median(rates), statistics.median(costs))
        for on, (rates, costs) in ((on, zip(*each, strict=True)) for on, each in taken.items())
    }


def compare(pairs: int, slices: int) -> Iterator[str]:
    with Load() as load:
        results = [pair(load, slices) for _turn in range(pairs)]
        for on, name in ((False, "without"), (True, "with")):
            rate, cost = (statistics.median(result[on][column] for result in results) for column in (0, 1))
            yield f"{name:8} {rate:8.0f} connections/s  {cost:7.2f} us CPU a connection (medians of {pairs})"
        changes = [(result[True][1] / result[False][1] - 1) * 100 for result in results]
        error = T_95[pairs - 1] * statistics.stdev(changes) / pairs**0.5
        yield f"CPU a connection: {statistics.mean(changes):+.2f} % with the tracer, 95 % interval {error:.2f} to either side"
        yield from own_time(load, pairs * SLICE, cost)


def own_time(load: Load, seconds: float, cost: float) -> Iterator[str]:
    """The same by the kernel's own figures, which no other load disturbs: how long the programs ran."""
    counting = bpf_call.command(BPF_ENABLE_STATS, struct.pack("=I", 0))
    with traced():
        programs, before = attached(), load.so_far()
        time.sleep(seconds)
        ran = [run_statistics(program) for program in programs.values()]
        made = load.so_far().connections - before.connections
    os.close(counting)
    nanoseconds, runs = (sum(column) / made for column in zip(*ran, strict=True))
    yield f"the programs ran {runs:.3f} times a connection, for {nanoseconds:.1f} ns: {nanoseconds / cost / 10:.3f} %"


def run_statistics(program: int) -> tuple[int, int]:
    """(nanoseconds, runs) of a program, which the kernel counts while somebody asks for it."""
    descriptor = bpf_call.command(BPF_PROG_GET_FD_BY_ID, struct.pack("=III", program, 0, 0))
    info = ctypes.create_string_buffer(RUN_TIME_AT + 16)
    bpf_call.command(BPF_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(info)))
    os.close(descriptor)
    nanoseconds, runs = struct.unpack_from("=QQ", info.raw, RUN_TIME_AT)
    return nanoseconds, runs


def attached() -> dict[str, int]:
    """The programs of the tracer in this process, by their tracepoints."""
    files = [Path(f"/proc/self/fdinfo/{descriptor}") for descriptor in os.listdir("/proc/self/fd")]
    texts = [file.read_text(encoding="ascii") for file in files if file.exists()]
    return {text.split("tp_name:")[1].split()[0]: int(text.split("prog_id:")[1].split()[0]) for text in texts if "tp_name:" in text}


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
        while (now := time.perf_counter() - began) < seconds or not sent:
            for _packet in range(1000):
                sender.send(frame)
            sent += 1000
        return sent / now


def drops(long: float) -> Iterator[str]:
    """The kernel's own figures of the program, for drops that are no flow's, and for drops that are."""
    yield f"{'dropped':>16} {'sent/s':>9} {'events':>9} {'told':>6} {'lost':>9} {'ns an event':>12}"
    counting = bpf_call.command(BPF_ENABLE_STATS, struct.pack("=I", 0))
    for name, server, seconds in (
        ("another's SYNs", "192.0.2.99", long),
        ("a flow's SYNs", "192.0.2.21", long),
        ("as many as fit", "192.0.2.21", 0.0),
    ):
        with Tracer([Flow("192.0.2.11", server, recorder.PORT)], seconds=600) as tracer:
            program = attached()["kfree_skb"]
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
        for line in itertools.chain(startup(), compare(*((5, 4) if asked.quick else (15, 15))), drops(1.0 if asked.quick else 3.0)):
            print(line, flush=True)
    elif os.geteuid():
        raise SystemExit("this needs root")
    else:
        raise SystemExit(
            subprocess.run([*recorder.NAMESPACES, sys.executable, __file__, "--inside", *sys.argv[1:]], check=False).returncode
        )


if __name__ == "__main__":
    main()
