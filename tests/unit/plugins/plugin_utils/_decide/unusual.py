# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a flow of a fleet that is well unusual: changes to its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from tests.unit.plugins.plugin_utils.recordings import Phases

Change = Callable[[Phases], object]


def frames_changed(host: str, phase: str, change: Callable[[list[Frame]], list[Frame]]) -> Change:
    def changed(evidence: Phases) -> None:
        recording = evidence[host][phase]["evidence"]["recording"]
        recording["frames"] = pack(change(unpack(recording["frames"])))

    return changed


def _answered(host: str, phase: str, *path: str | int, value: Any) -> Change:
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


def nginx_failed_for(client: str, began: int, logged: int = 3) -> Change:
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


def is_syn(frame: Frame) -> bool:
    return frame.data[33] & 0x12 == 0x02


def _same_number(evidence: Phases) -> None:
    """A SYN with the number of the first one, between ends that nobody dialled: it may be the same one, translated."""
    recording = evidence["server0"]["close"]["evidence"]["recording"]
    frames = unpack(recording["frames"])
    syn = next(frame for frame in frames if is_syn(frame))
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
    """On connections of our own, after the handshakes."""
    small = {"address": "10.2.0.1", "sent": 12001, "acked": 12001, "expected": 12001, "received": 12001, "retransmits": 0}
    full = {**small, "size": 1500, "acked": 1, "retransmits": 4}
    answer = {"probes": [], "bypass": [], "path_sizes": [*({**small, "size": size} for size in (576, 1000, 1280)), *[full] * 3]}
    evidence["client0"]["trace_try"] = {"evidence": {**answer, "trace": None, "drops": None, "absent": []}}


UNUSUAL: Mapping[str, Change] = {
    "a SYN-ACK is missing at the client": frames_changed("client0", "try", lambda frames: frames[:1] + frames[2:]),
    "a SYN came twice": frames_changed(
        "server0", "close", lambda frames: [frames[0], frames[0]._replace(ts_ns=frames[0].ts_ns + 1), *frames[1:]]
    ),
    "another TTL": frames_changed("server0", "close", _changed(0, 8, 40)),
    "another window": frames_changed("server0", "close", _changed(0, 34, 1)),
    "another MSS": frames_changed("server0", "close", _changed(0, 43, 1)),
    "for another machine": frames_changed("server0", "close", lambda frames: [frames[0]._replace(pkttype=3), *frames[1:]]),
    "an RST": frames_changed("client0", "try", _changed(2, 33, 0x14)),
    "late": frames_changed(
        "server0", "close", lambda frames: [frames[0], frames[1]._replace(ts_ns=frames[1].ts_ns + 600_000_000), *frames[2:]]
    ),
    "a third host": _seen_elsewhere,
    "the same number": _same_number,
    "it closes": _answered("client0", "try", "probes", 0, "peer", value="closed"),
    "it says something": _answered("client0", "try", "probes", 0, "peer", value="data"),
    "late for the application": _answered("client0", "try", "probes", 0, "late_ms", value=3100.0),
    "an ICMP error": _answered("client0", "try", "probes", 0, "icmp", value={"offender": "10.0.1.1", "type": 3, "code": 1}),
    "connections wait": _listener_waits,
    "half-open connections fill the SYN queue": _half_open_connections,
    "it passes connections on": _answered(
        "server0",
        "close",
        "after",
        "relays",
        value=[{"port": 7001, "program": "socat", "pid": 7, "address": "127.0.0.1", "to": 9}],
    ),
    "it calls another in vain": _answered(
        "server0",
        "close",
        "after",
        "calls",
        value=[{"program": "nginx", "pid": 7, "source": "10.2.0.1", "address": "10.9.0.9", "port": 80, "count": 3}],
    ),
    "it takes them for an SSH session": _answered(
        "server0",
        "close",
        "after",
        "tunnels",
        value=[{"program": "sshd", "pid": 7, "address": "10.9.0.9", "port": 50022, "local_port": 22, "unanswered": 3}],
    ),
    "it could not connect for the client": nginx_failed_for("10.1.0.1", 3),
    "it could not connect for the client before": nginx_failed_for("10.1.0.1", 0),
    "a unit is meant to serve it": _answered(
        "server0",
        "close",
        "after",
        "units",
        value=[{"port": 7001, "unit": "web.service", "how": "declared", "load": "loaded", "active": "failed", "sub": "failed"}],
    ),
    "a unit that is meant to serve it does not stay": _unit_started_again,
    "no connection was counted": _answered("server0", "close", "after", "counters", "Tcp", "PassiveOpens", value=0),
    "full segments are lost": _full_segments_lost,
    "packets were dropped": _answered("server0", "close", "recording", "dropped", value=3),
    "a half-open socket": _answered(
        "server0",
        "close",
        "after",
        "sockets",
        value=[{"state": "SYN_RECV", "local": "10.2.0.1", "local_port": 7001, "remote": "10.1.0.1", "remote_port": 10000}],
    ),
    "a connection of before hangs": _answered(
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
    "by another interface": _answered("client0", "try", "recording", "interfaces", value={"1": "lo", "2": "eth7"}),
}
