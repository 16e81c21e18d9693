# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes that go on on other ports, where a recorder left these out."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.examine import examine
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

PORT = (8080).to_bytes(2, "big")


def is_beside(frame: Frame) -> bool:
    return frame.ethertype == 0x0800 and PORT in (frame.data[20:22], frame.data[22:24])


@pytest.mark.parametrize(("state", "codes"), [("lost", set()), ("recorded", {"nat_wrong_target"})])
def test_what_was_left_out_is_not_lost(state: str, codes: set[str]) -> None:
    """The server does not answer what the router translates: without its recording of that port nobody knows whether it comes there."""
    plan, found = recorded("accept_queue_full.translated-twice")
    recording = found["db1"]["close"]["evidence"]["recording"]
    recording.update(frames=pack(frame for frame in unpack(recording["frames"]) if not is_beside(frame)), beside=state)
    entry = flows(plan, found)[0]
    assert entry["status"] != "ok" and {cause["code"] for cause in entry["causes"]} & {"path_drop", "nat_wrong_target"} == codes, entry[
        "causes"
    ]
    said = [sentence for sentence in entry["not_observed"] if "connections on other ports" in sentence]
    assert bool(said) is (state == "lost")


def test_a_balancers_calls_that_were_left_out_are_not_lost() -> None:
    plan, found = recorded("load_balancer_no_backend.other-port-dropped")
    recording = found["db1"]["close"]["evidence"]["recording"]
    recording.update(frames=pack(frame for frame in unpack(recording["frames"]) if not is_beside(frame)), beside="lost")
    assert all("do not come to db1" not in cause["summary"] for cause in flows(plan, found)[0]["causes"])


def test_each_host_is_asked_about_the_end_for_which_the_syn_comes_to_it() -> None:
    """Once the router has translated it, that is no longer the one that was dialled."""
    (case,) = examine(*recorded("accept_queue_full.translated-twice"))[1][0].cases
    asked = [(case.end_at(host)[1], case.sent_on_by(host)) for host in case.hosts]
    assert [(port, verdict and verdict.rewritten and verdict.rewritten.port) for port, verdict in asked] == [
        (5432, None),
        (5432, 8080),
        (8080, 9090),
    ]
