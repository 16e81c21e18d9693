# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that do not run: what is said of them, and that no fix is offered that cannot help."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.services import (
    EXITED,
    HOLDER,
    PROCESS,
    RESTLESS,
    UNIT,
    Snapshot,
    at_server,
    automatic,
    cause,
    with_unit,
)
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

# -- why a unit does not run, and whether a start can help


def test_a_unit_that_was_stopped_is_started() -> None:
    told = with_unit({**UNIT, "active": "inactive", "sub": "dead", "result": "success"})
    assert (told["code"], told["certainty"], automatic(told)) == ("service_stopped", "proven", True)


def test_one_that_is_only_known_to_use_the_port_makes_it_likely() -> None:
    for how, certainty in (("declared", "proven"), ("socket", "proven"), ("text", "likely"), ("wellknown", "likely")):
        assert with_unit({**UNIT, "how": how})["certainty"] == certainty


def test_one_that_was_killed_for_want_of_memory_is_not_just_started() -> None:
    told = with_unit({**UNIT, "result": "oom-kill", "code": "killed", "status": 9, "ran_s": 86400.0})
    assert "orders.service is failed, result oom-kill: it was killed for lack of memory" in told["summary"]
    assert not automatic(told)


REQUIRED = {"unit": "srv.mount", "tie": "requires", "active": "failed", "sub": "failed", "result": "exit-code", "status": 32, "log": ["no"]}
AHEAD = {"unit": "wait-online.service", "tie": "waits_for", "active": "activating", "sub": "start"}
TIMER = {"unit": "orders.timer", "tie": "triggered_by", "active": "active", "sub": "waiting"}
INSTANCE = {"unit": "orders@1.service", "tie": "triggers", "active": "failed", "sub": "failed", "result": "exit-code", "status": 1}


@pytest.mark.parametrize(
    ("unit", "said", "advised"),
    [
        ({**EXITED, "ran_s": 0.2}, "exits with status 3 after 0.2 s", "find out why orders.service fails to start"),
        ({**EXITED, "active": "activating", "sub": "auto-restart", "restarts": 12}, "started again and again", "ends after each start"),
        ({**UNIT, "result": "signal", "code": "dumped", "status": 11, "ran_s": 0.1}, "ended by signal 11", "fails to start"),
        ({**UNIT, "result": "exit-code", "prepared": {"command": "/usr/sbin/nginx", "status": 1}}, "/usr/sbin/nginx, which", "mend what"),
        ({**UNIT, "active": "inactive", "unmet": True}, "a condition in its section [Unit] is not met", "see which condition"),
        ({**UNIT, "active": "inactive", "queued": True}, "its start is queued already, and waits for other jobs", "list-jobs"),
        (
            {**UNIT, "active": "inactive", "queued": True, "relatives": [AHEAD]},
            "its start is queued already, and waits for wait-online.service (activating)",
            "see why wait-online.service (activating) is not done",
        ),
        (
            {**UNIT, "active": "inactive", "relatives": [REQUIRED]},
            "srv.mount, which it requires, is failed (exit status 32)",
            "start srv.mount",
        ),
        ({**UNIT, "active": "activating", "sub": "start"}, "is activating (start)", "waits while it starts"),
        ({**UNIT, "active": "deactivating", "sub": "stop-sigterm"}, "is deactivating", "does not end"),
        ({**UNIT, "result": "resources"}, "result resources", "fails to start"),
        ({**UNIT, "active": "inactive", "once": True}, "is inactive", "do its work and end"),
        ({**UNIT, "active": "inactive", "relatives": [TIMER]}, "orders.timer starts it", "see whether orders.timer"),
        ({**UNIT, "load": "masked", "active": "inactive"}, "it is masked", "unmask"),
        ({**UNIT, "result": "start-limit-hit", "code": "exited", "status": 3}, "exits with status 3", "too many starts"),
        ({**UNIT, "active": "inactive", "code": "exited", "status": 0, "ran_s": 0.1}, "ended with success after 0.1 s", "Type=forking"),
        ({**UNIT, "result": "trigger-limit-hit"}, "result trigger-limit-hit", "raise TriggerLimitBurst="),
        (
            {**UNIT, "result": "trigger-limit-hit", "relatives": [INSTANCE]},
            "orders@1.service, which it starts, is failed",
            "too many starts",
        ),
    ],
)
def test_what_would_end_again_is_not_just_started(unit: dict[str, Any], said: str, advised: str) -> None:
    told = with_unit(unit)
    assert told["code"] == "service_stopped"
    assert said in told["summary"]
    assert not automatic(told) and advised in told["fix"]["summary"]


PRIVILEGED = {"net.ipv4.ip_unprivileged_port_start": "6000"}


@pytest.mark.parametrize(
    ("confined", "said", "advised"),
    [
        ({"user": "nobody"}, "runs as nobody, who may not bind ports below 6000", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
        ({"user": "nobody", "capable": True}, None, "find out why"),
        ({"user": None}, None, "find out why"),
        ({"families": "AF_UNIX"}, "lets it have no socket of AF_INET or AF_INET6", "set RestrictAddressFamilies=AF_INET AF_INET6 in"),
        ({"families": "~AF_INET6 AF_NETLINK"}, "no socket of AF_INET6", "RestrictAddressFamilies= and RestrictAddressFamilies=~AF_NETLINK"),
        ({"families": "AF_UNIX AF_INET AF_INET6"}, None, "find out why"),
        ({"families": "~AF_NETLINK"}, None, "find out why"),
    ],
)
def test_what_systemd_forbids_one_that_fails_at_once_is_told(confined: dict[str, Any], said: str | None, advised: str) -> None:
    failed = {**EXITED, "ran_s": 0.2, "confined": confined}
    told = with_unit(failed, sysctls=PRIVILEGED)
    assert ("; " in told["summary"]) == (said is not None) and (said or "") in told["summary"]
    assert not automatic(told) and advised in told["fix"]["summary"]
    assert "find out why" not in told["fix"]["summary"] or said is None


def test_what_a_host_says_of_families_stays_one_word_of_a_command() -> None:
    failed = {**EXITED, "ran_s": 0.2, "confined": {"families": "~AF_INET6 ';touch${IFS}x;' AF_NETLINK"}}
    written, *_others = with_unit(failed, sysctls=PRIVILEGED)["fix"]["commands"]
    assert shlex.split(written)[4:9] == [  # behind mkdir -p DIRECTORY &&
        "printf",
        r"%s\n",
        "[Service]",
        "RestrictAddressFamilies=",
        "RestrictAddressFamilies=~';touch${IFS}x;' AF_NETLINK",
    ]


@pytest.mark.parametrize("more", [{"ran_s": 300.0}, {"active": "inactive", "status": 0}])
def test_what_has_run_is_not_forbidden_to(more: dict[str, Any]) -> None:
    assert (
        "CAP_NET_BIND_SERVICE"
        not in with_unit({**EXITED, "ran_s": 0.2, "confined": {"user": "nobody"}, **more}, sysctls=PRIVILEGED)["summary"]
    )


@pytest.mark.parametrize(("since_s", "late"), [(25.0, True), (15.0, False), (None, False)])
def test_an_address_that_came_after_the_unit_had_failed(since_s: float | None, late: bool) -> None:
    """A start helps now, and at the next boot it would fail again."""

    def mine(snapshot: Snapshot) -> None:
        next(each for each in snapshot["addresses"] if each["address"] == "10.0.2.21")["since_s"] = since_s
        snapshot["units"] = [{**EXITED, "ran_s": 0.2, "ended_s": 20.0}]

    told = cause("no_listener", mine)
    assert ("db1 has 10.0.2.21 only since 5 s after that" in told["summary"]) is late
    assert ("After=network-online.target" in told["fix"]["summary"]) is late
    assert (len(told["fix"]["commands"]) == 4) is late


@pytest.mark.parametrize(("since_s", "late"), [(25.0, True), (15.0, False), (None, False)])
def test_a_socket_unit_that_was_there_before_its_address(since_s: float | None, late: bool) -> None:
    """What else keeps it from listening, such as a port that another program has, is no reason to bind it any earlier."""

    def mine(snapshot: Snapshot) -> None:
        next(each for each in snapshot["addresses"] if each["address"] == "10.0.2.21")["since_s"] = since_s
        listens = [{"address": "10.0.2.21", "port": 5432}, {"address": "10.0.2.21", "port": 80}]
        snapshot["units"] = [{**UNIT, "unit": "orders.socket", "result": "resources", "ended_s": 20.0, "listens": listens}]

    told = cause("no_listener", mine)
    assert ("FreeBind=yes" in told["fix"]["summary"]) is late
    assert ("find out why orders.socket fails to start" in told["fix"]["summary"]) is not late


def test_the_words_of_what_keeps_it_from_running_are_told() -> None:
    told = with_unit({**UNIT, "active": "inactive", "relatives": [REQUIRED]})
    assert ("journal of srv.mount", "no") in [(seen["source"], seen["observation"]) for seen in told["evidence"]]


def test_one_that_is_found_running_between_two_of_its_ends_is_told_as_ending() -> None:
    plan, found = recorded("no_listener")
    ends = {**EXITED, "active": "activating", "sub": "auto-restart", "restarts": 4}
    at_server(found, lambda snapshot: snapshot.update(units=[ends]), ("snapshot",))
    at_server(found, lambda snapshot: snapshot.update(units=[{**UNIT, "active": "active", "sub": "running", "restarts": 5}]), ("after",))
    told = flows(plan, found)[0]["causes"][0]
    assert told["code"] == "service_stopped"
    assert "started again 5 times" in told["summary"] and "status 3" in told["summary"]
    at_server(found, lambda snapshot: snapshot.update(units=[{**UNIT, "active": "active", "sub": "running", "restarts": 4}]), ("after",))
    assert flows(plan, found)[0]["causes"][0]["code"] == "no_listener"


# -- whose the port is


def test_a_port_that_a_connection_of_others_has_is_no_reason_to_start() -> None:
    told = with_unit({**EXITED, "ran_s": 0.1}, port_holders=[HOLDER])
    assert "curl (pid 7) has a connection from 10.0.2.21:5432 to 10.0.2.1:443 (ESTABLISHED)" in told["summary"]
    assert not automatic(told) and "restart batch.service" in told["fix"]["summary"]
    assert told["fix"]["commands"][:2] == ["sysctl -w net.ipv4.ip_local_reserved_ports=5432", "systemctl restart batch.service"]
    session = {**HOLDER, "process": {**PROCESS, "unit": "session-4.scope"}}
    assert with_unit({**EXITED, "ran_s": 0.1}, port_holders=[session])["fix"]["commands"][1] == "kill 7"
    accepted = {**session, "remote_port": 50123}  # by the service when it ran: perhaps the session of who reads the advice
    assert not with_unit({**EXITED, "ran_s": 0.1}, port_holders=[accepted])["fix"]["commands"]


def test_what_is_reserved_already_stays_so() -> None:
    def change(snapshot: Snapshot) -> None:
        snapshot.update(units=[EXITED], port_holders=[{**HOLDER, "process": None, "remote": "0.0.0.0", "remote_port": 0}])
        snapshot["sysctls"]["net.ipv4.ip_local_reserved_ports"] = "8000-8010"

    told = cause("no_listener", change)
    assert "a process has bound 10.0.2.21:5432" in told["summary"] and "find out whose it is" in told["fix"]["summary"]
    assert not told["fix"]["commands"]
    assert "net.ipv4.ip_local_reserved_ports=8000-8010,5432" in told["fix"]["summary"]


def test_connections_that_the_unit_itself_left_do_not_keep_it_from_its_port() -> None:
    stopped = {**UNIT, "active": "inactive", "result": "success"}
    assert automatic(with_unit(stopped, port_holders=[{**HOLDER, "process": {**PROCESS, "unit": "orders.service"}}]))
    assert not automatic(with_unit(stopped, port_holders=[HOLDER]))
    assert automatic(with_unit(stopped, port_holders=[{**HOLDER, "port": 5433}]))


def test_one_that_failed_because_another_listens_at_another_address_is_named() -> None:
    told = cause("listener_other_address.loopback", lambda snapshot: snapshot.update(units=[EXITED]))
    assert told["code"] == "listener_other_address" and "orders.service is failed" in told["summary"]
    assert "if port 5432 is orders.service's" in told["fix"]["summary"]
    told = cause("listener_other_address.loopback", lambda snapshot: snapshot.update(units=[{**EXITED, "how": "wellknown"}]))
    assert "orders.service" not in told["summary"]


# -- a port for which no unit is known

FAILED_LONG_AGO = {**EXITED, "unit": "mailer.service", "how": "restless", "ran_s": 9000.0, "log": ["no route to mail"]}


def test_where_no_unit_is_known_the_one_that_does_not_stay_is_told() -> None:
    told = cause("no_listener", lambda snapshot: snapshot.update(units=[FAILED_LONG_AGO, {**RESTLESS, "log": ["no such database"]}]))
    assert (told["code"], told["certainty"]) == ("no_listener", "proven")
    assert told["summary"].endswith(
        "; no unit is known for the port, and crashy.service is started again and again (activating/auto-restart), result exit-code, "
        "started again 7 times: its process exits with status 3 after 0.2 s"
    )
    seen = [(each["source"], each["observation"]) for each in told["evidence"]]
    assert ("systemd", "mailer.service is failed, result exit-code: its process exits with status 3") in seen
    assert ("journal", "no such database") in seen and ("journal", "no route to mail") not in seen
    assert told["fix"]["summary"].startswith("if crashy.service should listen there, find out why it ends (journalctl -u crashy.service)")
    assert not automatic(told)


def test_one_that_failed_some_time_ago_is_evidence_only() -> None:
    told = with_unit(FAILED_LONG_AGO)
    assert (told["code"], told["summary"]) == ("no_listener", "nothing listens on port 5432 of db1")
    assert "mailer.service" in told["fix"]["summary"]


def test_one_that_was_restarted_before_and_runs_is_not_told() -> None:
    told = with_unit({**RESTLESS, "active": "active", "sub": "running"})
    assert "crashy.service" not in str(told)


def test_one_that_runs_between_two_ends_is_told() -> None:
    def runs(snapshot: Snapshot) -> None:
        snapshot["units"] = [{**RESTLESS, "active": "active", "sub": "running"}]

    told = cause("no_listener", runs, lambda found: found["db1"]["close"]["evidence"]["after"]["units"][0].update(restarts=9))
    assert "crashy.service is started again and again" in told["summary"]
