# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that do not accept, and containers behind a published port: who is meant, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.services import (
    Snapshot,
    at_server,
    automatic,
    cause,
)
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.lies import Phases
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

# -- who does not accept


def full(*processes: dict[str, Any], **more: Any) -> dict[str, Any]:
    def change(snapshot: Snapshot) -> None:
        for listener in snapshot["listeners"]:
            listener.update(processes=list(processes), **more)

    return cause("accept_queue_full", change)


MASTER = {"pid": 10, "parent": 1, "name": "web", "state": "S", "unit": "web.service", "fds": 9, "fd_limit": 1024}
ONE, TWO = {**MASTER, "pid": 11, "parent": 10}, {**MASTER, "pid": 12, "parent": 10}


def stopped(process: dict[str, Any]) -> dict[str, Any]:
    return {**process, "state": "T"}


@pytest.mark.parametrize(
    ("processes", "pollers", "why", "pid"),
    [
        ((MASTER,), None, None, 10),
        ((MASTER, stopped(ONE), stopped(TWO)), None, "stopped", 11),
        ((MASTER, ONE, stopped(TWO)), None, "stopped", 12),
        ((MASTER, ONE, stopped(TWO)), [11], None, 11),  # who is stopped waits on another socket
        ((MASTER, ONE, stopped(TWO)), [12], "stopped", 12),
        ((stopped(MASTER), ONE), [11], None, 11),
        ((MASTER, ONE, stopped(TWO)), [11, 12], None, 11),  # the other one would accept
        ((MASTER, {**ONE, "state": "D"}), [11], "hung", 11),
        ((MASTER, {**ONE, "frozen": True}, {**TWO, "frozen": True}), None, "frozen", 11),
        ((MASTER, {**ONE, "frozen": True}, TWO), None, None, 11),
        ((MASTER, {**ONE, "fds": 1024}), None, "descriptors", 11),
        ((MASTER, {**ONE, "fds": 1023}), None, None, 11),
        ((MASTER, ONE), [], "not_waiting", 11),
    ],
)
def test_who_is_to_accept_and_why_it_does_not(processes: Any, pollers: Any, why: str | None, pid: int) -> None:
    told = full(*processes, pollers=pollers)
    assert (told["code"], told["detail"]["why"], told["detail"]["pid"]) == ("accept_queue_full", why, pid)
    assert automatic(told) is (why in (None, "stopped"))


@pytest.mark.parametrize(
    ("process", "why", "commands"),
    [
        (MASTER, "left", ["kill 10", "systemctl reset-failed web.service", "systemctl start web.service"]),
        (stopped(MASTER), "left", ["kill 10", "kill -CONT 10", "systemctl reset-failed web.service", "systemctl start web.service"]),
        ({**MASTER, "state": "D"}, "hung", ["cat /proc/10/stack"]),
    ],
)
def test_what_is_left_of_a_unit_is_ended_if_it_can_be(process: dict[str, Any], why: str, commands: list[str]) -> None:
    """Who is stopped gets no signal to end before it goes on; who hangs in the kernel none at all."""
    unit = {"port": 5432, "unit": "web.service", "how": "declared", "load": "loaded", "active": "failed", "sub": "failed"}

    def change(snapshot: Snapshot) -> None:
        snapshot["units"] = [unit]
        for listener in snapshot["listeners"]:
            listener["processes"] = [process]

    told = cause("accept_queue_full", change)
    assert (told["detail"]["why"], told["fix"]["commands"]) == (why, commands)
    assert ("longer queue would only" in told["fix"]["summary"]) is (why in ("descriptors", "not_waiting"))


def test_the_limit_is_told_in_the_programs_own_words_and_who_has_the_connections() -> None:
    def change(snapshot: Snapshot) -> None:
        snapshot["peers"] = [{"port": 5432, "address": "10.0.1.12", "count": 23}, {"port": 5433, "address": "10.0.1.13", "count": 99}]
        for listener in snapshot["listeners"]:
            listener.update(processes=[{**MASTER, "name": "memcached", "fds": 24, "fd_limit": 24}])

    fix = cause("accept_queue_full", change)["fix"]
    assert "and of its open files (LimitNOFILE= of web.service): write -c 4096 into its command line" in fix["summary"]
    assert "23 connections of 10.0.1.12)" in fix["summary"] and "10.0.1.13" not in fix["summary"]


def test_of_sockets_that_share_an_address_the_full_one_is_told_with_the_room_of_the_others() -> None:
    told = cause("accept_queue_full.reuseport")
    assert "it is one of 2 sockets that share the address (SO_REUSEPORT), of which 1 has room" in told["summary"]
    assert told["detail"]["why"] == "stopped" and "kill -CONT" in told["fix"]["summary"]


# -- containers behind a published port


def container(change: Callable[[dict[str, Any]], Any] | None = None, name: str = "listener_other_address.container") -> dict[str, Any]:
    def of(snapshot: Snapshot) -> None:
        for listener in snapshot["other_namespaces"] if change else ():
            change(listener)  # type: ignore[misc]

    return cause(name, of)


def test_a_listener_at_the_containers_loopback_address_does_not_get_what_is_published() -> None:
    told = container()
    assert (told["code"], told["certainty"], told["detail"]["listening"]) == ("listener_other_address", "proven", ["127.0.0.1:80"])


IN_BETWEEN = "rules"  # of that namespace, by which who gets it gets it not


@pytest.mark.parametrize(
    ("listener", "code"),
    [
        ({"address": "172.17.0.2"}, IN_BETWEEN),
        ({"address": "0.0.0.0"}, IN_BETWEEN),
        ({"address": "::", "v6only": False}, IN_BETWEEN),
        ({"address": "::", "v6only": True}, "listener_other_address"),
        ({"address": "172.17.0.3"}, "listener_other_address"),
        ({"address": "0.0.0.0", "device": "lo"}, "listener_other_address"),
        ({"netns": 1}, "nat_wrong_target"),  # another container's
    ],
)
def test_who_gets_it_is_told_from_who_does_not(listener: dict[str, Any], code: str) -> None:
    plan, found = recorded("listener_other_address.container")
    at_server(found, lambda snapshot: [each.update(listener) for each in snapshot["other_namespaces"]])
    causes = {each["code"]: each for each in flows(plan, found)[0]["causes"]}
    if code == IN_BETWEEN:
        assert (causes["nat_wrong_target"]["certainty"], "listener_other_address" in causes) == ("likely", False)
        assert "although" in causes["nat_wrong_target"]["summary"]
    else:
        assert code in causes


def uncounted(found: Phases) -> None:
    """The rule's counter rose by more than the run's connections."""
    for verdict in found["db1"]["close"]["evidence"]["after"]["firewall"]["verdicts"]:
        for step in verdict["path"]:
            step["rule"]["packets"] += 1


@pytest.mark.parametrize("name", ["listener_other_address.container", "nat_wrong_target.container"])
def test_without_the_rules_counter_it_is_likely(name: str) -> None:
    assert cause(name)["certainty"] == "proven"
    assert cause(name, None, uncounted)["certainty"] == "likely"


def test_a_container_that_does_not_accept_is_only_likely() -> None:
    told = cause("accept_queue_full.container")
    assert (told["code"], told["certainty"], told["detail"]["limit"]) == ("accept_queue_full", "likely", 2)
    assert "172.17.0.2:80" in told["summary"]
