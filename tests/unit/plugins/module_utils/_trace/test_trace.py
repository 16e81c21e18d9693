# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's trace of handshakes in a namespace of the test's own, and that nothing of it stays, however it ends."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._trace import kernel
from ansible_collections.threeway.handshake.plugins.module_utils._wire.netlink import attribute
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
PRELUDE = """
import json, os, signal, socket, subprocess, time
from ansible_collections.threeway.handshake.plugins.module_utils._trace import kernel, table
from ansible_collections.threeway.handshake.plugins.module_utils._work import vantage_trace
from ansible_collections.threeway.handshake.plugins.module_utils._record.detached import *
from ansible_collections.threeway.handshake.plugins.module_utils._errors import *
from ansible_collections.threeway.handshake.plugins.module_utils._trace.kernel import *
from ansible_collections.threeway.handshake.plugins.module_utils._trace.table import *
V4, V6 = Flow("127.0.0.1", "127.0.0.2", 5432), Flow("::1", "::1", 5432)
def knock(port=5432, address="127.0.0.2", source="127.0.0.1", seconds=0.1):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as dialler:
        if ":" not in address:
            dialler.bind((source, 0))
        dialler.settimeout(seconds)
        try:
            dialler.connect((address, port))
            return "connected"
        except OSError as error:
            return type(error).__name__
def listen(address="127.0.0.2", port=5432):
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.bind((address, port))
    listener.listen()
    return listener
def ruleset():
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
def tell(value):
    print(json.dumps(value))
def failure(function, *arguments):
    try:
        function(*arguments)
    except ObserveError as error:
        return type(error).__name__, str(error)
"""
RULES = """
table inet mine {
  chain input { type filter hook input priority 0; policy accept; tcp dport 22 accept; tcp dport 5432 jump ours; }
  chain ours { ip daddr 127.0.0.3 return; ip daddr 127.0.0.2 drop; ip6 daddr ::1 reject with tcp reset; }
}
"""


@pytest.fixture
def net() -> Iterator[Rootless]:
    with Rootless() as rootless:
        rootless.sh(f"nft -f - <<'NFT'\n{RULES}\nNFT")
        yield rootless


def script(net: Rootless, code: str, prefix: str = "") -> Any:
    text = PRELUDE + textwrap.dedent(code)
    return json.loads(net.sh(f"export PYTHONPATH={COLLECTIONS}\n{prefix} {sys.executable} - <<'PYTHON'\n{text}\nPYTHON"))


def handle(net: Rootless, rule: str, family: str = "inet", table: str = "mine") -> int:
    """The handle of the rule with a text, as nft knows it."""
    (line,) = [line for line in net.sh(f"nft -a list table {family} {table}").splitlines() if rule in line]
    return int(line.rsplit("# handle ", 1)[1])


def tracers(net: Rootless) -> list[str]:
    return net.sh("pgrep -x handshake-trace | while read p; do [ $(ps -o state= -p $p) = Z ] || echo $p; done", check=False).split()


def eventually(condition: Callable[[], object]) -> None:
    for _turn in range(100):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not come to that")


def ends(traces: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (
            trace["packet"]["flags"],
            trace["hook"],
            trace["verdict"],
            [(step["chain"], step["type"], step["handle"], step["verdict"]) for step in trace["steps"]],
        )
        for trace in traces
    ]


def test_a_rule_without_a_counter_is_named_with_the_way_to_it(net: Rootless) -> None:
    found = script(net, "tracer = Tracer('run', [V4], 10); knock(); tell(tracer.finish())")
    way = [
        ("input", "rule", handle(net, "jump ours"), "jump"),
        ("ours", "rule", handle(net, "ip daddr 127.0.0.2"), "drop"),
    ]
    assert (found["truncated"], found["lost"]) == (None, False)
    assert ends(found["traces"]) == [(["SYN"], "output", "accept", []), (["SYN"], "prerouting", "drop", way)]
    packets = [trace["packet"] for trace in found["traces"]]
    assert packets[0] == packets[1]
    assert (packets[0]["source"], packets[0]["destination"], packets[0]["port"]) == ("127.0.0.1", "127.0.0.2", 5432)


def test_the_rule_that_ends_the_way_is_numbered(net: Rootless) -> None:
    found = script(net, "tracer = Tracer('run', [V4], 10); knock(); tell(tracer.finish())")
    assert [step["number"] for step in found["traces"][1]["steps"]] == [None, 2]
    net.sh("nft insert rule inet mine ours tcp dport 1 accept")
    code = "tracer = Tracer('run', [V4], 10); knock(); subprocess.run(['nft', 'flush chain inet mine {}']); tell(tracer.finish())"
    assert [step["number"] for step in script(net, code.format("input"))["traces"][1]["steps"]] == [None, 3]


def test_ipv6_and_a_rule_that_rejects(net: Rootless) -> None:
    found = script(net, "tracer = Tracer('run', [V6], 10); knock(address='::1'); tell(tracer.finish())")
    _sent, came = ends(found["traces"])
    assert came[2:] == (
        "drop",
        [("input", "rule", handle(net, "jump ours"), "jump"), ("ours", "rule", handle(net, "reject"), "drop")],
    )
    assert found["traces"][1]["packet"]["source"] == "::1"


def test_all_three_packets_of_a_handshake(net: Rootless) -> None:
    net.sh("nft flush chain inet mine ours; nft add rule inet mine input tcp flags syn / syn,ack,fin accept")
    code = "listener = listen(); tracer = Tracer('run', [V4._replace(ack={})], 10); knock(); tell(tracer.finish())"
    found = script(net, code.format(True))
    flags = [trace["packet"]["flags"] for trace in found["traces"] if trace["hook"] == "prerouting"]
    assert flags[:3] == [["SYN"], ["SYN", "ACK"], ["ACK"]]
    isn = found["traces"][0]["packet"]["seq"]
    numbered = {
        (tuple(trace["packet"]["flags"]), trace["packet"]["ack"] - 1 - isn) for trace in found["traces"] if trace["hook"] == "output"
    }
    assert (("SYN", "ACK"), 0) in numbered
    without = script(net, code.format(False))
    assert [trace["packet"]["flags"] for trace in without["traces"]] == [["SYN"]] * 2 + [["SYN", "ACK"]] * 2


def test_a_policy_and_iptables_nft_are_traced(net: Rootless) -> None:
    net.sh("nft delete table inet mine; iptables-nft -A INPUT -p tcp --dport 5432 -d 127.0.0.2 -j DROP; ip6tables-nft -P OUTPUT DROP")
    found = script(net, "tracer = Tracer('run', [V4, V6], 10); knock(); knock(address='::1'); tell(tracer.finish())")
    _sent, came, kept = ends(found["traces"])
    assert came[3] == [("INPUT", "rule", handle(net, "DROP" if "DROP" in net.sh("nft list ruleset") else "drop", "ip", "filter"), "drop")]
    assert kept == (["SYN"], "output", "drop", [("OUTPUT", "policy", None, "drop")])
    families = {(step["family"], step["table"]) for trace in found["traces"] for step in trace["steps"]}
    assert families == {("ip", "filter"), ("ip6", "filter")}


def test_only_packets_of_the_flows_are_traced(net: Rootless) -> None:
    code = """
    tracer = Tracer('run', [V4], 10)
    knock(port=5433), knock(address='127.0.0.3'), knock(source='127.0.0.9'), knock(address='::1')
    tell(tracer.finish())
    """
    assert script(net, code)["traces"] == []


def test_what_others_trace_is_not_ours(net: Rootless) -> None:
    net.sh("nft insert rule inet mine input tcp dport 5999 meta nftrace set 1")
    assert script(net, "tracer = Tracer('run', [V4], 10); knock(port=5999); tell(tracer.finish())")["traces"] == []


def test_others_who_trace_much_do_not_keep_us(net: Rootless) -> None:
    net.sh("nft insert rule inet mine input tcp dport 5999 meta nftrace set 1")
    code = """
    kernel.MAX_HEARD = 10
    tracer = Tracer("run", [V4], 10)
    for _turn in range(20):
        knock(port=5999)
    tell([tracer.result(), ruleset()])
    """
    found, told = script(net, code)
    assert found == {"traces": [], "truncated": "events", "lost": False}
    assert "handshake_trace" not in told


def test_two_at_once_do_not_see_each_other(net: Rootless) -> None:
    before = net.sh("nft list ruleset")
    code = "one, other = Tracer('run', [V4], 10), Tracer('run', [V4, V6], 10); knock(); tell([one.finish(), other.finish()])"
    one, other = script(net, code)
    assert ends(one["traces"]) == ends(other["traces"])
    assert [trace["verdict"] for trace in one["traces"]] == ["accept", "drop"]
    assert net.sh("nft list ruleset") == before


def test_nobody_else_can_change_the_table_and_it_changes_nobody_elses(net: Rootless) -> None:
    code = """
    tracer = Tracer('run-1', [V4], 10)
    table = tracer._socket.table
    refused = subprocess.run(["nft", "delete table inet " + table], capture_output=True, text=True).returncode
    subprocess.run(["nft", "flush ruleset"], check=True)
    left = ruleset()
    tracer.finish()
    tell([table, refused, left, ruleset()])
    """
    table, refused, left, after = script(net, code)
    assert table.startswith("handshake_trace_run_1_") and refused != 0
    assert left.startswith(f"table inet {table}") and left.count("table ") == 1
    assert after == ""


def test_a_table_of_the_same_name_is_not_taken_over(net: Rootless) -> None:
    net.sh("nft add table inet handshake_trace_run_00000000")
    before = net.sh("nft list ruleset")
    kind, said = script(net, "table.os.urandom = lambda count: bytes(count); tell(failure(Tracer, 'run', [V4], 10))")
    assert kind == "ObserveError" and "EEXIST" in said
    assert net.sh("nft list ruleset") == before


def test_a_kernel_that_does_not_know_the_flag_makes_no_table(net: Rootless) -> None:
    before = net.sh("nft list ruleset")
    kind, said = script(net, "table._OWNER = 0x40; tell(failure(Tracer, 'run', [V4], 10))")
    assert kind == "ObserveError" and "makes no table that goes with its owner (5.12 and later do)" in said
    assert net.sh("nft list ruleset") == before


def test_without_the_privilege_nothing_is_made(net: Rootless) -> None:
    before = net.sh("nft list ruleset")
    flow = {"client": "127.0.0.1", "server": "127.0.0.2", "port": 5432, "ack": {}}
    order = {"run": "run", "trace": [flow], "left_out": 0, "trace_seconds": 5, "dials": [], "patience": 0.0, "settle": 0.0}
    found = script(
        net,
        f"tell([failure(Tracer, 'run', [V4], 10), vantage_trace.trace_open({order}), vantage_trace.trace_try({order})])",
        "setpriv --bounding-set=-net_admin --inh-caps=-net_admin",
    )
    why = "tracing needs root or CAP_NET_ADMIN: run with become"
    assert found[0] == ["NotPermittedError", why]
    assert found[1] == {"tracer": None, "path_listeners": None, "absent": [{"what": "trace", "why": why}]}
    nothing = {"probes": [], "bypass": [], "path_sizes": [], "paces": [], "trace": None, "drops": None}
    assert found[2] == {**nothing, "absent": [{"what": "trace", "why": why}]}
    assert net.sh("nft list ruleset") == before


def test_full_tables_and_many_flows_fit(net: Rootless) -> None:
    before = net.sh("nft list ruleset")
    code = """
    flows = [Flow(f"2001:db8::{number}", "2001:db8::ffff", 1000 + number, True) for number in range(40)]
    tracer = Tracer("r" * 300, flows, 10)
    told = ruleset()
    tracer.finish()
    tell(told)
    """
    assert script(net, code).count("nftrace") == 4 * kernel.MAX_FLOWS
    assert net.sh("nft list ruleset") == before


def test_the_number_of_events_is_bounded_and_the_table_goes_at_the_bound(net: Rootless) -> None:
    before = net.sh("nft list ruleset")
    code = """
    kernel.MAX_EVENTS = 20
    tracer = Tracer("run", [V4], 10)
    for _turn in range(9):
        knock(seconds=0.01)
        tracer.collect()
    told = ruleset()
    found = tracer.result()
    tell([told, found, tracer.fileno()])
    """
    told, found, descriptor = script(net, code)
    assert told == before and descriptor > 2
    assert found["truncated"] == "events"
    assert sum(1 + len(trace["steps"]) for trace in found["traces"]) == 20


def test_after_its_deadline_a_trace_in_process_is_over(net: Rootless) -> None:
    code = "tracer = Tracer('run', [V4], 0.01); time.sleep(0.05); found = tracer.result(); tell([found, ruleset()])"
    found, told = script(net, code)
    assert found["truncated"] == "deadline" and "handshake_trace" not in told


def test_what_the_kernel_could_not_tell_is_said(net: Rootless) -> None:
    code = """
    import socket
    tracer = Tracer("run", [V4], 10)
    tracer._socket._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _turn in range(20):
        knock(seconds=0.001)
    tell(tracer.finish()["lost"])
    """
    assert script(net, code) is True


ORDER = """
order = {"run": "r1", "trace": [V4._asdict()], "left_out": 0, "trace_seconds": %s, "patience": 0.0, "settle": 0.0,
         "dials": [{"id": 3, "address": "127.0.0.2", "port": 5432, "timeout": 0.2, "source": "127.0.0.1", "attempts": 1, "interval": 0.0}]}
"""


def opened(net: Rootless, seconds: float = 30.0) -> str:
    """A detached tracer whose starter has ended."""
    answer = script(net, ORDER % seconds + "tell(vantage_trace.trace_open(order))")
    assert answer["absent"] == []
    return str(answer["tracer"]["handle"])


def test_the_three_phases(net: Rootless) -> None:
    before = net.sh("nft list ruleset")
    tracer = opened(net)
    assert len(tracers(net)) == 1
    assert "flags owner" in net.sh("nft list ruleset")
    tried = script(net, ORDER % 30 + "tell(vantage_trace.trace_try(order))")
    closed = script(net, f"tell(vantage_trace.trace_close('{tracer}'))")
    assert [(probe["dial"], probe["outcome"]) for probe in tried["probes"]] == [(3, "timeout")]
    assert ends(tried["trace"]["traces"]) == ends(closed["trace"]["traces"])
    assert closed["trace"]["traces"][0]["packet"]["source_port"] == tried["probes"][0]["local_port"]
    assert [trace["verdict"] for trace in closed["trace"]["traces"]] == ["accept", "drop"]
    assert (tried["absent"], closed["absent"]) == ([], [])
    eventually(lambda: not tracers(net))
    assert net.sh("nft list ruleset") == before
    again = script(net, f"tell(vantage_trace.trace_close('{tracer}'))")
    assert again["trace"] is None and "there is no recorder" in again["absent"][0]["why"]


@pytest.mark.parametrize("signal", ["KILL", "TERM", "SEGV"])
def test_however_a_tracer_is_ended_nothing_stays(net: Rootless, signal: str) -> None:
    before = net.sh("nft list ruleset")
    opened(net)
    (pid,) = tracers(net)
    assert net.sh("nft list ruleset") != before
    net.sh(f"kill -{signal} {pid}")
    eventually(lambda: not tracers(net))
    assert net.sh("nft list ruleset") == before
    opened(net)  # the next one clears away what a dead one left in /run
    assert len(net.sh("ls /run/threeway-handshake").split()) == 1


def test_at_its_deadline_a_tracer_is_gone_without_a_trace(net: Rootless) -> None:
    before = net.sh("nft list ruleset")
    opened(net, 0.5)
    eventually(lambda: not tracers(net))
    assert net.sh("nft list ruleset") == before
    assert net.sh("ls /run").split() == ["netns"]


def test_a_client_that_is_killed_while_it_traces_leaves_nothing(net: Rootless) -> None:
    before = net.sh("nft list ruleset")
    code = """
    order["dials"][0]["timeout"] = 9.0
    child = os.fork()
    if not child:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        vantage_trace.trace_try(order)
        os._exit(0)
    tell(child)
    """
    child = script(net, ORDER % 30 + textwrap.dedent(code))
    eventually(lambda: "handshake_trace" in net.sh("nft list ruleset"))
    net.sh(f"kill -KILL {child}")
    eventually(lambda: net.sh("nft list ruleset") == before)


def test_a_host_without_chains_gets_no_table_and_legacy_tables_are_named(net: Rootless) -> None:
    net.sh("nft delete table inet mine; iptables-legacy -A INPUT -p tcp --dport 5432 -j DROP")
    answer = script(net, ORDER % 9 + "tell(vantage_trace.trace_open(order))")
    why = "the kernel's trace does not show what the legacy tables do (ip:filter)"
    assert answer == {"tracer": None, "path_listeners": None, "absent": [{"what": "trace of legacy iptables", "why": why}]}
    assert net.sh("nft list ruleset") == ""


EVENT = st.lists(st.tuples(st.integers(0, 20), st.binary(max_size=48)), max_size=8)


@given(st.lists(st.one_of(st.binary(max_size=80), EVENT.map(lambda event: b"".join(attribute(kind, data) for kind, data in event)))))
def test_whatever_the_kernel_says_a_tracer_lives(bodies: list[bytes]) -> None:
    class Told:
        """As TraceSocket."""

        table = "t"

        def __init__(self) -> None:
            self.waiting = [
                len(body).__add__(20).to_bytes(4, sys.byteorder) + b"\x11\x0a" + bytes(10) + b"\1\0\0\0" + body for body in bodies
            ]

        def receive(self) -> bytes | None:
            return self.waiting.pop(0) if self.waiting else None

        def release(self) -> None: ...

    tracer = object.__new__(kernel.Tracer)
    tracer.__dict__.update(
        _socket=Told(), _deadline=time.monotonic() + 99, _traces=[], _passing={}, _events=0, _heard=0, _lost=False, _truncated=None
    )
    assert tracer.result()["truncated"] is None
