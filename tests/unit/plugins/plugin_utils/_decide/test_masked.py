# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that a host in front of the server makes with it from addresses that it does not have, and packets that only look so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame
from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils._decide.test_not_proven import SYN, SYN_ACK, evidence, flags, frames, moved
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

CLIENT, OTHER, FRONT, SERVER = (bytes(map(int, address.split("."))) for address in ("10.0.1.11", "10.0.1.12", "10.0.2.22", "10.0.2.21"))
MASKED = "what db1 answers does not come back to db2"
IN, OTHERS, OUT = 0, 3, 4
Change = Callable[[Phases], None]


def first(*changes: Change) -> dict[str, Any]:
    """The flow behind a balancer that calls the server as the client."""
    plan, found = recorded("load_balancer_no_backend.masked")
    for change in changes:
        change(found)
    flow: dict[str, Any] = flows(plan, found)[0]
    return flow


def said(flow: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(cause["certainty"], MASKED in cause["summary"]) for cause in flow["causes"]]


def at(host: str, change: Callable[[list[Frame]], list[Frame]]) -> Change:
    return lambda found: frames(evidence(found, host, "close")["recording"], change)


def between(frame: Frame, source: bytes, destination: bytes, port: int) -> Frame:
    """The same packet with other addresses, and to another port."""
    data = frame.data
    return frame._replace(data=data[:12] + source + destination + data[20:22] + port.to_bytes(2, "big") + data[24:])


def answer(syn: Frame, **fields: Any) -> Frame:
    data = syn.data
    back = data[:12] + data[16:20] + data[12:16] + data[22:24] + data[20:22] + data[24:33] + bytes([SYN_ACK]) + data[34:]
    return moved(syn._replace(data=back), 0.0001, **fields)


def calls(all_: list[Frame]) -> list[Frame]:
    return [frame for frame in all_ if flags(frame) == SYN and frame.data[16:20] == SERVER]


def heard(all_: list[Frame]) -> list[Frame]:
    return [*all_, *(answer(syn, pkttype=IN) for syn in calls(all_))]


def checked(all_: list[Frame]) -> list[Frame]:
    """The balancer's checks, from its own address, are answered."""
    own = [between(syn, FRONT, SERVER, 5432) for syn in calls(all_)]
    return [*all_, *own, *(answer(syn, pkttype=IN) for syn in own)]


def to_8432(all_: list[Frame]) -> list[Frame]:
    """What goes between the client's address and the server has another port there."""

    def changed(frame: Frame) -> Frame:
        data, port = frame.data, (8432).to_bytes(2, "big")
        if data[12:20] == CLIENT + SERVER:
            return frame._replace(data=data[:22] + port + data[24:])
        return frame._replace(data=data[:20] + port + data[22:]) if data[12:20] == SERVER + CLIENT else frame

    return [frame if frame.ethertype != 0x0800 else changed(frame) for frame in all_]


def not_answered(all_: list[Frame]) -> list[Frame]:
    return [frame for frame in all_ if flags(frame) != SYN_ACK]


def of_another_client(all_: list[Frame]) -> list[Frame]:
    def changed(frame: Frame) -> Frame:
        data = frame.data
        if data[12:20] == CLIENT + SERVER:
            return frame._replace(data=data[:12] + OTHER + data[16:])
        return frame._replace(data=data[:16] + OTHER + data[20:]) if data[12:20] == SERVER + CLIENT else frame

    return [frame if frame.ethertype != 0x0800 else changed(frame) for frame in all_]


def served(found: Phases) -> None:
    for probe in evidence(found, "web1", "try")["probes"]:
        probe["peer"] = "data"


def test_the_servers_answers_do_not_come_back() -> None:
    flow = first()
    assert (flow["status"], said(flow)) == ("degraded", [("likely", True)])
    assert not flow["causes"][0]["against"]  # it has connections with no other host


def test_the_balancer_may_call_another_port_than_the_flow_s() -> None:
    flow = first(at("db2", to_8432), at("db1", to_8432))
    assert said(flow) == [("likely", True)] and "its connections to port 8432 have the source" in flow["causes"][0]["summary"]


def test_checks_from_its_own_address_are_answered_all_the_same() -> None:
    assert said(first(at("db2", checked))) == [("likely", True)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([served], id="the client got data"),
        pytest.param([at("db2", heard)], id="the answers come back"),
        pytest.param(
            [at("db2", of_another_client), at("db1", of_another_client), at("db2", checked)], id="as another client beside its own"
        ),
        pytest.param([at("db2", lambda all_: [frame for frame in all_ if frame not in calls(all_)[:1]])], id="fewer than the flow's"),
    ],
)
def test_what_is_served_otherwise_or_answered_is_well(changes: list[Change]) -> None:
    flow = first(*changes)
    assert (flow["status"], said(flow)) == ("ok", [])


def test_a_server_that_does_not_answer_is_not_answering_past_the_balancer() -> None:
    flow = first(at("db1", not_answered))
    assert "db1 does not answer its SYNs to port 5432" in flow["causes"][0]["summary"]


def test_calls_as_the_client_that_do_not_come_to_the_server() -> None:
    """The server is asked for handshakes of the client's address: it would have them."""
    flow = first(at("db1", lambda _all: []))
    assert (flow["status"], [cause["certainty"] for cause in flow["causes"]]) == ("degraded", ["likely"])
    assert "have the source 10.0.1.11, which is not its own, and do not come to db1" in flow["causes"][0]["summary"]


def incomplete(found: Phases) -> None:
    evidence(found, "db1", "close")["recording"]["truncated"] = "bytes"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([at("db2", of_another_client)], id="of an address that the server was not asked for"),
        pytest.param([incomplete], id="its recording was cut short"),
        pytest.param([served], id="the client got data"),
        pytest.param([at("db2", lambda all_: [frame for frame in all_ if frame not in calls(all_)[:1]])], id="fewer than the flow's"),
        pytest.param([at("db2", to_8432)], id="to a port that it does not record"),
    ],
)
def test_what_the_server_need_not_have_recorded_may_have_come_to_it(changes: list[Change]) -> None:
    assert first(at("db1", lambda _all: []), *changes)["causes"] == []


def translated(port: int, to: int, came: int) -> Callable[[list[Frame]], list[Frame]]:
    """A SYN of a client for another port of the host in front, sent on to the server: routed and translated, or over a bridge."""

    def change(all_: list[Frame]) -> list[Frame]:
        syn = next(frame for frame in all_ if flags(frame) == SYN and frame.data[12:20] == CLIENT + FRONT)
        onto = SERVER if came == OTHERS else FRONT
        begun = between(syn, OTHER, onto, port)
        return [*all_, moved(begun, 0.0001, pkttype=came), moved(between(begun, OTHER, SERVER, to), 0.0002, pkttype=OUT)]

    return change


@pytest.mark.parametrize("name", ["http", "nginx", "other-port"])
@pytest.mark.parametrize(
    ("port", "to", "came"),
    [
        pytest.param(2222, 22, IN, id="to another port"),
        pytest.param(5433, 5432, IN, id="to the flow's port"),
        pytest.param(5432, 5432, OTHERS, id="over a bridge"),
    ],
)
def test_what_the_host_in_front_sends_on_it_did_not_begin(name: str, port: int, to: int, came: int) -> None:
    plan, found = recorded(f"load_balancer_no_backend.{name}.twin")
    assert flows(plan, found)[0]["status"] == "ok"
    at("db2", translated(port, to, came))(found)
    assert flows(plan, found)[0]["status"] == "ok"
