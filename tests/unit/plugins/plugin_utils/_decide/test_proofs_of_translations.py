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
    a_services,
    all_of,
    answer,
    came,
    nat,
    not_of,
    only,
    probes,
    rose,
    snapshots,
    to_another_port,
    translated,
    unknown,
)
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes, frames
from tests.unit.plugins.plugin_utils.multiplied import multiplied
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

OUT = 4
REFUSED = probes(outcome="error", errno="ECONNREFUSED")
unserved = only(SERVER, "listeners", lambda entry: entry["port"] != 5432)


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
    "a translation by the client to another address, which leads to the server all the same": Scene(
        "nat_wrong_target.client-elsewhere", "nat_wrong_target", None, all_of(came(CLIENT, SERVER), REFUSED, unserved)
    ),
    "a service's address that a router's rule translates to a host that refuses, while the server refuses others": Scene(
        "nat_wrong_target.router-nobody",
        "nat_wrong_target",
        "likely",
        all_of(a_services, REFUSED, unserved, rose(SERVER, "Tcp", "OutRsts", 9)),
    ),
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


def may_reject(found: Phases) -> None:
    """Nobody knows whether the rules of the server let the SYN in once it is translated."""
    for snapshot in snapshots(found, "server0"):
        for verdict in snapshot["firewall"]["verdicts"]:
            if verdict["packet"] == "syn":
                verdict.update(verdict="undecided", undecided_because="a rule that rejects looks at the time of day")


half_of_them_refused = rose("server0", "Tcp", "OutRsts", 3)


@pytest.mark.parametrize(
    ("change", "certainty"),
    [
        (may_reject, "proven"),  # every RST is of TCP
        (half_of_them_refused, "proven"),  # the others are for the other port, as the rules let in what is for this one
        (all_of(may_reject, half_of_them_refused), "likely"),
    ],
)
def test_a_dead_port_refuses_unless_the_firewall_may_have_rejected(change: Change, certainty: str) -> None:
    """The client dials two ports of the server, which its rules send to a dead one."""
    plan, found = multiplied("nat_wrong_target.dead-port", clients=1, servers=1, ports=2)
    all_of(translated("server0", destination=plan.entries[0].address), change)(found)
    assert causes(plan, found)[0] == ("nat_wrong_target", "server0", certainty)
