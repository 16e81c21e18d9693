# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""RSTs that the server's TCP counts are the answer to a SYN only where that SYN is for the server itself: recordings changed by hand."""

from __future__ import annotations

import pytest

from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes, evidence, frames
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

OF_SOCKETS = ("listener_other_namespace", "no_listener", "service_stopped", "listener_other_address")
ARP = 0x0806
UNIT = {"port": 5432, "unit": "orders.service", "how": "declared", "load": "loaded", "active": "inactive", "sub": "dead"}


def of_others(found: Phases) -> None:
    """The server resets connections of others, as many as there are SYNs, or a few more."""
    evidence(found, "db1", "close")["after"]["counters"]["Tcp"]["OutRsts"] += 12


def at_server(found: Phases, **parts: object) -> None:
    for phase, part in (("open", "snapshot"), ("close", "after")):
        evidence(found, "db1", phase)[part].update(parts)


@pytest.mark.parametrize("parts", [{}, {"other_namespaces": []}, {"other_namespaces": [], "units": [UNIT]}])
@pytest.mark.parametrize("name", ["neighbour_silent.reverse-path", "router_not_forwarding.published"])
def test_what_is_forwarded_or_translated_is_not_refused_by_the_servers_tcp(name: str, parts: dict[str, object]) -> None:
    """The SYNs are for a container behind the server: by its address, or by one that rules of the server have for it."""
    plan, found = recorded(name)
    at_server(found, **parts)
    first = causes(plan, found)
    of_others(found)
    assert causes(plan, found) == first and not {code for code, _host, _certainty in first}.intersection(OF_SOCKETS)
    for phases in found.values():
        for answer in phases.values():
            if recording := answer["evidence"].get("recording"):
                frames(recording, lambda all_: [frame for frame in all_ if frame.ethertype != ARP])
    assert not {code for code, _host, _certainty in causes(plan, found)}.intersection(OF_SOCKETS)


@pytest.mark.parametrize("name", ["no_listener", "listener_other_namespace", "listener_other_address.other"])
def test_who_is_behind_the_server_may_refuse(name: str) -> None:
    """The RSTs leave the server, which counts as many, and does not have the address."""
    plan, found = recorded(name)
    code, _host, certainty = causes(plan, found)[0]
    assert (code, certainty) == (name.partition(".")[0], "proven")
    address = plan.entries[0].address
    for phase, part in (("open", "snapshot"), ("close", "after")):
        snapshot = evidence(found, "db1", phase)[part]
        snapshot["addresses"] = [each for each in snapshot["addresses"] if each["address"] != address]
        snapshot["routes"] = [each for each in snapshot["routes"] if (each["remote"], each["type"]) != (address, "local")]
    assert not {code for code, _host, _certainty in causes(plan, found)}.intersection(OF_SOCKETS)


def test_who_has_the_address_is_unknown() -> None:
    plan, found = recorded("no_listener")
    for phase, part in (("open", "snapshot"), ("close", "after")):
        del evidence(found, "db1", phase)[part]["addresses"]
    assert causes(plan, found)[0] == ("no_listener", "db1", "likely")
