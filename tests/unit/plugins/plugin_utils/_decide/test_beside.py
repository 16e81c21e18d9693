# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there as well, and has no part in how the handshakes end."""

from __future__ import annotations

import pytest

from tests.unit.plugins.plugin_utils._decide.test_neighbours import causes, snapshots
from tests.unit.plugins.plugin_utils.recordings import recorded


@pytest.mark.parametrize("name", ["no_return_route.behind-a-queue", "router_route.first-address"])
def test_what_is_proven_to_end_them_is_told_alone(name: str) -> None:
    assert [each["code"] for each in causes(*recorded(name))] == [name.partition(".")[0]]


def test_a_socket_for_the_nameserver_that_was_there_before() -> None:
    (told,) = causes(*recorded("application_silent.own-resolver"))
    assert (told["code"], "nameserver" in told["summary"], told["fix"]["kind"]) == ("application_silent", False, "application")


@pytest.mark.parametrize("before", ["none", "all", "unknown"])
def test_a_nameserver_that_is_asked_for_this_client(before: str) -> None:
    plan, found = recorded("application_silent.lookup")
    first, last = snapshots(found, "db1")
    first["lookups"] = {"none": [], "all": last["lookups"], "unknown": None}[before]
    (told,) = causes(plan, found)
    assert ("waits for the answer of nameserver" in told["summary"]) == (before == "none")


@pytest.mark.parametrize(("address", "expected"), [("0.0.0.0", True), ("127.0.0.1", False), ("10.0.2.22", False), ("::", True)])
def test_who_listened_before_may_not_have_listened_there(address: str, expected: bool) -> None:
    plan, found = recorded("no_listener.one-connection")
    for listener in next(iter(snapshots(found, "db1")))["listeners"]:
        listener.update(address=address, v6only=False)
    (told,) = [each for each in causes(plan, found) if each["code"] == "no_listener"]
    assert ("listened there when the run began" in told["summary"]) == expected
