# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners that are bound to an interface (SO_BINDTODEVICE): they take what comes in by it, which is not known of other namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._decide.changes import SERVER, snapshots
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded


def at_a_device(found: Phases, address: str, device: str) -> None:
    """Of another namespace."""
    for snapshot in snapshots(found, SERVER):
        for listener in snapshot["other_namespaces"]:
            listener.update(address=address, device=device)


def codes(name: str, change: Any) -> list[tuple[str, str]]:
    plan, found = recorded(name)
    change(found)
    return [(code, certainty) for code, _host, certainty in causes(plan, found)]


@pytest.mark.parametrize("address", ["0.0.0.0", "172.17.0.2"])
def test_one_that_may_take_the_syn_does_not_listen_elsewhere(address: str) -> None:
    name = "listener_other_address.container"
    assert ("listener_other_address", "proven") in codes(name, lambda found: at_a_device(found, "127.0.0.1", "lo"))
    told = codes(name, lambda found: at_a_device(found, address, "eth0"))
    assert "listener_other_address" not in dict(told) and ("nat_wrong_target", "proven") not in told


def test_one_that_may_take_the_syn_may_be_full() -> None:
    name = "accept_queue_full.container"
    assert codes(name, lambda found: at_a_device(found, "0.0.0.0", "eth0"))[0] == ("accept_queue_full", "likely")


def test_one_that_may_take_the_syn_may_not_be_full() -> None:
    """The kernel prefers it to one that is bound to no interface."""

    def another(found: Phases) -> None:
        for snapshot in snapshots(found, SERVER):
            known = snapshot["other_namespaces"]
            known.append({**known[0], "device": "eth0", "recv_q": 0})

    assert "accept_queue_full" not in dict(codes("accept_queue_full.container", another))


@pytest.mark.parametrize(("device", "dead"), [("lo", False), ("eth0", True)])
def test_what_a_host_sends_to_itself_comes_in_by_its_loopback_interface(device: str, dead: bool) -> None:
    def to_itself(found: Phases) -> None:
        for snapshot in snapshots(found, SERVER):
            snapshot["listeners"].append(
                {**snapshot["listeners"][0], "address": "127.0.0.1", "port": 80, "device": device, "processes": []}
            )
            for relay in snapshot["relays"]:
                relay["address"] = "127.0.0.1"

    plan, found = recorded("proxy_no_backend")
    to_itself(found)
    assert (("proxy_no_backend", "proven") in [(code, certainty) for code, _host, certainty in causes(plan, found)]) is dead
