# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in front of the server: what they try with it is only proof where it is the flow's own port."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.lies import Phases
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

FRONT, BEHIND, PORT = bytes((10, 0, 2, 22)), bytes((10, 0, 2, 21)), 5432
OTHER = bytes((10, 0, 2, 23))
NGINX, CHECKED = "load_balancer_no_backend.nginx", "load_balancer_no_backend.checked"


def to_port(frame: Frame, port: int) -> Frame:
    """What the balancer and the server say to each other on the flow's port, on another one."""
    if frame.ethertype != 0x0800 or {frame.data[12:16], frame.data[16:20]} != {FRONT, BEHIND}:
        return frame
    at = 22 if frame.data[16:20] == BEHIND else 20
    return frame._replace(data=frame.data[:at] + port.to_bytes(2, "big") + frame.data[at + 2 :])


def on_another_port(found: Phases) -> None:
    for host in ("db1", "db2"):
        recording = found[host]["close"]["evidence"]["recording"]
        recording["frames"] = pack(to_port(frame, 9100) for frame in unpack(recording["frames"]))


def served(found: Phases) -> None:
    """As far as the clients can tell: nobody closes their connections at once."""
    for probe in found["web1"]["try"]["evidence"]["probes"]:
        probe["peer"] = None


def cause(name: str, *changes: Any) -> dict[str, Any]:
    plan, found = recorded(name)
    for change in changes:
        change(found)
    first: dict[str, Any] = flows(plan, found)[0]["causes"][0]
    return first


def test_refusals_on_the_flows_port_are_proof() -> None:
    assert (cause("load_balancer_no_backend.checked")["certainty"], cause("load_balancer_no_backend.checked")["detail"]["ports"]) == (
        "proven",
        [PORT],
    )


def test_refusals_on_another_port_are_none() -> None:
    told = cause("load_balancer_no_backend.checked", on_another_port, served)
    assert told["certainty"] == "possible" and "port 9100" not in told["summary"], told
    seen = [each["observation"] for each in told["evidence"]]
    assert any("SYNs to port 9100" in each for each in seen), seen  # as many for each of the flow's connections may be for anything


def frames_of_front(found: Phases, change: Any) -> None:
    recording = found["db2"]["close"]["evidence"]["recording"]
    recording["frames"] = pack(change(list(unpack(recording["frames"]))))


def another_server_takes(found: Phases) -> None:
    """The balancer connects to another host's port as well, which answers."""

    def answered(frames: list[Frame]) -> list[Frame]:
        syn = next(each for each in frames if each.data[12:20] == FRONT + BEHIND and each.data[33] == 2)
        there = syn._replace(data=syn.data[:16] + OTHER + syn.data[20:])
        tcp = there.data[20:]
        back = there.data[:12] + OTHER + FRONT + tcp[2:4] + tcp[:2] + tcp[4:13] + bytes([0x12]) + tcp[14:]
        return sorted([*frames, there, there._replace(data=back, pkttype=0, ts_ns=there.ts_ns + 1000)], key=lambda each: each.ts_ns)

    frames_of_front(found, answered)


def another_server_is_up(found: Phases) -> None:
    """By HAProxy's word."""
    server = {"program": "haproxy", "proxy": "orders", "check": None, "told": None, "client": None, "port": PORT}
    down = {**server, "server": "db1", "address": "10.0.2.21", "up": False, "status": "DOWN", "connects": 0}
    other = {**server, "server": "db3", "address": "10.0.2.23", "up": True, "status": "UP"}
    found["db2"]["open"]["evidence"]["snapshot"]["balancers"] = [down, {**other, "connects": 7}]
    found["db2"]["close"]["evidence"]["after"]["balancers"] = [down, {**other, "connects": 10}]


def connects_elsewhere(found: Phases) -> None:
    """On a port that is not recorded: its counters alone show it."""
    found["db2"]["close"]["evidence"]["after"]["counters"]["Tcp"]["ActiveOpens"] += 3


def connects_elsewhere_beside_half_open_clients(found: Phases) -> None:
    """AttemptFails counts clients' half-open connections that an RST ends as well, and must not hide what the balancer opened."""
    counters = found["db2"]["close"]["evidence"]["after"]["counters"]
    for group, name, by in (("Tcp", "ActiveOpens", 2), ("Tcp", "AttemptFails", 2), ("TcpExt", "EmbryonicRsts", 2)):
        counters[group][name] = counters[group].get(name, 0) + by


def counts_nothing(found: Phases) -> None:
    del found["db2"]["close"]["evidence"]["after"]["counters"]["Tcp"]["AttemptFails"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (CHECKED, another_server_takes),
        (CHECKED, another_server_is_up),
        (CHECKED, connects_elsewhere),
        (NGINX, connects_elsewhere),
        (NGINX, connects_elsewhere_beside_half_open_clients),
        (NGINX, counts_nothing),
    ],
)
def test_it_is_no_proof_where_another_server_may_have_served_the_client(name: str, change: Any) -> None:
    """That the clients' connections end at once may then be that server's doing; a refusal may be that of a health check."""
    assert cause(name)["certainty"] == "proven"
    told = cause(name, change)
    assert (told["code"], told["certainty"]) == ("load_balancer_no_backend", "likely")


def test_another_clients_failure_is_not_told_where_the_flow_has_its_own() -> None:
    def of_another(found: Phases) -> None:
        known = found["db2"]["close"]["evidence"]["after"]["balancers"]
        known.insert(0, {**known[0], "client": "10.0.1.99", "port": 9999})

    told = cause(NGINX, of_another)
    assert told["certainty"] == "proven" and "9999" not in str((told["summary"], told["evidence"]))


def of_another_instance(found: Phases, host: str) -> None:
    """Two balancers run there; the one with the flow's listener has a server that is up."""
    for phase, part in (("open", "snapshot"), ("close", "after")):
        snapshot = found[host][phase]["evidence"][part]
        (listener,) = (each for each in snapshot["listeners"] if each["port"] == PORT)
        told = snapshot["balancers"][0] if snapshot.get("balancers") else None
        if told is None:
            continue
        pids = [process["pid"] for process in listener["processes"]]
        up = {**told, "server": "other", "address": "10.0.2.29", "up": True, "status": "UP", "connects": None}
        snapshot["balancers"] = [{**told, "pids": [99]}, {**up, "pids": pids}]


@pytest.mark.parametrize(("name", "host"), [(NGINX, "db2"), ("proxy_no_backend.haproxy", "db1")])
def test_what_another_balancer_on_the_same_host_says_is_not_of_the_flow(name: str, host: str) -> None:
    code = name.partition(".")[0]
    plan, found = recorded(name)
    assert [each["code"] for each in flows(plan, found)[0]["causes"]][:1] == [code]
    of_another_instance(found, host)
    told = [each for each in flows(plan, found)[0]["causes"] if each["code"] == code]
    assert [each for each in told if each["certainty"] == "proven" or "down" in each["summary"]] == []


def test_what_the_flows_own_balancer_says_counts_beside_another_one() -> None:
    def beside(found: Phases) -> None:
        snapshot = found["db1"]["close"]["evidence"]["after"]
        (told,) = snapshot["balancers"]
        pids = [process["pid"] for each in snapshot["listeners"] for process in each["processes"]]
        snapshot["balancers"] = [{**told, "pids": pids}, {**told, "up": True, "status": "UP", "pids": [99]}]

    assert cause("proxy_no_backend.haproxy", beside)["certainty"] == "proven"


def test_who_is_stopped_is_only_proof_where_the_balancer_connects_to_it() -> None:
    assert cause("load_balancer_no_backend.stopped")["certainty"] == "proven"
    plan, found = recorded("load_balancer_no_backend.stopped")
    on_another_port(found)
    assert [each for each in flows(plan, found)[0]["causes"] if "is stopped" in each["summary"]] == []


def test_who_has_the_address_is_unknown() -> None:
    """Neither host's addresses were read: that the server saw no SYN is as it should be where the balancer takes the connections."""
    plan, found = recorded("load_balancer_no_backend.http.twin")
    for host in ("db1", "db2"):
        for phase in ("open", "close"):
            for snapshot in ("snapshot", "after"):
                (found[host][phase]["evidence"].get(snapshot) or {}).pop("addresses", None)
    assert flows(plan, found)[0]["status"] == "ok"


def unresolved(*others: dict[str, Any]) -> Any:
    """HAProxy has no address for a server, and these beside it."""
    none = {
        "program": "haproxy",
        "proxy": "orders",
        "server": "one",
        "address": None,
        "port": None,
        "up": False,
        "status": "MAINT (resolution)",
    }

    def changed(found: Phases) -> None:
        for phase, part in (("open", "snapshot"), ("close", "after")):
            found["db2"][phase]["evidence"][part]["balancers"] = [none, *others]

    return changed


def test_a_name_that_does_not_resolve_may_be_another_ports() -> None:
    other = {"program": "haproxy", "proxy": "web", "server": "db9", "address": "10.0.2.99", "port": PORT, "up": False, "status": "DOWN"}
    for certainty, beside in (("proven", []), ("likely", [other])):
        told = cause("load_balancer_no_backend.other-port", unresolved(*beside))
        assert (told["certainty"], "orders/one has no address there" in told["summary"]) == (certainty, True)


@pytest.mark.parametrize(
    ("status", "said"),
    [("99", "finds no free local port towards"), ("13", "forbids nginx to connect to"), ("1", "forbids nginx to connect to")],
)
def test_what_its_own_kernel_refuses_is_the_fault_of_the_host_in_front(status: str, said: str) -> None:
    def refused(found: Phases) -> None:
        for answer in found["db2"].values():
            for snapshot in ("snapshot", "before", "after"):
                for each in (answer["evidence"].get(snapshot) or {}).get("balancers") or ():
                    each["status"] = status

    told = cause(NGINX, refused)
    assert (told["code"], told["host"], told["fix"]["host"]) == ("load_balancer_no_backend", "db2", "db2") and said in told["summary"]


def haproxy_says(error: int, call: str = "connect", told: str = "General socket error (No route to host)") -> Any:
    down = {"program": "haproxy", "proxy": "orders", "server": "db1", "address": "10.0.2.21", "port": PORT, "up": False, "status": "DOWN"}

    def changed(found: Phases) -> None:
        for phase, part in (("open", "snapshot"), ("close", "after")):
            found["db2"][phase]["evidence"][part]["balancers"] = [{**down, "check": "L4CON", "told": told, "call": call, "error": error}]

    return changed


@pytest.mark.parametrize(("error", "said"), [(113, "EHOSTUNREACH"), (101, "ENETUNREACH"), (13, "EACCES")])
def test_what_leaves_the_host_in_front_is_not_refused_by_its_kernel(error: int, said: str) -> None:
    """Firewalls of others say the same, by ICMP."""
    told = cause("load_balancer_no_backend.path", haproxy_says(error))
    assert (told["code"], told["host"]) == ("load_balancer_no_backend", "path") and f"the kernel of db2 says {said}" not in told["summary"]


def test_an_address_of_its_own_that_is_in_use_is_one_without_free_ports() -> None:
    told = cause("load_balancer_no_backend.source", haproxy_says(98, "bind", "Can't bind to source address (Address already in use)"))
    assert "finds no free local port towards orders/db1" in told["summary"] and "ip_local_port_range" in told["fix"]["summary"]


def test_a_status_that_is_no_number_is_no_error() -> None:
    def odd(found: Phases) -> None:
        for each in found["db2"]["close"]["evidence"]["after"]["balancers"]:
            each["status"] = "\N{SUPERSCRIPT TWO}"

    assert cause(NGINX, odd)["code"] == "load_balancer_no_backend"
