# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that listen where they should not, and refusals that do not leave their server."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.services import (
    PROCESS,
    RESTLESS,
    SSH,
    UNIT,
    Snapshot,
    at_server,
    automatic,
    cause,
    with_unit,
)
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

# -- where a unit listens instead


RUNS = {**UNIT, "active": "active", "sub": "running", "result": "success"}


def test_a_service_whose_socket_unit_listens_elsewhere_is_not_stopped() -> None:
    for active in ("active", "inactive"):
        told = with_unit({**RUNS, "active": active, "relatives": [SSH]})
        assert told["fix"]["commands"][-1] == "systemctl stop orders.service orders.socket && systemctl start orders.socket"
        assert (told["code"], told["certainty"]) == ("no_listener", "proven")
        assert "orders.service listens on 5433 through orders.socket, not on 5432" in told["summary"]
        assert not automatic(told) and "ListenStream=5432" in told["fix"]["summary"]
        assert told["detail"] == {"unit": "orders.service", "listens": [5433], "socket": "orders.socket"}


def test_a_socket_unit_that_is_stopped_does_not_listen_for_its_service() -> None:
    stopped = {**RUNS, "active": "inactive", "relatives": [{**SSH, "active": "inactive"}]}
    assert with_unit(stopped)["code"] == "service_stopped"


def test_a_socket_unit_that_listens_as_it_was_before_its_file_changed() -> None:
    told = with_unit({**RUNS, "unit": "orders.socket", "how": "socket", "outdated": True, "listens": [{"address": "::", "port": 5433}]})
    assert "orders.socket listens on 5433, not on 5432" in told["summary"]
    assert told["fix"]["commands"][-1] == "systemctl stop orders.socket && systemctl start orders.socket"


def listening(unit: str | None, port: int = 5433) -> list[dict[str, Any]]:
    processes = None if unit is None else [{"pid": 9, "name": "orders", "unit": unit}]
    return [{"family": "ipv4", "address": "0.0.0.0", "port": port, "recv_q": 0, "send_q": 128, "processes": processes}]


@pytest.mark.parametrize(
    ("listeners", "unit", "said"),
    [
        (listening("orders.service"), RUNS, "orders.service listens on 5433, not on 5432"),
        (listening("other.service"), RUNS, "orders.service listens on no TCP port"),
        (listening(None), RUNS, None),  # whose it is may not be seen
        (listening("other.service"), {**RUNS, "how": "wellknown"}, None),
        (listening("orders.service"), {**RUNS, "how": "wellknown"}, "orders.service listens on 5433"),
    ],
)
def test_a_unit_that_runs_is_told_with_the_ports_of_its_processes(listeners: Any, unit: dict[str, Any], said: str | None) -> None:
    told = with_unit(unit, listeners=listeners)
    assert told["code"] == "no_listener"
    assert (said in told["summary"]) if said else ("orders" not in told["summary"])


def test_where_not_all_listeners_are_told_none_of_its_may_be_missing() -> None:
    plan, found = recorded("no_listener")
    at_server(found, lambda snapshot: snapshot.update(units=[RUNS], listeners=listening("other.service")))
    found["db1"]["close"]["evidence"]["absent"].append({"what": "listeners", "why": "200 of 300 are told"})
    assert "orders" not in flows(plan, found)[0]["causes"][0]["summary"]


def test_a_unit_that_others_run_on_the_port_is_not_told_to_change() -> None:
    told = with_unit({**RUNS, "how": "wellknown"}, listeners=listening("orders.service"))
    assert "start the service that should listen" in told["fix"]["summary"]


def test_why_it_still_listens_as_before_is_told() -> None:
    reload = with_unit({**RUNS, "reload": "exit-code"}, listeners=listening("orders.service"))
    assert "why the last reload of orders.service on db1 failed" in reload["fix"]["summary"]
    outdated = with_unit({**RUNS, "outdated": True}, listeners=listening("orders.service"))
    assert outdated["fix"]["commands"] == ["systemctl daemon-reload", "systemctl restart orders.service"]


# -- RSTs that the server's TCP makes, and that do not leave it


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({}, "no_listener"),
        ({"units": [UNIT]}, "service_stopped"),
        ({"other_namespaces": [{"address": "0.0.0.0", "name": "python", "netns": 1, "pid": 3, "port": 5432}]}, "listener_other_namespace"),
    ],
)
def test_what_should_listen_is_told_also_where_the_refusal_does_not_leave(part: dict[str, Any], code: str) -> None:
    told = cause("no_listener.reset-dropped", lambda snapshot: snapshot.update(part))
    assert (told["code"], told["certainty"]) == (code, "proven")
    assert any(each["observation"].endswith("and no RST left") for each in told["evidence"])


BY_PATH = {"port": 5432, "path": "/run/redis.sock", "process": {"pid": 12, "name": "redis-server", "state": "S", "unit": None}}
FOUND_BY_NAME = {**UNIT, "how": "wellknown", "active": "inactive", "sub": "dead"}
ON_OTHERS = {**UNIT, "active": "active", "sub": "running", "listens": [{"address": "::", "port": 5433}]}


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"unix_sockets": [BY_PATH]}, "redis-server (pid 12) listens on /run/redis.sock and on no TCP port"),
        ({"unix_sockets": [BY_PATH], "units": [FOUND_BY_NAME]}, "redis-server (pid 12) listens on /run/redis.sock and on no TCP port"),
        ({"units": [ON_OTHERS]}, "orders.service listens on 5433, not on 5432"),
        ({"udp_sockets": [{"port": 5432, "address": "0.0.0.0", "process": PROCESS}]}, "has UDP port 5432"),
        ({"units": [RESTLESS]}, "crashy.service is started again and again"),
    ],
)
def test_who_is_there_instead_is_told_whether_the_refusal_leaves_or_not(part: dict[str, Any], said: str) -> None:
    leaves, stays = (cause(name, lambda snapshot: snapshot.update(part)) for name in ("no_listener", "no_listener.reset-dropped"))
    assert (leaves["code"], stays["code"], stays["certainty"]) == ("no_listener", "no_listener", "proven")
    assert said in leaves["summary"] and said in stays["summary"] and "do not leave it" in stays["summary"]
    assert leaves["fix"]["summary"] == stays["fix"]["summary"]


@pytest.mark.parametrize(("how", "active"), [("wellknown", "failed"), ("text", "inactive")])
def test_a_program_without_tcp_hides_no_unit_that_failed_or_names_the_port(how: str, active: str) -> None:
    units = [{**FOUND_BY_NAME, "how": how, "active": active}]
    told = cause("no_listener", lambda snapshot: snapshot.update(unix_sockets=[BY_PATH], units=units))
    assert (told["code"], told["detail"]["unit"]) == ("service_stopped", "orders.service")


def test_a_program_without_tcp_hides_no_unit_that_keeps_failing() -> None:
    """The port may be meant for another one, such as 9000, which is php-fpm's by default, and not only its."""
    told = cause("no_listener", lambda snapshot: snapshot.update(unix_sockets=[BY_PATH], units=[RESTLESS]))
    assert "redis-server (pid 12) listens on /run/redis.sock" in told["summary"] and "crashy.service" in told["summary"]
    assert told["fix"]["summary"].startswith("if redis-server is meant, ")


def test_a_unit_behind_a_proxy_that_only_its_name_tells_of_is_not_meant_where_its_program_runs() -> None:
    def to_this_host(snapshot: Snapshot) -> None:
        """socat passes on to another port of its host."""
        for relay in snapshot.get("relays") or ():
            relay.update(address="127.0.0.1", to=8080)

    for name, port in (("load_balancer_no_backend.http", 5432), ("proxy_no_backend", 8080)):
        unit, taker = {**FOUND_BY_NAME, "port": port}, {**BY_PATH, "port": port}
        changes = (name, lambda snapshot, unit=unit: snapshot.update(units=[unit]), lambda found: at_server(found, to_this_host))
        assert "orders.service is inactive" in cause(*changes)["summary"]
        told = cause(*changes, lambda found, taker=taker: at_server(found, lambda snapshot: snapshot.update(unix_sockets=[taker])))
        assert told["code"] == name.partition(".")[0] and "orders.service" not in told["summary"]
