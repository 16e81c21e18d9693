# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translations and zones: evidence that lacks one of the conditions of a proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils._decide.changes import (
    CLIENT,
    ROUTER,
    SERVER,
    TARGET,
    Change,
    Scene,
    all_of,
    answer,
    nat,
    not_of,
    probes,
    snapshots,
    to_another_port,
    unknown,
)
from tests.unit.plugins.plugin_utils._decide.test_not_proven import frames
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

OUT = 4
REFUSED = probes(outcome="error", errno="ECONNREFUSED")


def as_dialled(found: Phases) -> None:
    """The SYNs leave the router for the address for which they came."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            back = frame._replace(data=frame.data[:16] + bytes((10, 0, 2, 21)) + frame.data[20:])
            yield back if frame.pkttype == OUT else frame

    frames(answer(found, ROUTER)["recording"], change)


def sent_on(port: int) -> Change:
    """The server's own rules send the SYN for this port to another one."""
    asked = {"packet": "syn", "direction": "in", "source": "10.0.1.11", "destination": TARGET, "port": port}
    target = {"source": "10.0.1.11", "destination": TARGET, "port": 5432, "source_port": None, "changes": []}

    def change(found: Phases) -> None:
        for snapshot in snapshots(found, SERVER):
            snapshot["firewall"]["verdicts"].append({**asked, "verdict": "accept", "path": [], "rewritten": target})

    return all_of(nat(SERVER, "prerouting"), change)


def by_one_of_several(found: Phases) -> None:
    """Which of the rules stops the packet depends on what is not known."""
    for snapshot in snapshots(found, CLIENT):
        for verdict in snapshot["firewall"]["verdicts"]:
            if verdict["zones"]:
                verdict["rule"] = None


SCENES = {
    "a SYN that leaves for a dead port, and that nothing refuses": Scene("nat_wrong_target", "nat_wrong_target", "likely", to_another_port),
    "a SYN that leaves for a dead port": Scene("nat_wrong_target", "nat_wrong_target", "proven", all_of(to_another_port, REFUSED)),
    "a SYN that leaves for a port that the server may translate": Scene(
        "nat_wrong_target", "nat_wrong_target", "likely", all_of(to_another_port, REFUSED, nat(SERVER, "prerouting"))
    ),
    "a SYN that leaves as it was dialled, for an address that nobody has": Scene(
        "nat_wrong_target", "nat_wrong_target", None, all_of(as_dialled, not_of(SERVER, TARGET), unknown(ROUTER, "firewall"))
    ),
    "a rule that leads to a port that the server may translate": Scene(
        "nat_wrong_target.router-dead-port", "nat_wrong_target", "likely", nat(SERVER, "prerouting")
    ),
    "another zone, and one of several rules that stop it": Scene(
        "conntrack_invalid.zone", "conntrack_invalid", "likely", by_one_of_several
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_what_lacks_a_condition_is_not_proven(name: str) -> None:
    assert SCENES[name].certainty_found() == SCENES[name].certainty


@pytest.mark.parametrize(("change", "dead"), [(lambda _found: None, True), (sent_on(5999), False)])
def test_nobody_listens_only_where_the_server_leaves_the_port_as_it_is(change: Change, dead: bool) -> None:
    plan, found = recorded("nat_wrong_target.router-dead-port")
    change(found)
    flow: dict[str, Any] = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"][0]
    (cause,) = (cause for cause in flow["causes"] if cause["host"] == ROUTER)
    assert ("where nothing listens" in cause["summary"]) is dead
