# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of flows that are plainly well gives the same report as the long way, and is refused to anything unusual."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide import examine as examining
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.anomalies import DETECTORS
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.lean import Lean
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import follow_up
from tests.unit.plugins.plugin_utils.multiplied import multiplied
from tests.unit.plugins.plugin_utils.recordings import RECORDED, Phases, recorded
from tests.unit.plugins.plugin_utils.sampled import sampled

TIMES = ("2026-11-21T04:00:00Z", "2026-11-21T04:00:07Z")
Change = Callable[[Phases], None]


@contextmanager
def only_the_long_way(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No entry takes the short way."""
    with monkeypatch.context() as patched:
        patched.setattr(examining.PlainlyWell, "times", lambda self, *_hosts: [None for _entry in self._entries])
        yield


def well(plan: Plan, evidence: Phases) -> list[bool]:
    """Which entries take the short way; a fault in it is not contained here."""
    hosts, examined = examining.examine(plan, evidence, short=True)
    assert len(hosts) == len(plan.parties())
    return [each.well is not None for each in examined]


def reported(plan: Plan, evidence: Phases) -> str:
    return json.dumps(decide(plan, evidence, *TIMES, keep_all=False).report, default=list)


@sampled
def test_both_ways_lead_to_the_same_report(recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short = reported(*recorded(recording))
    with only_the_long_way(monkeypatch):
        assert reported(*recorded(recording)) == short


def test_half_of_the_recordings_that_are_well_take_the_short_way() -> None:
    fine, taken = 0, 0
    for path in RECORDED.glob("*.twin.json.gz"):
        plan, evidence = recorded(path.name.removesuffix(".json.gz"))
        fine += sum(flow["status"] == "ok" for flow in json.loads(reported(plan, evidence))["flows"])
        taken += sum(well(plan, evidence))
    assert taken > fine / 2


def test_a_fleet_that_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, evidence = multiplied("healthy.twin", 4, 3, 2)
    assert well(plan, evidence) == [True] * 24
    short = reported(plan, evidence)
    assert json.loads(short)["summary"] == {"flows": 24, "ok": 24, "degraded": 0, "broken": 0, "undetermined": 0}
    with only_the_long_way(monkeypatch):
        assert reported(plan, evidence) == short


def test_little_is_kept_of_handshakes_that_are_well() -> None:
    """Packets least of all: of a fleet they are gigabytes."""
    plan, evidence = multiplied("healthy.twin", 4, 4, 16)
    reported(plan, evidence)  # what is loaded and worked out once in a process
    gc.collect()
    tracemalloc.start()
    try:
        found = decide(plan, evidence, *TIMES, keep_all=False)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.report["summary"]["ok"] == len(plan.entries)
    assert kept < 1500 * len(plan.entries)
    assert most < 3500 * len(plan.entries)


def test_a_fleet_in_which_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, evidence = multiplied("no_listener", 3, 2, 2)
    assert well(plan, evidence) == [False] * 12
    assert {(flow["status"], flow["causes"][0]["code"]) for flow in json.loads(reported(plan, evidence))["flows"]} == {
        ("broken", "no_listener")
    }


def _frames(host: str, phase: str, change: Callable[[list[Frame]], list[Frame]]) -> Change:
    def changed(evidence: Phases) -> None:
        recording = evidence[host][phase]["evidence"]["recording"]
        recording["frames"] = pack(change(unpack(recording["frames"])))

    return changed


def _told(host: str, phase: str, *path: str | int, value: Any) -> Change:
    def changed(evidence: Phases) -> None:
        place: Any = evidence[host][phase]["evidence"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return changed


def _listener_waits(evidence: Phases) -> None:
    for answer, part in (("open", "snapshot"), ("close", "after")):
        for listener in evidence["server0"][answer]["evidence"][part]["listeners"]:
            listener["recv_q"] = 120


def _half_open_connections(evidence: Phases) -> None:
    """Of many addresses, before the attempts, which complete by SYN cookies: worth a remark."""
    before, after = (evidence["server0"][phase]["evidence"][part] for phase, part in (("open", "snapshot"), ("close", "after")))
    before["half_open"] = [{"port": 7001, "count": 40, "addresses": 38, "networks": [{"network": "198.51.100.0/24", "count": 40}]}]
    for snapshot, count in ((before, 0), (after, 3)):
        snapshot["counters"]["TcpExt"]["TCPReqQFullDoCookies"] = count


def _nginx_failed_for(client: str, began: int, logged: int = 3) -> Change:
    """nginx, which has the port, logged that it could not connect for a client; how many connections its host began meanwhile."""

    def failed(evidence: Phases) -> None:
        before, after = (evidence["server0"][phase]["evidence"][part] for phase, part in (("open", "snapshot"), ("close", "after")))
        pids = [process["pid"] for listener in after["listeners"] for process in listener["processes"]]
        end = {"proxy": None, "server": None, "address": "10.9.0.9", "port": 80, "up": False, "status": "111", "check": None}
        after["balancers"] = [{"program": "nginx", **end, "told": "Connection refused", "client": client, "pids": pids}]
        after["balancers"][0]["times"] = [int(before["time"]) - 20] * 9 + [int(before["time"]) + 1] * logged
        after["counters"]["Tcp"]["ActiveOpens"] = before["counters"]["Tcp"]["ActiveOpens"] + began

    return failed


def _unit_started_again(evidence: Phases) -> None:
    """It is between two starts only now and then, such as where another service has its port."""
    unit = {"port": 7001, "unit": "web.service", "how": "declared", "load": "loaded", "active": "active", "sub": "running"}
    for phase, part, restarts in (("open", "snapshot", 7), ("close", "after", 9)):
        snapshot = evidence["server0"][phase]["evidence"][part]
        snapshot["units"] = [{**unit, "restarts": restarts}]
        for process in (process for listener in snapshot["listeners"] for process in listener["processes"]):
            process["unit"] = "other.service"


def _twin_address(evidence: Phases) -> None:
    addresses = evidence["server1"]["close"]["evidence"]["after"]["addresses"]
    addresses.append({**next(each for each in addresses if each["interface"] == "eth0"), "address": "10.2.0.1"})


def _seen_elsewhere(evidence: Phases) -> None:
    """Another host of the run recorded the first SYN as well, as of a switch that floods."""
    [syn, *_more] = unpack(evidence["client0"]["try"]["evidence"]["recording"]["frames"])
    recording = evidence["client1"]["try"]["evidence"]["recording"]
    recording["frames"] = pack([syn._replace(pkttype=0), *unpack(recording["frames"])])


def _same_number(evidence: Phases) -> None:
    """A SYN with the number of the first one, between ends that nobody dialled: it may be the same one, translated."""
    recording = evidence["server0"]["close"]["evidence"]["recording"]
    frames = unpack(recording["frames"])
    syn = next(frame for frame in frames if _is_syn(frame))
    other = syn.data[:12] + bytes((10, 9, 9, 9)) + syn.data[16:]
    recording["frames"] = pack([*frames, syn._replace(data=other)])


def _changed(number: int, at: int, value: int) -> Callable[[list[Frame]], list[Frame]]:
    """One packet with another byte."""

    def change(frames: list[Frame]) -> list[Frame]:
        data = bytearray(frames[number].data)
        data[at] = value
        return [*frames[:number], frames[number]._replace(data=bytes(data)), *frames[number + 1 :]]

    return change


def _full_segments_lost(evidence: Phases) -> None:
    """On connections of our own, behind the handshakes."""
    small = {"address": "10.2.0.1", "sent": 12001, "acked": 12001, "expected": 12001, "received": 12001, "retransmits": 0}
    full = {**small, "size": 1500, "acked": 1, "retransmits": 4}
    answer = {"probes": [], "bypass": [], "path_sizes": [*({**small, "size": size} for size in (576, 1000, 1280)), *[full] * 3]}
    evidence["client0"]["trace_try"] = {"evidence": {**answer, "trace": None, "drops": None, "absent": []}}


UNUSUAL: Mapping[str, Change] = {
    "a SYN-ACK is missing at the client": _frames("client0", "try", lambda frames: frames[:1] + frames[2:]),
    "a SYN came twice": _frames("server0", "close", lambda frames: [frames[0], frames[0]._replace(ts_ns=frames[0].ts_ns + 1), *frames[1:]]),
    "another TTL": _frames("server0", "close", _changed(0, 8, 40)),
    "another window": _frames("server0", "close", _changed(0, 34, 1)),
    "another MSS": _frames("server0", "close", _changed(0, 43, 1)),
    "for another machine": _frames("server0", "close", lambda frames: [frames[0]._replace(pkttype=3), *frames[1:]]),
    "an RST": _frames("client0", "try", _changed(2, 33, 0x14)),
    "late": _frames("server0", "close", lambda frames: [frames[0], frames[1]._replace(ts_ns=frames[1].ts_ns + 600_000_000), *frames[2:]]),
    "a third host": _seen_elsewhere,
    "the same number": _same_number,
    "it closes": _told("client0", "try", "probes", 0, "peer", value="closed"),
    "it says something": _told("client0", "try", "probes", 0, "peer", value="data"),
    "late for the application": _told("client0", "try", "probes", 0, "late_ms", value=3100.0),
    "an ICMP error": _told("client0", "try", "probes", 0, "icmp", value={"offender": "10.0.1.1", "type": 3, "code": 1}),
    "connections wait": _listener_waits,
    "half-open connections fill the SYN queue": _half_open_connections,
    "it passes connections on": _told(
        "server0",
        "close",
        "after",
        "relays",
        value=[{"port": 7001, "program": "socat", "pid": 7, "address": "127.0.0.1", "to": 9}],
    ),
    "it calls another in vain": _told(
        "server0",
        "close",
        "after",
        "calls",
        value=[{"program": "nginx", "pid": 7, "source": "10.2.0.1", "address": "10.9.0.9", "port": 80, "count": 3}],
    ),
    "it takes them for an SSH session": _told(
        "server0",
        "close",
        "after",
        "tunnels",
        value=[{"program": "sshd", "pid": 7, "address": "10.9.0.9", "port": 50022, "local_port": 22, "unanswered": 3}],
    ),
    "it could not connect for the client": _nginx_failed_for("10.1.0.1", 3),
    "it could not connect for the client before": _nginx_failed_for("10.1.0.1", 0),
    "a unit is meant to serve it": _told(
        "server0",
        "close",
        "after",
        "units",
        value=[{"port": 7001, "unit": "web.service", "how": "declared", "load": "loaded", "active": "failed", "sub": "failed"}],
    ),
    "a unit that is meant to serve it does not stay": _unit_started_again,
    "no connection was counted": _told("server0", "close", "after", "counters", "Tcp", "PassiveOpens", value=0),
    "full segments are lost": _full_segments_lost,
    "packets were dropped": _told("server0", "close", "recording", "dropped", value=3),
    "a half-open socket": _told(
        "server0",
        "close",
        "after",
        "sockets",
        value=[{"state": "SYN_RECV", "local": "10.2.0.1", "local_port": 7001, "remote": "10.1.0.1", "remote_port": 10000}],
    ),
    "a connection of before hangs": _told(
        "client0",
        "try",
        "after",
        "sockets",
        value=[
            {
                **{"state": "ESTABLISHED", "local": "10.1.0.1", "local_port": 40001, "remote": "10.2.0.1", "remote_port": 7001},
                **{"retransmits": 7, "queued": 11, "rto_ms": 25600.0, "next_ms": 9000, "silent_ms": 400000},
            }
        ],
    ),
    "the address of another host": _twin_address,
    "by another interface": _told("client0", "try", "recording", "interfaces", value={"1": "lo", "2": "eth7"}),
}


def test_what_is_slow_for_an_impatient_application_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 0.12 s that it waits, the way takes 0.08 s."""
    plan, evidence = multiplied("healthy.twin", 2, 2, 1)
    plan = replace(plan, entries=tuple(replace(entry, timeout=0.12) for entry in plan.entries))
    assert well(plan, evidence)[0]
    sooner = 80_000_000
    _frames("client0", "try", lambda frames: [each._replace(ts_ns=each.ts_ns - sooner * _is_syn(each)) for each in frames])(evidence)
    for probe in evidence["client0"]["try"]["evidence"]["probes"]:
        probe["started"] -= sooner / 1e9
    assert not well(plan, evidence)[0]
    short = reported(plan, evidence)
    assert [cause["code"] for cause in json.loads(short)["flows"][0]["causes"]] == ["path_slow"]
    with only_the_long_way(monkeypatch):
        assert reported(plan, evidence) == short


def test_a_checksum_that_the_network_card_computes_is_usual() -> None:
    """The recorder of who sends sees the packet before that."""
    plan, evidence = multiplied("healthy.twin", 1, 1, 1)
    for phases in evidence.values():
        for answer in phases.values():
            if recording := answer["evidence"].get("recording"):
                frames = unpack(recording["frames"])
                recording["frames"] = pack([_with_checksum(frame, frame.pkttype) if frame.pkttype == 4 else frame for frame in frames])
    assert well(plan, evidence) == [True]


def _is_syn(frame: Frame) -> bool:
    return frame.data[33] & 0x12 == 0x02


def _with_checksum(frame: Frame, value: int) -> Frame:
    return frame._replace(data=frame.data[:36] + bytes((value, value)) + frame.data[38:])


@pytest.mark.parametrize("unusual", UNUSUAL)
def test_what_is_unusual_goes_the_long_way(unusual: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, evidence = multiplied("healthy.twin", 2, 2, 1)
    UNUSUAL[unusual](evidence)
    assert not well(plan, evidence)[0]
    short = reported(plan, evidence)
    with only_the_long_way(monkeypatch):
        assert reported(plan, evidence) == short


def test_an_unusual_flow_costs_its_own_hosts_only() -> None:
    """All others are lean, and no host is read a second time."""
    plan, evidence = multiplied("healthy.twin", 3, 3, 2)
    UNUSUAL["a SYN-ACK is missing at the client"](evidence)
    asked = Counter[str]()

    class Asked(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            asked[name] += 1
            return super().get(name, default)

    hosts, examined = examining.examine(plan, Asked(evidence), short=True)
    decide(plan, Asked(evidence), *TIMES, keep_all=False)
    assert [entry.server for entry, each in zip(plan.entries, examined, strict=True) if each.well is None] == ["server0"]
    assert {name for name, host in hosts.items() if not isinstance(host, Lean)} == {"client0", "server0"}
    assert asked == dict.fromkeys(evidence, 2)


def test_of_hosts_that_are_looked_at_closely_only_flows_between_them_go_the_long_way() -> None:
    plan, evidence = multiplied("healthy.twin", 2, 2, 1)
    orders = {name: {"host": name, "recorder_seconds": 9.0, "settle": 0.1} for name in plan.parties()}
    depths = {**dict.fromkeys(orders, "normal"), "client0": "full", "server0": "full"}
    judged = judge(plan, evidence, short=True, closely=["client0", "server0"])
    assert [each.well is None for each in judged.examined] == [True, False, False, False]
    found = follow_up(plan, judged, orders, depths)
    assert found.traces.keys() == {"client0", "server0"}
    assert found == follow_up(plan, judge(plan, evidence), orders, depths)


@pytest.mark.parametrize(
    ("client", "began", "logged", "status"),
    [("10.1.0.1", 3, 3, "degraded"), ("10.1.0.1", 0, 3, "ok"), ("10.1.0.1", 3, 1, "ok"), ("10.1.0.2", 0, 3, "ok")],
)
def test_a_balancer_fails_the_flow_where_it_called_in_vain_for_each_connection(client: str, began: int, logged: int, status: str) -> None:
    """What it called for no connection of the flow is of an earlier request; a server that failed once is left out, and another serves."""
    plan, evidence = multiplied("healthy.twin", 2, 2, 1)
    _nginx_failed_for(client, began, logged)(evidence)
    assert well(plan, evidence)[0] is (client != "10.1.0.1")
    assert json.loads(reported(plan, evidence))["flows"][0]["status"] == status


def test_all_that_looks_at_completed_handshakes_is_known() -> None:
    """Who adds a detector, or a rule for completed handshakes, has to see that `plainly_well` refuses what it finds."""
    assert {detector.__name__ for detector in DETECTORS} == {
        "altered",
        "closed_unused",
        "counters",
        "firewall_verdicts",
        "icmp_errors",
        "other_interfaces",
        "other_outcomes",
        "other_receivers",
        "other_sources",
        "other_ways_back",
        "requests_ignored",
        "requests_unanswered",
        "shared_addresses",
        "slow",
        "stray_resets",
        "third_hosts",
        "uncounted_opens",
    }
    assert {cause.code for cause in CATALOGUE if "completed" in cause.outcomes} == {
        "accept_queue_near_limit",
        "application_hangs_up",
        "application_silent",
        "firewall_drop",
        "firewall_reject",
        "kernel_drop",
        "load_balancer_no_backend",
        "name_resolution_slow",
        "name_resolves_elsewhere",
        "service_stopped",
        "option_altered",
        "path_mtu_blackhole",
        "path_slow",
        "proxy_no_backend",
        "sequence_rewritten",
        "stale_nat_idle",
        "service_refuses",
        "syn_flood",
        "synproxy_loose",
        "synproxy_unserved",
        "unexpectedly_open",
        "xinetd_refuses",
    }
