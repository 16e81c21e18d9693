# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of flows that are plainly well gives the same report as the long way, and is refused to anything unusual."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide import examine as examining
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.anomalies import DETECTORS
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.unit.plugins.plugin_utils.multiplied import multiplied
from tests.unit.plugins.plugin_utils.recordings import RECORDED, Phases, recorded

TIMES = ("2026-11-21T04:00:00Z", "2026-11-21T04:00:07Z")
Change = Callable[[Phases], None]


@contextmanager
def only_the_long_way(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No entry takes the short way."""
    with monkeypatch.context() as patched:
        patched.setattr(examining.PlainlyWell, "attempts", lambda self: [None for _found in self._well])
        yield


def well(plan: Plan, evidence: Phases) -> list[bool]:
    """Which entries take the short way; a fault in it is not contained here."""
    hosts, examined = examining.examine(plan, evidence, short=True)
    assert len(hosts) == len(plan.parties())
    return [each.well is not None for each in examined]


def reported(plan: Plan, evidence: Phases) -> str:
    return json.dumps(decide(plan, evidence, *TIMES, keep_all=False).report)


@pytest.mark.parametrize("name", sorted(path.name.removesuffix(".json.gz") for path in RECORDED.glob("*.json.gz")))
def test_both_ways_lead_to_the_same_report(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short = reported(*recorded(name))
    with only_the_long_way(monkeypatch):
        assert reported(*recorded(name)) == short


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
    "a unit is meant to serve it": _told(
        "server0",
        "close",
        "after",
        "units",
        value=[{"port": 7001, "unit": "web.service", "how": "declared", "load": "loaded", "active": "failed", "sub": "failed"}],
    ),
    "no connection was counted": _told("server0", "close", "after", "counters", "Tcp", "PassiveOpens", value=0),
    "packets were dropped": _told("server0", "close", "recording", "dropped", value=3),
    "a half-open socket": _told(
        "server0",
        "close",
        "after",
        "sockets",
        value=[{"state": "SYN_RECV", "local": "10.2.0.1", "local_port": 7001, "remote": "10.1.0.1", "remote_port": 10000}],
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
        "path_slow",
        "proxy_no_backend",
        "sequence_rewritten",
        "service_refuses",
        "syn_flood",
        "synproxy_loose",
        "synproxy_unserved",
        "unexpectedly_open",
        "xinetd_refuses",
    }
