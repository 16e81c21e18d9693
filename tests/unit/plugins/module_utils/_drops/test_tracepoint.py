# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left where BPF is refused: reasons and functions, for the whole machine."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.wire import COLLECTIONS

pytestmark = pytest.mark.root

NAMESPACES = ["unshare", "--net", "--mount", "sh", "-ec"]
MOUNTED = "ip link set lo up; mount -t tracefs none /sys/kernel/tracing; "
PRELUDE = """
import json, os, socket, sys, time
from ansible_collections.threeway.handshake.plugins.module_utils._drops.absence import Unavailable
from ansible_collections.threeway.handshake.plugins.module_utils._drops import tracepoint
from ansible_collections.threeway.handshake.plugins.module_utils._drops.records import Flow
from ansible_collections.threeway.handshake.plugins.module_utils._drops.start import start
def knock(address, port=5433):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as dialler:
        dialler.settimeout(0.2)
        dialler.connect_ex((address, port))
FLOWS = [Flow("127.0.0.1", "127.0.0.2", 5433)]
def tell(tracer):
    return [[event.kind, event.reason, event.function, event.source, event.time_ns] for event in tracer.events()]
try:
"""
EXCEPT = "\nexcept Unavailable as error:\n    print(json.dumps([error.kind, error.value, str(error)]))"


def run(code: str, without: str, prepare: str = MOUNTED) -> t.Any:
    """The answer of a script that runs without some capabilities."""
    text = PRELUDE + "\n".join(f"    {line}" for line in code.splitlines()) + EXCEPT
    command = [*NAMESPACES, f'{prepare}exec setpriv --bounding-set={without} --inh-caps={without} "$@"', "sh", sys.executable, "-c", text]
    environment = {"PYTHONPATH": str(COLLECTIONS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True, env=environment)
    return json.loads(done.stdout)


WITHOUT_BPF, PRIVILEGED = "-sys_admin,-bpf", "-sys_boot"
KNOCK = """
with start(FLOWS) as tracer:
    before = time.time_ns()
    knock("127.0.0.2")
    knock("::1")
    after = time.time_ns()
    time.sleep(0.1)
print(json.dumps([tracer.how, [[each.kind, each.value] for each in tracer.missing], tell(tracer), before, after, tracer.lost]))
"""


def test_reasons_and_functions_are_told_without_bpf() -> None:
    how, missing, events, before, after, lost = run(KNOCK, WITHOUT_BPF)
    assert (how, missing, lost) == ("tracepoint", [["call", "bpf EPERM"]], 0)
    during = [event[:4] for event in events if before <= event[4] <= after]
    assert ["drop", "NO_SOCKET", "tcp_v4_rcv", None] in during
    assert ["drop", "NO_SOCKET", "tcp_v6_rcv", None] in during


def test_with_bpf_it_is_not_used() -> None:
    how, missing, events, _before, _after, _lost = run(KNOCK, PRIVILEGED)
    assert (how, missing) == ("bpf", [])
    assert {event[3] for event in events} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("without", "prepare", "why"),
    [
        ("-sys_admin,-bpf,-perfmon", MOUNTED, "does not pass on its tracepoint kfree_skb"),
        (WITHOUT_BPF, "ip link set lo up; mount -t tmpfs none /sys/kernel; ", "tracefs is not mounted"),
    ],
)
def test_both_are_absent_with_a_reason(without: str, prepare: str, why: str) -> None:
    kind, value, text = run("start(FLOWS)", without, prepare)
    assert (kind, value) == ("call", "bpf EPERM")
    assert why in text and "run with become" in text


def test_bounds_end_it() -> None:
    code = """
with tracepoint.TracepointTracer() as tracer, tracepoint.TracepointTracer(seconds=0.01) as other:
    time.sleep(0.05)
    other.collect()
    tracepoint.MAX_EVENTS = 3
    for _turn in range(5):
        knock("127.0.0.2")
    print(json.dumps([len(tell(tracer)), tracer.truncated, other.truncated]))
"""
    assert run(code, PRIVILEGED) == [3, "events", "deadline"]


def test_what_finds_no_room_is_counted() -> None:
    code = """
tracepoint.PAGES = 1
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # each core has pages of its own
with tracepoint.TracepointTracer() as tracer:
    for _turn in range(60):
        knock("127.0.0.2")
    tracer.events()
    knock("127.0.0.2")
    tracer.events()
    print(tracer.lost)
"""
    assert run(code, PRIVILEGED) > 0
